"""Lengths that bonds may have, by those that were seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MARGIN = 0.25
"""Of the width that the data span, on either side."""


@dataclass(frozen=True, eq=False)
class BondWindows:
    """Lengths that each bond may have.

    Attributes
    ----------
    bonds : int array, shape (B, 2)
    low, high : Array, shape (B,)
        nm.
    """

    bonds: Ints
    low: Array
    high: Array

    @classmethod
    def around(cls, bonds: Ints, low: Array, high: Array, margin: float = MARGIN) -> BondWindows:
        """From the shortest to the longest that was seen of each (B,), and a margin.

        Bonds that are rigid in the data get at least ± 1 % of their length.
        """
        extra = np.maximum(margin * (high - low), 0.01 * high)
        return cls(bonds, low - extra, high + extra)

    @classmethod
    def of(cls, bonds: Ints, positions: Array) -> BondWindows:
        """Those of configurations, shape (n, 3N)."""
        length = lengths(positions, bonds)
        return cls.around(bonds, length.min(axis=0), length.max(axis=0))

    def outside(self, positions: Array) -> Bools:
        """Whether any bond is, by configuration; also where one is not finite."""
        length = lengths(positions, self.bonds)
        return np.asarray(~((length >= self.low) & (length <= self.high)).all(axis=1))


def lengths(positions: Array, bonds: Ints) -> Array:
    """Of bonds in configurations (n, 3N), shape (n, B)."""
    x = np.asarray(positions, dtype=np.float64).reshape(len(positions), -1, 3)
    return np.asarray(np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=2))
