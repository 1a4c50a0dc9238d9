"""Whether positions can be those of a topology's atoms, where the file that has them names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array, System

RADII = {"H": 0.031, "C": 0.076, "N": 0.071, "O": 0.066, "F": 0.057, "Si": 0.111, "P": 0.107,
         "S": 0.105, "Cl": 0.102, "Se": 0.120, "Br": 0.120, "I": 0.139}  # fmt: skip
"""Covalent radii, nm (Cordero et al., Dalton Trans. 2008, 2832)."""
SHORTEST, LONGEST = 0.75, 1.3
"""Of the sum of both radii: a triple bond is 0.79 of it, an atom's next but one 1.4 and more."""


OTHERS = "is of other atoms, in another order or unit, or cut by a box"
"""What is wrong with positions whose bonds cannot be."""


@dataclass(frozen=True, eq=False)
class BondLengths:
    """Lengths that the bonds of a topology can have, whatever the molecule is doing.

    Attributes
    ----------
    topology : mdtraj.Topology
    pairs : int array, shape (B, 2)
        Bonds of elements that are known; not of two hydrogens, which are how a rigid water is
        written.
    low, high : Array, shape (B,)
        nm.
    """

    topology: Any
    pairs: NDArray[np.intp]
    low: Array
    high: Array

    @classmethod
    def of(cls, topology: Any, known: Array | None = None) -> BondLengths:
        """Of a topology.

        Parameters
        ----------
        topology : mdtraj.Topology
        known : Array, shape (N, 3), optional
            Positions of just these atoms, nm. A bond that cannot be there either, such as one
            across a gap in a chain, says nothing.
        """
        rows = []
        for bond in topology.bonds:
            a, b = bond[0], bond[1]
            symbols = ["" if x.element is None else x.element.symbol for x in (a, b)]
            if symbols != ["H", "H"] and all(s in RADII for s in symbols):
                rows.append((a.index, b.index, sum(RADII[s] for s in symbols)))
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        pairs = table[:, :2].astype(np.intp)
        made = cls(topology, pairs, SHORTEST * table[:, 2], LONGEST * table[:, 2])
        if known is None:
            return made
        good = made._possible(known.reshape(1, -1))[0]
        return cls(topology, pairs[good], made.low[good], made.high[good])

    def never(self, positions: Array) -> str | None:
        """The bond that is worst in configurations (n, 3N) and possible in none, in words."""
        if not len(self.pairs) or not len(positions):
            return None
        wrong = ~self._possible(positions).any(axis=0)
        if not wrong.any():
            return None
        mean = 0.5 * (self.low + self.high)
        typical = np.median(self._lengths(positions), axis=0)
        k = int(np.argmax(np.where(wrong, np.abs(typical / mean - 1.0), -1.0)))
        i, j = self.pairs[k].tolist()
        a, b = (self.topology.atom(i), self.topology.atom(j))
        others = f", as are {int(wrong.sum()) - 1} other bonds" if wrong.sum() > 1 else ""
        return (
            f"atoms {i} and {j} (from 0), {a.residue.name}:{a.name} and {b.residue.name}:{b.name}, "
            f"are bonded and {typical[k]:.3g} nm apart{others}"
        )

    def _lengths(self, positions: Array) -> Array:
        """Shape (n, B)."""
        x = np.asarray(positions, dtype=np.float64).reshape(len(positions), -1, 3)
        d = x[:, self.pairs[:, 0]] - x[:, self.pairs[:, 1]]
        return np.asarray(np.linalg.norm(d, axis=2))

    def _possible(self, positions: Array) -> NDArray[np.bool_]:
        """Whether each bond has a length that it can have, shape (n, B)."""
        length = self._lengths(positions)
        return np.asarray((length >= self.low) & (length <= self.high))


def torn_bonds(system: System, positions: Array) -> str | None:
    """Why configurations (n, 3N) cannot be those of a system's atoms, in words; None if they can.

    Bonds are asked, where it has atoms of known elements; its start is what is known of them.
    """
    if system.topology is None:
        return None
    start = system.initial().positions[0].reshape(-1, 3)
    told = BondLengths.of(system.topology, start).never(positions)
    return None if told is None else f"{OTHERS}: {told}"
