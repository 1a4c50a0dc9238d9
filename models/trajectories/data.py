"""What a model of trajectories learns from: frames of fixed stride, with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msgen.models.base import Array, Space
from msgen.models.validation import check_rows, check_weights


@dataclass(frozen=True)
class TrainingTrajectories:
    """Trajectories of one stride.

    Attributes
    ----------
    frames : sequence of Array, shapes (n_i, d)
        Angles in radians, in any turn.
    weights : Array, shape (n_trajectories,), or None
        Of every frame of a trajectory, such that the weighted starts are those of equilibrium.
    conditions : Array, shape (n_trajectories, k), or None
        What each is conditional on, a temperature or any number.
    """

    frames: Sequence[Array]
    weights: Array | None = None
    conditions: Array | None = None

    def checked(self, space: Space) -> TrainingTrajectories:
        """The same as float64, the weights' mean at 1.

        Raises
        ------
        ValueError
            For wrong shapes, values that are not finite, weights that cannot be, no trajectory, or
            one of fewer than two frames.
        """
        if not self.frames:
            raise ValueError("there are no trajectories to learn from")
        frames = [check_rows("a trajectory", np.asarray(y), space.dim) for y in self.frames]
        if min(map(len, frames)) < 2:
            raise ValueError("a trajectory needs two frames or more")
        weights = check_weights(self.weights, len(frames))
        return TrainingTrajectories(
            frames, weights, conditions_of(self.conditions, len(frames), space)
        )


def conditions_of(conditions: Array | None, n: int, space: Space) -> Array | None:
    """Conditions as float64 of shape (n, k), of one row for all or one each.

    Raises
    ------
    ValueError
        Where the space has conditions and none are given, or the other way round, or for a wrong
        shape or values that are not finite.
    """
    k = len(space.context_periodic)
    if (conditions is None) != (k == 0):
        raise ValueError(f"this model takes {k} conditions")
    if conditions is None:
        return None
    rows = check_rows("conditions", np.atleast_2d(conditions), k)
    if len(rows) not in (1, n):
        raise ValueError(f"there are {len(rows)} rows of conditions for {n} trajectories")
    return np.repeat(rows, n, axis=0) if len(rows) != n else rows
