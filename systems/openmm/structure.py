"""Reading molecular systems from files: topology, OpenMM System, start positions and box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.files import in_nm
from msgen.systems.kinds import Field
from msgen.systems.openmm.admission import admit
from msgen.systems.openmm.bonded_terms import BondedTerms
from msgen.systems.openmm.inputs.coordinates import ORDER
from msgen.systems.openmm.inputs.force_field import from_force_field
from msgen.systems.openmm.inputs.ready_made import from_factory, from_xml
from msgen.systems.openmm.inputs.topologies import from_topology
from msgen.systems.openmm.periodic_images import check_cutoff, check_whole, make_whole
from msgen.systems.openmm.restraints import hold_atoms
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.topology.same_atoms import mass_difference


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


def read_molecule(source: MoleculeSource, base_dir: Path) -> Molecule:
    """Read a molecular system, whichever kind of input it is given by.

    Parameters
    ----------
    source : MoleculeSource
        structure + forcefield, topology + coordinates (Amber, Gromacs or CHARMM), system_xml +
        structure, or a factory.
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        Naming the file or the option, and the remedy.
    """
    read = from_force_field
    if source.topology:
        read = from_topology
    elif source.system_xml:
        read = from_xml
    elif source.factory:
        read = from_factory
    parts = read(source, base_dir)
    topology, system, positions, box = parts.topology, parts.system, parts.positions, parts.box
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
    hold_atoms(system, mdtraj_topology, positions, source.restraints, base_dir)
    return Molecule(
        mdtraj_topology, topology, system, positions, vectors, origin=source.forces_from
    )


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
        raise SpecError(field, file, what, ORDER)
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
            ORDER,
        )
