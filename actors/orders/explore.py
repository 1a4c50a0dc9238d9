"""Orders of the Explorer: walkers pushed to targets, and let go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array


@dataclass(frozen=True)
class ExplorePayload:
    """Pushes of some walkers.

    Attributes
    ----------
    walkers : WalkerRows
        One or more to start from.
    targets : Array, shape (n, C)
    schedule : Schedule
        Of the pushes.
    chunks, steps : int
        Readings of the CVs while a pushed walker relaxes, and local steps between two.
    step_size : float or None
        Tuned; None where the campaign fixes it.
    start : int array, shape (n,), or None
        Row of `walkers` that each is pushed from; None: drawn.
    """

    kind: ClassVar[str] = "explore"

    walkers: WalkerRows
    targets: Array
    schedule: Schedule
    chunks: int
    steps: int
    step_size: float | None = None
    start: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class ExploreRecord:
    """The relaxed walkers, one a push.

    Attributes
    ----------
    walkers : WalkerRows
    cvs : Array, shape (n, C)
    flipped : tuple of str
        What has become an isomer, in words; empty where nothing has.
    """

    walkers: WalkerRows
    cvs: Array
    flipped: tuple[str, ...]
