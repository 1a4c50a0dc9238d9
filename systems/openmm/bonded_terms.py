"""Which atoms an OpenMM System bonds to each other, whatever a structure file says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

HYDROGEN = 4.0
"""g/mol; what is lighter is a hydrogen."""
STRAIN = 5000.0
"""kJ/mol in one bond that no start has, however bad: 0.2 nm too long at a usual stiffness."""
STRETCH = 0.2
"""nm by which a rigid bond may be off before OpenMM brings it back."""


@dataclass(frozen=True)
class BondedTerms:
    """Harmonic bonds and constraints.

    Attributes
    ----------
    pairs : int array, shape (M, 2)
    lengths : Array, shape (M,)
        Of least energy, nm.
    stiffness : Array, shape (M,)
        kJ/(mol nm²); inf of constraints.
    """

    pairs: NDArray[np.intp]
    lengths: Array
    stiffness: Array

    @classmethod
    def of(cls, system: Any) -> BondedTerms:
        """Those of an openmm.System; pairs that are the ends of an angle's term are not among them.

        So Urey–Bradley terms are left out, and what holds two hydrogens of a water.
        """
        rows: dict[tuple[int, int], tuple[float, float]] = {}
        ends: set[tuple[int, int]] = set()
        for force in system.getForces():
            kind = type(force).__name__
            if kind == "HarmonicBondForce":
                for k in range(force.getNumBonds()):
                    i, j, length, stiff = force.getBondParameters(k)
                    rows[min(i, j), max(i, j)] = (length._value, stiff._value)
            elif kind in ("HarmonicAngleForce", "CustomAngleForce"):
                for k in range(force.getNumAngles()):
                    i, _, j = force.getAngleParameters(k)[:3]
                    ends.add((min(i, j), max(i, j)))
        for k in range(system.getNumConstraints()):
            i, j, length = system.getConstraintParameters(k)
            if max(system.getParticleMass(a)._value for a in (i, j)) < HYDROGEN:
                continue  # what makes a water rigid is no bond
            rows[min(i, j), max(i, j)] = (length._value, np.inf)
        left = {pair: row for pair, row in rows.items() if pair not in ends}
        values = np.array(list(left.values()), dtype=np.float64).reshape(-1, 2)
        pairs = np.array(list(left), dtype=np.intp).reshape(-1, 2)
        return cls(pairs, values[:, 0], values[:, 1])

    def add_to(self, topology: Any, mdtraj_topology: Any) -> None:
        """Give both topologies of the same atoms the bonds of residues that have none in them.

        A PDB file has bonds of residues that are known by name, and of those with CONECT records.
        """
        bare = {atom.residue.index for atom in topology.atoms()}
        bare -= {atom.residue.index for bond in topology.bonds() for atom in bond}
        atoms, others = list(topology.atoms()), list(mdtraj_topology.atoms)
        for i, j in self.pairs.tolist():
            if atoms[i].residue.index in bare or atoms[j].residue.index in bare:
                topology.addBond(atoms[i], atoms[j])
                mdtraj_topology.add_bond(others[i], others[j])

    def torn(self, positions: Array, box: Array | None) -> tuple[int, int, float, float] | None:
        """The worst bond that no start of this System has: its atoms, its length, and its own.

        Parameters
        ----------
        positions : Array, shape (N, 3)
        box : Array, shape (3, 3), or None
            With one, atoms stand at their nearest images.
        """
        if not len(self.pairs):
            return None
        d = positions[self.pairs[:, 1]] - positions[self.pairs[:, 0]]
        if box is not None:
            for k in (2, 1, 0):  # the reduced form is undone from c to a
                d = d - box[k] * np.round(d[:, k] / box[k, k])[:, None]
        length = np.linalg.norm(d, axis=1)
        off = np.abs(length - self.lengths)
        rigid = np.isinf(self.stiffness)
        strain = 0.5 * np.where(rigid, 0.0, self.stiffness) * off**2 / STRAIN
        worst = np.where(rigid, off / STRETCH, np.where(off > STRETCH, strain, 0.0))
        k = int(worst.argmax())
        if not worst[k] > 1.0:
            return None
        i, j = self.pairs[k].tolist()
        return i, j, float(length[k]), float(self.lengths[k])
