"""Reading molecular systems from files: topology, OpenMM System, start positions and box."""

from __future__ import annotations

from collections.abc import Mapping
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
from msgen.systems.files import Field, find_file, in_nm, open_with
from msgen.systems.openmm.periodic_images import make_whole

NONBONDED = ("NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "PME")
CONSTRAINTS = ("None", "HBonds", "AllBonds", "HAngles")
IMPLICIT = ("HCT", "OBC1", "OBC2", "GBn", "GBn2")


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
    """

    topology: Any
    openmm_topology: Any
    system: Any
    positions: Array
    box: Array | None
    free: NDArray[np.bool_] | None = None


def _structure(spec: Mapping[str, Any], base_dir: Path) -> Any:
    field: Field = ("system", "structure")
    path = find_file(spec.get("structure"), base_dir, field)
    suffix = path.suffix.lower()
    if suffix in (".cif", ".mmcif", ".pdbx"):
        return open_with(app.PDBxFile, path, field)
    if suffix in (".pdb", ".ent"):
        return open_with(app.PDBFile, path, field)
    raise SpecError(field, str(spec["structure"]), "is neither PDB nor mmCIF", "Give .pdb or .cif")


def _one_of(spec: Mapping[str, Any], key: str, allowed: tuple[str, ...], default: str) -> str:
    value = spec.get(key, default)
    text = "None" if value is None else str(value)
    if text not in allowed:
        raise SpecError(("system", key), value, "is unknown", f"One of {', '.join(allowed)}")
    return text


def _options(spec: Mapping[str, Any], periodic: bool) -> dict[str, Any]:
    """Keyword arguments of OpenMM's createSystem."""
    method = _one_of(spec, "nonbonded", (*NONBONDED, "auto"), "auto")
    if method == "auto":
        method = "PME" if periodic else "NoCutoff"
    if method in ("PME", "CutoffPeriodic") and not periodic:
        raise SpecError(
            ("system", "nonbonded"),
            method,
            "needs a box, and the structure has none",
            "Write nonbonded: NoCutoff, or give a structure with a box (CRYST1)",
        )
    constraints = _one_of(spec, "constraints", CONSTRAINTS, "HBonds")
    options: dict[str, Any] = {
        "nonbondedMethod": getattr(app, method),
        "constraints": None if constraints == "None" else getattr(app, constraints),
        "rigidWater": bool(spec.get("rigid_water", True)),
        "removeCMMotion": False,
    }
    if method != "NoCutoff":
        options["nonbondedCutoff"] = float(spec.get("cutoff") or 1.0)
    if spec.get("hydrogen_mass") is not None:
        options["hydrogenMass"] = float(spec["hydrogen_mass"]) * unit.dalton
    return options


def _force_field(spec: Mapping[str, Any], base_dir: Path) -> Any:
    files = spec.get("forcefield")
    if isinstance(files, str):
        files = [files]
    if not files:
        raise SpecError(
            ("system", "forcefield"),
            files,
            "no force field",
            "List force-field files, such as [amber99sb.xml], or give topology: or system_xml:",
        )
    paths = [str(base_dir / f) if (base_dir / f).is_file() else f for f in map(str, files)]
    try:
        return app.ForceField(*paths)
    except Exception as error:
        culprit = _first_unusable(paths)
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SpecError(
            ("system", "forcefield", culprit),
            str(files[culprit]),
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


def _create(create: Any, spec: Mapping[str, Any], field: Field, value: object) -> Any:
    try:
        return create()
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SpecError(
            field,
            value,
            f"the system cannot be built: {text}",
            "Check that structure, force field, nonbonded and cutoff fit each other",
        ) from error


def _from_force_field(spec: Mapping[str, Any], base_dir: Path) -> tuple[Any, Any, Array, Any]:
    pdb = _structure(spec, base_dir)
    field = _force_field(spec, base_dir)
    options = _options(spec, pdb.topology.getPeriodicBoxVectors() is not None)
    system = _create(
        lambda: field.createSystem(pdb.topology, **options),
        spec,
        ("system", "structure"),
        spec.get("structure"),
    )
    return pdb.topology, system, in_nm(pdb.getPositions(asNumpy=True)), None


def _from_topology(spec: Mapping[str, Any], base_dir: Path) -> tuple[Any, Any, Array, Any]:
    where: Field = ("system", "topology")
    path = find_file(spec.get("topology"), base_dir, where)
    coordinates = find_file(spec.get("coordinates"), base_dir, ("system", "coordinates"))
    amber = path.suffix.lower() in (".prmtop", ".parm7")
    if not amber and path.suffix.lower() != ".top":
        raise SpecError(
            where, str(spec["topology"]), "is neither Amber nor Gromacs", "Give .prmtop or .top"
        )
    reader = app.AmberInpcrdFile if amber else app.GromacsGroFile
    given = open_with(reader, coordinates, ("system", "coordinates"))
    box = given.boxVectors if amber else given.getPeriodicBoxVectors()
    if box is not None and not float(in_nm(box).trace()) > 0:
        box = None  # a .gro file always has a box line; zeros mean vacuum
    extra: dict[str, Any] = {}
    if spec.get("implicit_solvent") is not None:
        name = _one_of(spec, "implicit_solvent", IMPLICIT, "OBC2")
        if not amber:
            raise SpecError(
                ("system", "implicit_solvent"),
                name,
                "is for Amber topologies",
                "Use a force-field file such as implicit/obc2.xml with a PDB structure",
            )
        extra["implicitSolvent"] = getattr(app, name)
        box = None
    # periodicity of the topology itself follows from the box that is passed here
    top = open_with(
        app.AmberPrmtopFile if amber else app.GromacsTopFile, path, where, periodicBoxVectors=box
    )
    options = _options(spec, box is not None)
    system = _create(lambda: top.createSystem(**options, **extra), spec, where, spec["topology"])
    positions = given.positions if amber else given.getPositions(asNumpy=True)
    return top.topology, system, in_nm(positions), box


def _from_xml(spec: Mapping[str, Any], base_dir: Path) -> tuple[Any, Any, Array, Any]:
    pdb = _structure(spec, base_dir)
    where: Field = ("system", "system_xml")
    path = find_file(spec.get("system_xml"), base_dir, where)
    system = open_with(lambda p: mm.XmlSerializer.deserialize(Path(p).read_text()), path, where)
    if not isinstance(system, mm.System):
        raise SpecError(where, spec["system_xml"], "holds no System", "Serialise an openmm.System")
    return pdb.topology, system, in_nm(pdb.getPositions(asNumpy=True)), None


def _refuse(system: Any, source: object) -> None:
    """Refuse a barostat or thermostat in a System; drop the removal of centre-of-mass motion."""
    for k in reversed(range(system.getNumForces())):
        name = type(system.getForce(k)).__name__
        if "Barostat" in name:
            raise SpecError(
                ("system", "system_xml"),
                source,
                f"holds a {name}; constant pressure is not supported yet",
                "Remove it from the System: campaigns run at constant volume",
            )
        if name == "AndersenThermostat":
            raise SpecError(
                ("system", "system_xml"),
                source,
                f"holds an {name}",
                "Remove it: the temperature is set by `temperature:`",
            )
        if name == "CMMotionRemover":
            # it changes momenta behind the back of a Metropolis test
            system.removeForce(k)


def _refuse_unused(spec: Mapping[str, Any], source: str) -> None:
    """Refuse options that this kind of input would silently ignore."""
    if source != "topology" and spec.get("implicit_solvent") is not None:
        raise SpecError(
            ("system", "implicit_solvent"),
            spec["implicit_solvent"],
            "is for Amber topologies",
            "Add a force-field file such as implicit/obc2.xml instead",
        )
    if source == "system_xml":
        for key in ("hydrogen_mass", "cutoff", "nonbonded"):
            if spec.get(key) not in (None, "auto"):
                raise SpecError(
                    ("system", key),
                    spec[key],
                    "is fixed by the serialised System",
                    "Remove it, or set it where the System is made",
                )


def read_molecule(spec: Mapping[str, Any], base_dir: Path) -> Molecule:
    """Read a molecular system, whichever of the four kinds of input it is given by.

    Parameters
    ----------
    spec : Mapping
        The ``system:`` section: structure + forcefield, topology + coordinates (Amber or
        Gromacs), or system_xml + structure; nonbonded, cutoff, constraints, rigid_water,
        hydrogen_mass, implicit_solvent (Amber).
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        Naming the file or the option, and the remedy.
    """
    if spec.get("pressure") is not None:
        raise SpecError(
            ("system", "pressure"),
            spec["pressure"],
            "constant pressure is not supported yet",
            "Remove it: campaigns run at constant volume",
        )
    given = [k for k in ("forcefield", "topology", "system_xml") if spec.get(k)]
    if len(given) > 1:
        raise SpecError(
            ("system", given[1]),
            spec[given[1]],
            f"is given together with {given[0]}",
            "Give one of forcefield, topology and system_xml",
        )
    _refuse_unused(spec, given[0] if given else "forcefield")
    read = {"topology": _from_topology, "system_xml": _from_xml}.get(
        given[0] if given else "", _from_force_field
    )
    topology, system, positions, box = read(spec, base_dir)
    _refuse(system, spec.get("system_xml"))
    if system.getNumParticles() != len(positions):
        key = "coordinates" if spec.get("topology") else "structure"
        raise SpecError(
            ("system", key),
            spec.get(key),
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
    if vectors is not None:
        positions = make_whole(positions, vectors, mdtraj_topology)
    return Molecule(mdtraj_topology, topology, system, positions, vectors)
