"""Reading molecular systems from files: topology, OpenMM System, start positions and box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import openmm as mm
from numpy.typing import NDArray
from openmm import app, unit

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.files import find_file, in_nm, open_with
from msgen.systems.kinds import Field
from msgen.systems.openmm.admission import admit
from msgen.systems.openmm.bonded_terms import BondedTerms
from msgen.systems.openmm.periodic_images import check_cutoff, check_whole, make_whole
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.openmm.structure_files import read_structure
from msgen.systems.topology.same_atoms import (
    NamedAtom,
    first_difference,
    mass_difference,
)


@dataclass(frozen=True)
class Molecule:
    """A molecular system as read.

    Attributes
    ----------
    topology : mdtraj.Topology
    openmm_topology : openmm.app.Topology
    system : openmm.System
    positions : Array, shape (N, 3)
        nm.
    box : Array, shape (3, 3), or None
        nm; None unless the System uses periodic boundaries.
    free : bool array, shape (N, 3), or None
        Degrees of freedom that ever move: no force acts in the others, and none has a velocity.
        None for all.
    origin : tuple
        Field of the campaign that its forces come from, and what it says.
    """

    topology: Any
    openmm_topology: Any
    system: Any
    positions: Array
    box: Array | None
    free: NDArray[np.bool_] | None = None
    origin: tuple[Field, object] = (("system",), "")


_NO_LATTICE = "Illegal nonbonded method"
"""What OpenMM says of PME with an implicit solvent, which has no lattice: a box means nothing."""


def _options(source: MoleculeSource, periodic: bool) -> dict[str, Any]:
    """Keyword arguments of OpenMM's createSystem."""
    method = source.nonbonded
    if method == "auto":
        method = "PME" if periodic else "NoCutoff"
    if method in ("PME", "CutoffPeriodic") and not periodic:
        raise SpecError(
            ("system", "nonbonded"),
            method,
            "needs a box, and the structure has none",
            "Write nonbonded: NoCutoff, or give a structure with a box (CRYST1)",
        )
    constrained = source.constraints != "None"
    options: dict[str, Any] = {
        "nonbondedMethod": getattr(app, method),
        "constraints": getattr(app, source.constraints) if constrained else None,
        "rigidWater": source.rigid_water,
        "removeCMMotion": False,
    }
    if method != "NoCutoff":
        # scripts in force-field files ask for its unit
        options["nonbondedCutoff"] = (source.cutoff or 1.0) * unit.nanometer
    if source.hydrogen_mass is not None:
        options["hydrogenMass"] = source.hydrogen_mass * unit.dalton
    return options


def _force_field(files: Sequence[str], base_dir: Path) -> Any:
    paths = [str(base_dir / f) if (base_dir / f).is_file() else f for f in files]
    try:
        return app.ForceField(*paths)
    except Exception as error:
        culprit = _first_unusable(paths)
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SpecError(
            ("system", "forcefield", culprit),
            files[culprit],
            f"cannot be used ({text})",
            "Name a file beside the campaign or one that OpenMM ships, such as amber14-all.xml",
        ) from error


def _first_unusable(paths: list[str]) -> int:
    """The first file with which the files so far cannot be read together."""
    for k in range(len(paths)):
        try:
            app.ForceField(*paths[: k + 1])
        except Exception:
            return k
    return len(paths) - 1


def _create(create: Callable[[], Any], field: Field, value: object) -> Any:
    try:
        return create()
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        text = text.partition("  For more information")[0]
        remedy = "Check that structure, force field, nonbonded and cutoff fit each other"
        if "No template found" in text:
            remedy = (
                "Name a force-field file that fits this residue, add the atoms that it misses, or "
                "give the molecule by topology: (Amber, Gromacs) or system_xml:"
            )
        elif _NO_LATTICE in text:
            remedy = "Write nonbonded: NoCutoff, which an implicit solvent goes with"
        raise SpecError(field, value, f"the system cannot be built: {text}", remedy) from error


def _from_force_field(source: MoleculeSource, base_dir: Path) -> tuple[Any, Any, Array, Any]:
    pdb = read_structure(source.structure, base_dir)
    field = _force_field(source.forcefield, base_dir)

    boxed = pdb.topology.getPeriodicBoxVectors() is not None
    options = _options(source, boxed)

    def create() -> Any:
        try:
            return field.createSystem(pdb.topology, **options)
        except ValueError as error:
            if not (boxed and source.nonbonded == "auto" and _NO_LATTICE in str(error)):
                raise
        pdb.topology.setPeriodicBoxVectors(None)
        return field.createSystem(pdb.topology, **_options(source, False))

    system = _create(create, ("system", "structure"), source.structure)
    return pdb.topology, system, in_nm(pdb.getPositions(asNumpy=True)), None


