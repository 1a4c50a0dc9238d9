"""A molecule of which only the atoms are known: enough to build CVs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.constraints import RigidBonds
from msgen.systems.topology.bond_lengths import BondLengths


@dataclass(frozen=True, eq=False)
class Structure:
    """Meets `msgen.systems.base.System`; what its energy is nobody knows, so that it is NaN.

    Attributes
    ----------
    topology : mdtraj.Topology
    positions : Array, shape (3N,)
        nm; what an RMSD is from where no other reference is named.
    box : Array, shape (3, 3), or None
    bond_lengths : BondLengths or None
        What positions of these atoms are held to.
    """

    topology: Any
    positions: Array
    box: Array | None = None
    constraints: RigidBonds | None = None
    bond_lengths: BondLengths | None = None

    @property
    def n_dof(self) -> int:
        return len(self.positions)

    @property
    def kT(self) -> float:
        return float("nan")

    @property
    def masses(self) -> Array:
        """Those of the elements; 0 of what is none."""
        atoms = [0.0 if a.element is None else float(a.element.mass) for a in self.topology.atoms]
        return np.repeat(np.array(atoms), 3)

    @property
    def deterministic(self) -> bool:
        return True

    @property
    def engine(self) -> str:
        return "none"

    def initial(self) -> Walkers:
        return Walkers(self.positions[None], None, None if self.box is None else self.box[None])

    def energy(self, walkers: Walkers) -> Array:
        return np.full(len(walkers), np.nan)

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        return self.energy(walkers), np.full_like(walkers.positions, np.nan)
