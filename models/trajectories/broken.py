"""Generated paths that no simulator would make, counted and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import Array
from msgen.models.trajectories.channels import Channels

States = Callable[[Array], NDArray[np.int64]]
"""The state of each frame, shape (n, length), of frames (n, length, d); −1 where it is in none."""


@dataclass(frozen=True)
class Screened:
    """Which paths are whole.

    Attributes
    ----------
    whole : bool array, shape (n,)
    undefined, jumping, skipping : int
        Paths with values that are not finite, with a jump beyond the largest of the data, and from
        one state to another without a frame between them. A path may count in the last two.
    """

    whole: NDArray[np.bool_]
    undefined: int
    jumping: int
    skipping: int


def screen(paths: Array, channels: Channels, states: States | None = None) -> Screened:
    """Tell whole paths from broken ones.

    Parameters
    ----------
    paths : Array, shape (n, length, d)
    channels : Channels
        Know the data's largest jump, in the metric of the channels.
    states : callable or None
        What a transition lies between; None: jumps alone are looked at.
    """
    finite = np.asarray(np.isfinite(paths).all(axis=(1, 2)))
    sound = np.where(finite[:, None, None], paths, 0.0)
    jumping = finite & (channels.jumps(sound) > float(channels.largest)).any(axis=1)
    skipping = np.zeros(len(paths), dtype=bool)
    if states is not None:
        label = states(sound)
        before, after = label[:, :-1], label[:, 1:]
        skipping = finite & ((before >= 0) & (after >= 0) & (before != after)).any(axis=1)
    whole = finite & ~jumping & ~skipping
    return Screened(whole, int((~finite).sum()), int(jumping.sum()), int(skipping.sum()))
