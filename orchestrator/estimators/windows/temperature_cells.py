"""Samples of several temperatures by bin, state and energy, and MBAR over what was counted.

What tells temperatures apart is the energy alone: with τ_k in units of the temperature asked for,
the bias of temperature k is (1/τ_k − 1) U/kT (Shirts and Chodera, J. Chem. Phys. 129, 124105, 2008;
Chodera et al., J. Chem. Theory Comput. 3, 26, 2007), so that a cell needs to know no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT
from msgen.orchestrator.estimators.windows.pooling import Pooled, pool_cells
from msgen.orchestrator.estimators.windows.sparse_counts import SparseCounts

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

ENERGY_CELL = 0.25
"""kT; inside a cell the mean energy of its samples counts, so that weights err by its square/24."""


@dataclass(frozen=True)
class HeatedCells:
    """How often the walkers of each temperature and unit were found in each cell; additive.

    Attributes
    ----------
    seen : SparseCounts
        By unit and temperature. A cell is a bin (−1 outside the grid), a state and an energy cell.
    sums : Array, shape (M, 2)
        Samples of a cell, those left out since included, and Σ U/kT over them.
    """

    seen: Annotated[SparseCounts, FLAT]
    sums: Array

    @classmethod
    def empty(cls) -> HeatedCells:
        """Nothing yet."""
        return cls(SparseCounts.empty(3), np.zeros((0, 2)))

    def with_samples(
        self, bins: Ints, states: Ints, energy: Array, unit: Ints, temperature: Ints
    ) -> HeatedCells:
        """And samples more; all shape (n,), energies in kT."""
        place = np.stack([bins, states, np.floor(energy / ENERGY_CELL).astype(np.int64)], axis=1)
        seen, cell = self.seen.with_samples(place, temperature, unit)
        sums = np.zeros((len(seen), 2))
        sums[: len(self.sums)] = self.sums
        sums[:, 0] += np.bincount(cell, minlength=len(seen))
        sums[:, 1] += np.bincount(cell, energy, minlength=len(seen))
        seen, order = seen.in_order()
        return HeatedCells(seen, sums[order])

    def with_units(self, new: Ints) -> HeatedCells:
        """Unit u becomes `new`[u]; those that become one are added."""
        return replace(self, seen=self.seen.with_units(new))

    def since(self, unit: int) -> HeatedCells:
        """What units from `unit` on have counted."""
        return replace(self, seen=self.seen.since(unit))

    def pooled(self, tau: Array) -> tuple[Pooled, Ints]:
        """All temperatures joined, and the cells (M′, 3) that have samples.

        Parameters
        ----------
        tau : Array, shape (K,)
            Temperatures in units of the one that is asked for.
        """
        seen, there = self.seen.visited()
        energy = self.sums[there, 1] / self.sums[there, 0]
        u = (1.0 / tau - 1.0)[:, None] * energy[None, :]
        return pool_cells(energy[:, None], u, seen.rows, seen.counts), seen.cells
