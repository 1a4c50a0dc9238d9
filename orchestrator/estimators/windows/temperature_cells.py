"""Samples of several temperatures by bin, state and energy, and MBAR over what was counted.

What tells temperatures apart is the energy alone: with τ_k in units of the temperature asked for,
the bias of temperature k is (1/τ_k − 1) U/kT (Shirts and Chodera, J. Chem. Phys. 129, 124105, 2008;
Chodera et al., J. Chem. Theory Comput. 3, 26, 2007), so that a cell needs to know no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.windows.pooling import Pooled, pool_cells

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

ENERGY_CELL = 0.25
"""kT; inside a cell the mean energy of its samples counts, so that weights err by its square/24."""


@dataclass(frozen=True)
class HeatedCells:
    """How often the walkers of each temperature and unit were found in each cell; additive.

    Attributes
    ----------
    cells : int array, shape (M, 3)
        Bin (−1 outside the grid), state and energy cell of everything ever visited.
    sums : Array, shape (M, 2)
        Samples of a cell, those left out since included, and Σ U/kT over them.
    rows : int array, shape (3, n)
        Unit, temperature and cell of each entry.
    counts : Array, shape (n,)
    """

    cells: Ints
    sums: Array
    rows: Ints
    counts: Array

    @classmethod
    def empty(cls) -> HeatedCells:
        """Nothing yet."""
        none = np.zeros((3, 0), dtype=np.int64)
        return cls(np.zeros((0, 3), dtype=np.int64), np.zeros((0, 2)), none, np.zeros(0))

    def with_samples(
        self, bins: Ints, states: Ints, energy: Array, unit: Ints, temperature: Ints
    ) -> HeatedCells:
        """And samples more; all shape (n,), energies in kT."""
        where = np.stack([bins, states, np.floor(energy / ENERGY_CELL).astype(np.int64)], axis=1)
        both = np.concatenate([self.cells, where])
        least = both.min(axis=0, initial=0)
        span = tuple((both.max(axis=0, initial=0) - least + 1).tolist())
        code = np.ravel_multi_index((both - least).T, span)
        unique, index = np.unique(code, return_inverse=True)
        index = index.reshape(-1)
        old, new = index[: len(self.cells)], index[len(self.cells) :]
        sums = np.zeros((len(unique), 2))
        sums[old] = self.sums
        sums[:, 0] += np.bincount(new, minlength=len(unique))
        sums[:, 1] += np.bincount(new, energy, minlength=len(unique))
        cells = np.stack(np.unravel_index(unique, span), axis=1) + least
        rows = np.stack([self.rows[0], self.rows[1], old[self.rows[2]]])
        rows = np.concatenate([rows, np.stack([unit, temperature, new])], axis=1)
        counts = np.concatenate([self.counts, np.ones(len(energy))])
        return HeatedCells(cells, sums, *_merged(rows, counts, len(cells)))

    def with_units(self, new: Ints) -> HeatedCells:
        """Unit u becomes `new`[u]; those that become one are added."""
        rows = self.rows.copy()
        rows[0] = new[rows[0]]
        return HeatedCells(self.cells, self.sums, *_merged(rows, self.counts, len(self.cells)))

    def since(self, unit: int) -> HeatedCells:
        """What units from `unit` on have counted."""
        keep = self.rows[0] >= unit
        return replace(self, rows=self.rows[:, keep], counts=self.counts[keep])

    def pooled(self, tau: Array, units: int) -> tuple[Pooled, Ints]:
        """All temperatures joined, and the cells (M′, 3) that have samples.

        Parameters
        ----------
        tau : Array, shape (K,)
            Temperatures in units of the one that is asked for.
        units : int
            Units equal modulo this count as one: stretches of time of one ladder.
        """
        there = np.flatnonzero(np.bincount(self.rows[2], self.counts, minlength=len(self.cells)))
        number = np.full(len(self.cells), -1)
        number[there] = np.arange(len(there))
        rows = np.stack([self.rows[0] % units, self.rows[1], number[self.rows[2]]])
        energy = self.sums[there, 1] / self.sums[there, 0]
        u = (1.0 / tau - 1.0)[:, None] * energy[None, :]
        return pool_cells(energy[:, None], u, rows, self.counts), self.cells[there]


def _merged(rows: Ints, counts: Array, cells: int) -> tuple[Ints, Array]:
    """Entries of one unit, temperature and cell as one."""
    m, k = cells, int(rows[1].max(initial=-1)) + 1
    code, index = np.unique((rows[0] * k + rows[1]) * m + rows[2], return_inverse=True)
    total = np.bincount(index.reshape(-1), counts, minlength=len(code)).astype(np.float64)
    return np.stack([code // (m * k), code // m % k, code % m]).astype(np.int64), total
