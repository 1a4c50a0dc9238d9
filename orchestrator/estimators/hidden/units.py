"""Series cut into units that are held against one another, and each unit into blocks of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_UNITS = 8
"""Fewer replicas are cut into parts, until there are so many units."""
BLOCKS = 4
"""Blocks of time in a unit: their spread is the noise of the unit's mean."""
LEAST_READINGS = 2 * BLOCKS
"""Of a unit."""


@dataclass(frozen=True)
class Units:
    """Stretches of single replicas, about equally long.

    Attributes
    ----------
    series : tuple of Array, shape (n_u, H)
    replica : Ints, shape (U,)
        Whose they are.
    """

    series: tuple[Array, ...]
    replica: Ints

    def __len__(self) -> int:
        return len(self.series)

    @classmethod
    def cut(cls, chains: Sequence[Array]) -> Units | None:
        """Units of replicas' series (n_r, H); None where there are too few readings.

        Each replica is one unit where there are enough of them. A replica much shorter than the
        others is left out: means of unequal noise are no even test.
        """
        long = np.array([len(c) for c in chains])
        enough = np.flatnonzero(long >= LEAST_READINGS)
        length = float(np.median(long[enough])) if len(enough) else 0.0
        if len(enough) < FEWEST_UNITS:
            length = long.sum() / FEWEST_UNITS
        if length < LEAST_READINGS:
            return None
        series: list[Array] = []
        replica: list[int] = []
        for r, chain in enumerate(chains):
            parts = int(np.round(len(chain) / length))
            if parts:
                series += [np.asarray(p, dtype=float) for p in np.array_split(chain, parts)]
                replica += [r] * parts
        whole = all(len(s) >= BLOCKS for s in series)
        if len(series) < FEWEST_UNITS // 2 or not whole:
            return None
        return cls(tuple(series), np.array(replica, dtype=np.int64))

    def block_means(self) -> Array:
        """Means of each unit's blocks, shape (U, BLOCKS, H)."""
        return np.array([[p.mean(axis=0) for p in np.array_split(s, BLOCKS)] for s in self.series])

    def variance_within(self) -> Array:
        """Variance of the readings about the mean of their unit, shape (H,)."""
        squares = sum(((s - s.mean(axis=0)) ** 2).sum(axis=0) for s in self.series)
        return np.asarray(squares / sum(len(s) - 1 for s in self.series))

    def with_columns(self, directions: Array) -> Units:
        """Combinations of the columns, directions (H, K), each → (n_u, K)."""
        return Units(tuple(s @ directions for s in self.series), self.replica)

    def halves(self) -> tuple[Units, Units]:
        """The first half in time of every unit, and the second."""
        cuts = [len(s) // 2 for s in self.series]
        first = tuple(s[:n] for s, n in zip(self.series, cuts, strict=True))
        second = tuple(s[n:] for s, n in zip(self.series, cuts, strict=True))
        return Units(first, self.replica), Units(second, self.replica)
