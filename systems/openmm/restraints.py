"""Atoms that a campaign holds at places, as part of its energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openmm as mm

from msgen.systems.base import Array
from msgen.systems.files import read_reference
from msgen.systems.topology.atom_selection import resolve_atoms

_FREE = "k/2*((x-x0)^2 + (y-y0)^2 + (z-z0)^2)"
_PERIODIC = "k/2*periodicdistance(x, y, z, x0, y0, z0)^2"


def hold_atoms(
    system: Any,
    topology: Any,
    positions: Array,
    restraints: Sequence[Mapping[str, Any]],
    base_dir: Path,
) -> None:
    """Add ½ k |x − x₀|² of each restrained atom to a System, nearest images where it has a box.

    Parameters
    ----------
    system : openmm.System
        Changed in place.
    topology : mdtraj.Topology
    positions : Array, shape (N, 3)
        The start, nm: x₀ where a restraint names no reference.
    restraints : sequence of Mapping
        The ``restraints:`` of a campaign, stiffness in kJ/(mol nm²).
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        Naming the restraint, where atoms or its reference cannot be found.
    """
    if not restraints:
        return
    periodic = system.usesPeriodicBoundaryConditions()
    force = mm.CustomExternalForce(_PERIODIC if periodic else _FREE)
    for name in ("k", "x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for row, restraint in enumerate(restraints):
        here = ("system", "restraints", row)
        atoms = resolve_atoms(restraint["atoms"], topology, (*here, "atoms"))
        places = positions
        if reference := restraint.get("reference"):
            places = read_reference(reference, base_dir, topology, (*here, "reference"), atoms)
        for atom in atoms:
            force.addParticle(atom, [restraint["stiffness"], *places[atom].tolist()])
    force.setName("restraints")
    system.addForce(force)
