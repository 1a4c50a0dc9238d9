"""Shots of stationary paths as columns, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.sums import Sums

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BLOCKS = 32
"""Of shots, which are independent of each other."""


@dataclass(frozen=True, eq=False)
class Shots:
    """What m shots told, see `msgen.actors.orders.shooting.ShotRows` for the columns.

    Attributes
    ----------
    xi : Array, shape (m, C)
    between : bool array, shape (m,)
    ahead : int array, shape (m,)
    log_point, log_weight : Array, shape (m,)
        NaN of aimless shooting, which tells no rates.
    crossings : Array, shape (m, 2)
    passage, late : Array, shape (m,)
    accepted : bool array, shape (m,)
    """

    xi: Array
    between: Bools
    ahead: Ints
    log_point: Array
    log_weight: Array
    crossings: Array
    passage: Array
    late: Array
    accepted: Bools

    def __len__(self) -> int:
        return len(self.ahead)

    @property
    def weighted(self) -> bool:
        """Whether they were drawn from a density."""
        return len(self) > 0 and not bool(np.isnan(self.log_point).all())


@dataclass(frozen=True)
class Populations:
    """Of the two states against what lies between them, by an exact run.

    Attributes
    ----------
    log_ratio, stderr : tuple of float
        ln P/P(between) of either, and its standard error; NaN where it is not known.
    """

    log_ratio: tuple[float, float]
    stderr: tuple[float, float]


def log_points(shots: Shots) -> Array:
    """ln u of the shooting points between the states, −inf elsewhere."""
    log_u = np.where(np.isnan(shots.log_point), 0.0, shots.log_point)
    return np.where(shots.between, log_u, -np.inf)


def sums_of(columns: Array) -> Sums:
    """Over blocks of shots."""
    blocks = min(BLOCKS, max(1, len(columns)))
    block = np.arange(len(columns)) % blocks
    values = np.zeros((blocks, columns.shape[1]))
    np.add.at(values, block, columns)
    size = np.bincount(block, minlength=blocks).astype(np.float64)
    return Sums(values, np.zeros(blocks, dtype=np.int64), size)


def effective(log_w: Array) -> float:
    """(Σw)²/Σw²."""
    w = weights(log_w, np.max(log_w, initial=-np.inf))
    return float(w.sum() ** 2 / np.sum(w**2)) if w.any() else 0.0


def weights(log_w: Array, most: float) -> Array:
    """e^(log_w − most); 0 where nothing is finite."""
    return np.exp(log_w - most) if np.isfinite(most) else np.zeros(len(log_w))
