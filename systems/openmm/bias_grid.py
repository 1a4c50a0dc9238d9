"""The grid of a metadynamics bias along one collective variable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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


def columns(axes: Sequence[BiasAxis]) -> dict[str, Any]:
    """The axes as arrays, for payloads and checkpoints; `from_columns` is the inverse."""
    return {
        "index": np.array([a.index for a in axes], dtype=np.int64),
        "range": np.array([[a.low, a.high] for a in axes]),
        "width": np.array([a.width for a in axes]),
        "periodic": np.array([a.periodic for a in axes], dtype=bool),
    }


def from_columns(tree: Mapping[str, Any]) -> tuple[BiasAxis, ...]:
    """Inverse of `columns`."""
    return tuple(
        BiasAxis(int(i), float(low), float(high), float(width), bool(periodic))
        for i, (low, high), width, periodic in zip(
            tree["index"], tree["range"], tree["width"], tree["periodic"], strict=True
        )
    )
