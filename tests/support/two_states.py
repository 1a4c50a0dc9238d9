"""Draws from two correlated states in two CVs, one of them across the seam of an angle."""

from __future__ import annotations

import numpy as np


def wrapped(y: np.ndarray, periodic: tuple[bool, ...]) -> np.ndarray:
    return np.where(periodic, (y + np.pi) % (2 * np.pi) - np.pi, y)


def two_states(n: int, periodic: tuple[bool, ...], seed: int = 0) -> np.ndarray:
    """30 % around (3.0, −1) and 70 % around (−1.5, 1), correlated; the first straddles ±π."""
    rng = np.random.default_rng(seed)
    first = rng.random(n) < 0.3
    y = np.where(first[:, None], [3.0, -1.0], [-1.5, 1.0]) + rng.normal(size=(n, 2)) * [0.5, 0.4]
    y[:, 1] += 0.5 * np.sin(y[:, 0])
    return wrapped(y, periodic)
