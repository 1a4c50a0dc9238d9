"""A model of steps rolled out: each step looked at before the next is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import StepModel
from msgen.models.score.keyed_noise import DrawKey
from msgen.systems.base import Array
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.stereochemistry import StereoWatch

Bools = NDArray[np.bool_]

ATTEMPTS = 20
"""How often a step is drawn in vain before its path is given up."""


@dataclass(frozen=True)
class RolledOut:
    """Paths of a model.

    Attributes
    ----------
    paths : Array, shape (n, frames, M, 3)
        nm; the last structure again after a path was given up.
    whole : bool array, shape (n,)
    redrawn : int
        Steps that failed.
    """

    paths: Array
    whole: Bools
    redrawn: int


@dataclass(frozen=True)
class Sound:
    """Which structures can be: bonds inside their windows, no other isomer.

    Attributes
    ----------
    windows : BondWindows
    watch : StereoWatch
        Of the very atoms that structures have.
    """

    windows: BondWindows
    watch: StereoWatch

    def __call__(self, x: Array) -> Bools:
        """Of structures (n, M, 3), shape (n,)."""
        flat = x.reshape(len(x), -1)
        good = ~self.windows.outside(flat) & np.isfinite(flat).all(axis=1)
        if self.watch.n_watched and good.any():
            flipped = [bool(names) for names in self.watch.names_flipped(flat[good])]
            good[np.flatnonzero(good)[flipped]] = False
        return np.asarray(good)


def roll_out(
    model: StepModel,
    species: Sequence[str],
    begin: Array,
    frames: int,
    sound: Sound,
    key: int,
    replicas: Sequence[int],
    conditions: Array | None = None,
    earlier: Array | None = None,
    look: Callable[[], None] = lambda: None,
) -> RolledOut:
    """Step after step; one that cannot be is drawn again, by the number of its attempt.

    So what is sampled is the model's step given that it can be, a Markov chain (of as many frames
    as the model knows).

    Parameters
    ----------
    model : StepModel
    species : sequence of str, length M
    begin : Array, shape (n, M, 3)
    frames : int
        Steps.
    sound : Sound
    key : int
        With the replica, the step and the attempt it keys every draw.
    replicas : sequence of int, length n
    conditions : Array, shape (1, k), or None
    earlier : Array, shape (n, p, M, 3), or None
        Frames before `begin`, the nearest first, for a model that knows more than one.
    look : callable
        Called after each step; may raise.
    """
    x = np.array(begin, dtype=np.float64)
    old = None if earlier is None else np.array(earlier, dtype=np.float64)
    whole, redrawn = np.ones(len(x), dtype=bool), 0
    paths = np.empty((len(x), frames, *x.shape[1:]))
    for step in range(frames):
        left, now = np.flatnonzero(whole), None if old is None else x.copy()
        for attempt in range(ATTEMPTS):
            if not len(left):
                break
            keys = [DrawKey(key, replicas[i], step, attempt) for i in left.tolist()]
            # a model of one frame need not know of more
            made = (
                model.draw(keys, species, x[left], conditions=conditions)
                if old is None
                else model.draw(keys, species, x[left], conditions=conditions, earlier=old[left])
            )
            good = sound(made)
            x[left[good]] = made[good]
            left = left[~good]
            redrawn += len(left)
        whole[left] = False
        if old is not None and now is not None:
            old = np.concatenate([now[:, None], old[:, :-1]], axis=1)
        paths[:, step] = x
        look()
    return RolledOut(paths, whole, redrawn)
