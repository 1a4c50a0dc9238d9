"""Surfaces over some of the collective variables, so that nothing is as large as a grid of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.histogram import Grid

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Marginal:
    """The surface over the CVs in `columns`, all others summed over wherever they are.

    Attributes
    ----------
    columns : tuple of int
        CVs in the campaign's order; what follows is over them alone.
    grid : Grid
    """

    columns: tuple[int, ...]
    grid: Grid

    @classmethod
    def of(cls, grid: Grid, columns: Sequence[int]) -> Marginal:
        """Over some of the CVs of a grid."""
        edges = tuple(grid.edges[c] for c in columns)
        return cls(tuple(columns), Grid(edges, tuple(bool(grid.periodic[c]) for c in columns)))

    def index(self, xi: Array) -> Ints:
        """Bin of each sample of all CVs, shape (n, C) → (n,); −1 outside."""
        return self.grid.index(xi[:, list(self.columns)])


def widest(surfaces: Iterable[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Without those whose CVs another has as well, in their order."""
    asked = [tuple(s) for s in surfaces]
    sets = [set(s) for s in asked]
    return tuple(
        s
        for i, s in enumerate(asked)
        if not any(
            sets[i] < other or (sets[i] == other and j < i)
            for j, other in enumerate(sets)
            if j != i
        )
    )