def _from_topology(source: MoleculeSource, base_dir: Path) -> tuple[Any, Any, Array, Any]:
    where: Field = ("system", "topology")
    path = find_file(source.topology, base_dir, where)
    coordinates = find_file(source.coordinates, base_dir, ("system", "coordinates"))
    amber = path.suffix.lower() in (".prmtop", ".parm7")
    if not amber and path.suffix.lower() != ".top":
        raise SpecError(
            where, source.topology, "is neither Amber nor Gromacs", "Give .prmtop or .top"
        )
    reader = app.AmberInpcrdFile if amber else app.GromacsGroFile
    given = open_with(reader, coordinates, ("system", "coordinates"))
    box = given.boxVectors if amber else given.getPeriodicBoxVectors()
    if box is not None and not float(in_nm(box).trace()) > 0:
        box = None  # a .gro file always has a box line; zeros mean vacuum
    extra: dict[str, Any] = {}
    if source.implicit_solvent is not None:
        if not amber:
            raise SpecError(
                ("system", "implicit_solvent"),
                source.implicit_solvent,
                "is for Amber topologies",
                "Use a force-field file such as implicit/obc2.xml with a PDB structure",
            )
        extra["implicitSolvent"] = getattr(app, source.implicit_solvent)
        box = None
    # periodicity of the topology itself follows from the box that is passed here
    top = open_with(
        app.AmberPrmtopFile if amber else app.GromacsTopFile, path, where, periodicBoxVectors=box
    )
    options = _options(source, box is not None)
    system = _create(lambda: top.createSystem(**options, **extra), where, source.topology)
    positions = given.positions if amber else given.getPositions(asNumpy=True)
    if not amber:
        _same_names(top.topology, given, source)
    return top.topology, system, in_nm(positions), box


def _from_xml(source: MoleculeSource, base_dir: Path) -> tuple[Any, Any, Array, Any]:
    pdb = read_structure(source.structure, base_dir)
    where: Field = ("system", "system_xml")
    path = find_file(source.system_xml, base_dir, where)
    system = open_with(
        lambda p: mm.XmlSerializer.deserialize(Path(p).read_text(encoding="utf-8")), path, where
    )
    if not isinstance(system, mm.System):
        raise SpecError(where, source.system_xml, "holds no System", "Serialise an openmm.System")
    return pdb.topology, system, in_nm(pdb.getPositions(asNumpy=True)), None


def read_molecule(source: MoleculeSource, base_dir: Path) -> Molecule:
    """Read a molecular system, whichever of the four kinds of input it is given by.

    Parameters
    ----------
    source : MoleculeSource
        structure + forcefield, topology + coordinates (Amber or Gromacs), or system_xml +
        structure.
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        Naming the file or the option, and the remedy.
    """
    read = _from_force_field
    if source.topology:
        read = _from_topology
    elif source.system_xml:
        read = _from_xml
    topology, system, positions, box = read(source, base_dir)
    admit(system, source.forces_from)
    if system.getNumParticles() != len(positions):
        field, file = source.positions_from
        raise SpecError(
            field,
            file,
            f"has {len(positions)} atoms where the system has {system.getNumParticles()}",
            "Give the structure that the system was made from",
        )
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    periodic = system.usesPeriodicBoundaryConditions()
    vectors = (
        np.array([in_nm(v) for v in system.getDefaultPeriodicBoxVectors()]) if periodic else None
    )
    mdtraj_topology = mdtraj.Topology.from_openmm(topology)
    bonds = BondedTerms.of(system)
    _same_atoms(mdtraj_topology, system, bonds, positions, vectors, source)
    if vectors is not None:
        check_cutoff(system, vectors, source)
    bonds.add_to(topology, mdtraj_topology)
    if vectors is not None:
        whole = make_whole(positions, vectors, mdtraj_topology)
        check_whole(system, positions, whole, vectors, mdtraj_topology, source)
        positions = whole
    return Molecule(
        mdtraj_topology, topology, system, positions, vectors, origin=source.forces_from
    )


_ORDER = "Give the structure that the System was made from, its atoms in the same order"


def _same_names(topology: Any, given: Any, source: MoleculeSource) -> None:
    """Gromacs names atoms in both files; it takes them by their number, we do not."""
    if len(given.atomNames) != topology.getNumAtoms():
        return  # told with the numbers
    own = [
        NamedAtom(
            a.residue.name, a.residue.index, a.name, "" if a.element is None else a.element.symbol
        )
        for a in topology.atoms()
    ]
    rows = zip(own, given.residueNames, given.atomNames, given.elements, strict=True)
    theirs = [
        NamedAtom(residue, ours.number, name, "" if element is None else element.symbol)
        for ours, residue, name, element in rows
    ]
    found = first_difference(own, theirs)
    if found is not None:
        field, file = source.positions_from
        raise SpecError(field, file, f"has its atoms in another order: {found[1]}", _ORDER)


def _same_atoms(
    topology: Any,
    system: Any,
    bonds: BondedTerms,
    positions: Array,
    box: Array | None,
    source: MoleculeSource,
) -> None:
    """See that atom i of the positions is atom i of the forces, by masses and by bonds."""
    field, file = source.positions_from
    masses = np.array([system.getParticleMass(i)._value for i in range(len(positions))])
    found = mass_difference(topology, masses) if source.system_xml else None
    if found is not None:
        what = f"has other atoms than {source.system_xml}, or in another order: {found[1]}"
        raise SpecError(field, file, what, _ORDER)
    torn = bonds.torn(positions, box)
    if torn is not None:
        i, j, length, own = torn
        a, b = (topology.atom(k) for k in (i, j))
        raise SpecError(
            field,
            file,
            f"has atoms {i} and {j} (from 0; {a.residue.name}:{a.name}, "
            f"{b.residue.name}:{b.name}) {length:.3g} nm apart, which are bonded at {own:.3g} nm: "
            "in another order, in another unit, or of another box",
            _ORDER,
        )
