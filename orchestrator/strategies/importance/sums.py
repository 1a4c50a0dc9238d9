"""Sums of weights over blocks of draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """Weights in units of e^`reference`, summed over blocks of draws.

    Attributes
    ----------
    total : Array, shape (B,)
    bins, states : Array, shapes (B, grid size) and (B, K)
    squares : float
        Σ w².
    """

    total: Array
    bins: Array
    states: Array
    squares: float

    def scaled(self, factor: float) -> Sums:
        """In units smaller by `factor`."""
        return Sums(
            self.total * factor, self.bins * factor, self.states * factor, self.squares * factor**2
        )

    def plus(self, w: Array, block: Ints, bins: Ints, states: Ints) -> Sums:
        """With more weights (n,); negative bins and states are outside."""
        total, at_bin, at_state = self.total.copy(), self.bins.copy(), self.states.copy()
        np.add.at(total, block, w)
        for sums, label in ((at_bin, bins), (at_state, states)):
            inside = label >= 0
            np.add.at(sums, (block[inside], label[inside]), w[inside])
        return Sums(total, at_bin, at_state, self.squares + float(np.sum(w**2)))
