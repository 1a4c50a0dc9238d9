"""Samples of umbrella windows on a fine grid of the CVs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.windows.sparse_counts import SparseCounts

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

SUBDIVISION = {1: 8, 2: 3}
"""Cells in a bin of the surface along each CV, by the number of CVs; 2 for more."""


@dataclass(frozen=True)
class WindowCells:
    """How often the walkers of each window and unit were found in each cell; additive.

    Attributes
    ----------
    seen : SparseCounts
        Cells by their index along each of the C CVs; unbounded along CVs that are not periodic.
    inside : Array, shape (M, C)
        Σ of (ξ − lower corner) over the samples of a cell.
    """

    seen: Annotated[SparseCounts, FLAT]
    inside: Array

    @classmethod
    def empty(cls, dim: int) -> WindowCells:
        """Nothing yet, over `dim` CVs."""
        return cls(SparseCounts.empty(dim), np.zeros((0, dim)))

    @property
    def rows(self) -> Ints:
        """Unit, window and cell of each entry, shape (3, n)."""
        return self.seen.rows

    @property
    def counts(self) -> Array:
        """Samples of each entry, shape (n,)."""
        return self.seen.counts

    def with_samples(self, grid: Grid, xi: Array, window: Ints, unit: Ints) -> WindowCells:
        """And samples ξ (n, C) of windows (n,) and units (n,) more."""
        width, low = cell_width(grid), np.array([e[0] for e in grid.edges])
        place = np.floor((grid.wrap(xi) - low) / width).astype(np.int64)
        seen, cell = self.seen.with_samples(place, window, unit)
        inside = np.zeros((len(seen), len(width)))
        inside[: len(self.inside)] = self.inside
        offset = grid.wrap(xi) - low - place * width
        for c in range(len(width)):
            inside[:, c] += np.bincount(cell, offset[:, c], minlength=len(seen))
        return WindowCells(seen, inside)

    def with_units(self, new: Ints) -> WindowCells:
        """Unit u becomes `new`[u]; those that become one are added."""
        return WindowCells(self.seen.with_units(new), self.inside)

    def since(self, unit: int) -> WindowCells:
        """What units from `unit` on have counted; cells that they never visited are not there."""
        left, there = self.seen.since(unit).visited()
        share = left.totals / self.seen.totals[there]
        return WindowCells(left, self.inside[there] * share[:, None])

    def points(self, grid: Grid) -> Array:
        """Mean ξ of every cell, shape (M, C)."""
        low = np.array([e[0] for e in grid.edges])
        mean = self.inside / self.seen.totals[:, None]
        return np.asarray(low + self.seen.cells * cell_width(grid) + mean)


def cell_width(grid: Grid) -> Array:
    """Width of a cell along each CV, shape (C,)."""
    parts = SUBDIVISION.get(len(grid.edges), 2)
    return np.array([(e[-1] - e[0]) / (len(e) - 1) / parts for e in grid.edges])
