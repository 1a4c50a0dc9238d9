"""Samples counted by cell, window and unit, of which most combinations never occur.

What a cell is, and what else is kept of it, is for who counts: cells of a fine grid over the CVs
(`window_cells`), or bin, state and energy (`temperature_cells`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SparseCounts:
    """How often the walkers of each window and unit were found in each cell; additive.

    A unit is what counts as independent: a ladder of walkers during a stretch of time.

    Attributes
    ----------
    cells : int array, shape (M, d)
        Places ever visited, each once.
    rows : int array, shape (3, n)
        Unit, window and cell (its row in `cells`) of each entry.
    counts : Array, shape (n,)
    """

    cells: Ints
    rows: Ints
    counts: Array

    @classmethod
    def empty(cls, dim: int) -> SparseCounts:
        """Nothing yet, in cells of `dim` whole numbers."""
        none = np.zeros((3, 0), dtype=np.int64)
        return cls(np.zeros((0, dim), dtype=np.int64), none, np.zeros(0))

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def totals(self) -> Array:
        """Samples in each cell, shape (M,)."""
        return np.bincount(self.rows[2], self.counts, minlength=len(self)).astype(np.float64)

    def with_samples(self, places: Ints, window: Ints, unit: Ints) -> tuple[SparseCounts, Ints]:
        """And samples at `places` (n, d) more, and the cell of each (n,).

        New cells come after those there are, in the order of their coordinates.
        """
        m = len(self)
        both = np.concatenate([self.cells, places])
        # one number a place: rows are compared far more slowly
        least = both.min(axis=0, initial=0)
        span = tuple((both.max(axis=0, initial=0) - least + 1).tolist())
        code = np.ravel_multi_index((both - least).T, span)
        _, first, index = np.unique(code, return_index=True, return_inverse=True)
        fresh = first >= m
        number = first.copy()
        number[fresh] = m + np.arange(np.count_nonzero(fresh))
        cell = number[index.reshape(-1)[m:]]
        cells = np.concatenate([self.cells, both[first[fresh]]])
        rows = np.concatenate([self.rows, np.stack([unit, window, cell])], axis=1)
        counts = np.concatenate([self.counts, np.ones(len(places))])
        return SparseCounts(cells, *_merged(rows, counts, len(cells))), cell

    def with_units(self, new: Ints) -> SparseCounts:
        """Unit u becomes `new`[u]; those that become one are added."""
        rows = self.rows.copy()
        rows[0] = new[rows[0]]
        return SparseCounts(self.cells, *_merged(rows, self.counts, len(self)))

    def since(self, unit: int) -> SparseCounts:
        """What units from `unit` on have counted; the cells stay."""
        keep = self.rows[0] >= unit
        return replace(self, rows=self.rows[:, keep], counts=self.counts[keep])

    def visited(self) -> tuple[SparseCounts, Ints]:
        """Without cells that nothing is counted in, and which of them are left."""
        there = np.flatnonzero(self.totals)
        return replace(self, cells=self.cells[there], rows=self._renumbered(there)), there

    def in_order(self) -> tuple[SparseCounts, Ints]:
        """With the cells in the order of their coordinates, and where each of them was."""
        order = np.lexsort(self.cells.T[::-1])
        rows, counts = _merged(self._renumbered(order), self.counts, len(self))
        return SparseCounts(self.cells[order], rows, counts), order

    def _renumbered(self, kept: Ints) -> Ints:
        """The entries when `kept` are all cells, in this order."""
        number = np.full(len(self), -1)
        number[kept] = np.arange(len(kept))
        return np.stack([self.rows[0], self.rows[1], number[self.rows[2]]])


def _merged(rows: Ints, counts: Array, cells: int) -> tuple[Ints, Array]:
    """Entries of one unit, window and cell as one."""
    m, k = cells, int(rows[1].max(initial=-1)) + 1
    code, index = np.unique((rows[0] * k + rows[1]) * m + rows[2], return_inverse=True)
    total = np.bincount(index.reshape(-1), counts, minlength=len(code)).astype(np.float64)
    return np.stack([code // (m * k), code // m % k, code % m]).astype(np.int64), total
