"""The grid of a metadynamics bias along one collective variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

POINTS = 3
"""Grid points of the bias in one width of a hill."""
MARGIN = 6.0
"""Widths that the grid of a CV that is not periodic goes on beyond its range: OpenMM's bias is 0
outside the grid, and a step there would be felt as an energy but not as a force."""


@dataclass(frozen=True)
class BiasAxis:
    """One CV of the bias.

    Attributes
    ----------
    index : int
        Of the CV in the campaign.
    low, high, width : float
        Range, and standard deviation of a hill.
    periodic : bool
    """

    index: int
    low: float
    high: float
    width: float
    periodic: bool

    @property
    def edges(self) -> tuple[float, float]:
        """First and last grid point; of a periodic CV they are the same place."""
        beyond = 0.0 if self.periodic else MARGIN * self.width
        return self.low - beyond, self.high + beyond

    @property
    def points(self) -> int:
        """Grid points."""
        first, last = self.edges
        return max(4, math.ceil(POINTS * (last - first) / self.width - 1e-9) + 1)


def empty_bias(axes: Sequence[BiasAxis]) -> Array:
    """No bias yet, in OpenMM's shape: the last axis first."""
    return np.zeros(tuple(a.points for a in reversed(axes)))


@dataclass(frozen=True)
class BiasAxes:
    """The axes as arrays, as they travel and lie in checkpoints.

    Attributes
    ----------
    index : int array, shape (A,)
    range : Array, shape (A, 2)
    width : Array, shape (A,)
    periodic : bool array, shape (A,)
    """

    index: NDArray[np.int64]
    range: Array
    width: Array
    periodic: NDArray[np.bool_]

    @classmethod
    def of(cls, axes: Sequence[BiasAxis]) -> BiasAxes:
        """Inverse of `each`."""
        return cls(
            np.array([a.index for a in axes], dtype=np.int64),
            np.array([[a.low, a.high] for a in axes]),
            np.array([a.width for a in axes]),
            np.array([a.periodic for a in axes], dtype=bool),
        )

    def each(self) -> tuple[BiasAxis, ...]:
        """The axes one by one."""
        columns = (self.index, self.range, self.width, self.periodic)
        return tuple(
            BiasAxis(i, low, high, width, periodic)
            for i, (low, high), width, periodic in zip(*(c.tolist() for c in columns), strict=True)
        )
