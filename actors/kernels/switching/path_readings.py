"""What a switching path notes on its way: the CVs and the work so far at some of its levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

Rows = NDArray[np.intp]


def waypoint_levels(levels: NDArray[np.int64], points: int) -> NDArray[np.int64]:
    """Levels at which paths of L levels are read, shape (n,) → (n, points).

    From 0 to L, and symmetric: where one is read at k, one is at L − k, so that a path and its
    reverse are read at the same λ. `points` is even, so that none stands in the middle, which a
    path of odd L does not have.
    """
    j = np.arange(points // 2)
    first = levels[:, None] * j // max(points - 1, 1)
    return np.concatenate([first, (levels[:, None] - first)[:, ::-1]], axis=1)


class Waypoints:
    """Readings of n paths.

    A walker may stay at a level for some steps: it is read when it arrives where the level lies
    before the middle of its path, and when it leaves where it lies behind, which is when the
    reverse path arrives there.

    Parameters
    ----------
    levels : int array, shape (n,)
        L of each path.
    points : int
        M, even; 0 reads nothing.
    dim : int
        Number of CVs.

    Attributes
    ----------
    xi : Array, shape (n, M, C)
    work : Array, shape (n, M)
        W_k/kT from the start; NaN where a path broke before.
    """

    def __init__(self, levels: NDArray[np.int64], points: int, dim: int) -> None:
        self._last = levels
        self._at = waypoint_levels(levels, points)
        self.xi = np.full((len(levels), points, dim), np.nan)
        self.work = np.full((len(levels), points), np.nan)

    def __bool__(self) -> bool:
        return bool(self._at.shape[1])

    def due(
        self, rows: Rows, level: NDArray[Any], arriving: bool, leaving: bool | NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which of these walkers are to be read, at these levels, as they arrive or leave."""
        if not self:
            return np.zeros(len(rows), dtype=bool)
        early = 2 * level < self._last[rows]
        now = np.where(early, arriving, leaving)
        return np.asarray(now & (self._at[rows] == level[:, None]).any(axis=1))

    def note(self, rows: Rows, level: NDArray[Any], xi: Array, work: Array) -> None:
        """Their CVs, shape (m, C), and works up to here."""
        one, point = np.nonzero(self._at[rows] == level[:, None])
        self.xi[rows[one], point] = xi[one]
        self.work[rows[one], point] = work[one]

    def between(self, row: int) -> set[int]:
        """Levels between the ends at which this path is read."""
        return {int(k) for k in self._at[row] if 0 < k < self._last[row]}
