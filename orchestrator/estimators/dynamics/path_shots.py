"""Sums over shots of stationary paths, and the populations that they are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.shooting import ShotRows
from msgen.orchestrator.estimators.dynamics.sums import Sums

Array = NDArray[np.float64]

BLOCKS = 32
"""Of shots, which are independent of each other."""


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


def log_points(shots: ShotRows) -> Array:
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
