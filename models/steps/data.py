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
    earlier : Array, shape (n, p, N, 3), or None
        One lag and more before `before`, the nearest first, laid on it as `after` is.
    """

    species: tuple[str, ...]
    before: Array
    after: Array
    weights: Array | None = None
    conditions: Array | None = None
    earlier: Array | None = None

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
        past: int = 1,
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
        past : int
            Frames that a step is drawn by, `before` among them.

        Raises
        ------
        ValueError
            For shapes that do not fit, values that are not finite, or no pair at all.
        """
        frames = [np.asarray(x, dtype=np.float64) for x in trajectories]
        shape = (len(species), 3)
        if any(x.ndim != 3 or x.shape[1:] != shape or not np.isfinite(x).all() for x in frames):
            raise ValueError(f"trajectories must be finite and of shape (frames, {shape[0]}, 3)")
        number = [max(0, len(x) - lag * past) for x in frames]
        if lag < 1 or not sum(number):
            several = "two frames are" if past == 1 else f"{past + 1} frames are each"
            raise ValueError(f"no {several} {lag} apart")

        def part(k: int) -> Array:
            """Of every row of past + 1 frames the k-th."""
            rows = zip(frames, number, strict=True)
            return np.concatenate([x[k * lag : k * lag + n] for x, n in rows])

        before = part(past - 1)
        others = [part(k) for k in range(past - 2, -1, -1)]
        return cls(
            tuple(species),
            before,
            laid_on(part(past), before, turning),
            None if weights is None else np.repeat(weights, number),
            None if conditions is None else np.repeat(conditions, number, axis=0),
            np.stack([laid_on(x, before, turning) for x in others], axis=1) if others else None,
        )

    def __len__(self) -> int:
        return len(self.before)

    def checked(self, conditions: int, past: int = 1) -> Pairs:
        """The same as float64, weights with a mean of 1.

        Raises
        ------
        ValueError
            For wrong shapes, values that are not finite, centres that are not the same, weights
            that cannot be, or another number of conditions or of past frames.
        """
        before, after = (np.asarray(x, dtype=np.float64) for x in (self.before, self.after))
        n, shape = len(before), (len(self.species), 3)
        if before.shape != after.shape or before.shape != (n, *shape) or not n:
            raise ValueError(f"pairs must have shape (n, {shape[0]}, 3), got {before.shape}")
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            raise ValueError("pairs hold values that are not finite")
        if np.abs((after - before).mean(axis=1)).max() > 1e-6:
            raise ValueError("the centre of a molecule moves: make pairs by Pairs.of")
        earlier = None if past == 1 else np.asarray(self.earlier, dtype=np.float64)
        if earlier is not None and not (
            earlier.shape == (n, past - 1, *shape) and np.isfinite(earlier).all()
        ):
            raise ValueError(f"needs {past} past frames of each: make pairs by Pairs.of")
        weights = check_weights(self.weights, n)
        about = conditions_of(self.conditions, n, Space((), (False,) * conditions))
        return Pairs(self.species, before, after, weights, about, earlier)


def laid_on(x: Array, before: Array, turning: Turning) -> Array:
    """Structures (n, N, 3) with the centres of others, and turned onto them where that is asked."""
    if turning == "aligned":
        x = superposed(x, before)
    return np.asarray(x + (before.mean(axis=1, keepdims=True) - x.mean(axis=1, keepdims=True)))
