"""What a model of steps learns from: configurations of molecules, each with one a lag later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from msgen.models.base import Array, Space
from msgen.models.trajectories.data import conditions_of
from msgen.models.validation import check_weights
from msgen.systems.coordinates.alignment import superposed

Turning = Literal["aligned", "free"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of one molecule; several molecules are several of these.

    Attributes
    ----------
    species : tuple of str, length N
        The type of each atom: what the model knows an atom by.
    before, after : Array, shape (n, N, 3)
        nm. `after` is moved so that its centre is that of `before`.
    weights : Array, shape (n,), or None
    conditions : Array, shape (n, k), or None
        Temperature, lag or any number.
    """

    species: tuple[str, ...]
    before: Array
    after: Array
    weights: Array | None = None
    conditions: Array | None = None

    @classmethod
    def of(
        cls,
        species: Sequence[str],
        trajectories: Sequence[Array],
        *,
        lag: int = 1,
        turning: Turning = "aligned",
        weights: Array | None = None,
        conditions: Array | None = None,
    ) -> Pairs:
        """All pairs of some trajectories.

        Parameters
        ----------
        species : sequence of str, length N
        trajectories : sequence of Array, shapes (n_i, N, 3)
            nm, whole molecules.
        lag : int
            Frames from one to the other.
        turning : {'aligned', 'free'}
            aligned: `after` is laid on `before` with least RMSD, so that steps are changes of shape
            alone; free: it stays turned as it is.
        weights : Array, shape (n_trajectories,), or None
            Of every pair of a trajectory, such that the weighted starts are those of equilibrium.
        conditions : Array, shape (n_trajectories, k), or None

        Raises
        ------
        ValueError
            For shapes that do not fit, values that are not finite, or no pair at all.
        """
        frames = [np.asarray(x, dtype=np.float64) for x in trajectories]
        shape = (len(species), 3)
        if any(x.ndim != 3 or x.shape[1:] != shape or not np.isfinite(x).all() for x in frames):
            raise ValueError(f"trajectories must be finite and of shape (frames, {shape[0]}, 3)")
        number = [max(0, len(x) - lag) for x in frames]
        if lag < 1 or not sum(number):
            raise ValueError(f"no two frames are {lag} apart")
        before = np.concatenate([x[: max(0, len(x) - lag)] for x in frames])
        after = np.concatenate([x[lag:] for x in frames])
        if turning == "aligned":
            after = superposed(after, before)
        centre = before.mean(axis=1, keepdims=True) - after.mean(axis=1, keepdims=True)
        return cls(
            tuple(species),
            before,
            after + centre,
            None if weights is None else np.repeat(weights, number),
            None if conditions is None else np.repeat(conditions, number, axis=0),
        )

    def __len__(self) -> int:
        return len(self.before)

    def checked(self, conditions: int) -> Pairs:
        """The same as float64, weights with a mean of 1.

        Raises
        ------
        ValueError
            For wrong shapes, values that are not finite, centres that are not the same, weights
            that cannot be, or another number of conditions.
        """
        before, after = (np.asarray(x, dtype=np.float64) for x in (self.before, self.after))
        n, shape = len(before), (len(self.species), 3)
        if before.shape != after.shape or before.shape != (n, *shape) or not n:
            raise ValueError(f"pairs must have shape (n, {shape[0]}, 3), got {before.shape}")
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            raise ValueError("pairs hold values that are not finite")
        if np.abs((after - before).mean(axis=1)).max() > 1e-6:
            raise ValueError("the centre of a molecule moves: make pairs by Pairs.of")
        weights = check_weights(self.weights, n)
        about = conditions_of(self.conditions, n, Space((), (False,) * conditions))
        return Pairs(self.species, before, after, weights, about)
