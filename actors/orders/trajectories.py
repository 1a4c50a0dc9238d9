"""Orders of learned dynamics: trajectories of the local moves, a model of them, what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FollowPayload:
    """Some replicas left to the local moves, without a bias; their velocities run on.

    Attributes
    ----------
    walkers : WalkerRows
        n of them; without velocities they are drawn.
    replicas, start : int array, shape (n,)
        Their ids, and the region that the trajectory of each began in.
    frames, steps : int
        Readings of the CVs, and local steps before each.
    """

    kind: ClassVar[str] = "trajectory"

    walkers: WalkerRows
    replicas: Ints
    start: Ints
    frames: int
    steps: int


@dataclass(frozen=True)
class FollowRecord:
    """Where the walkers ended, with their velocities."""

    walkers: WalkerRows


@dataclass(frozen=True)
class FitTrajectoriesPayload:
    """A new version of a model of trajectories; it goes on from the order's version, −1 for none.

    Attributes
    ----------
    frames : Array, shape (n, length, C)
        CVs, stride after stride.
    weights : Array, shape (n,)
        Of every frame of a trajectory, see `msgen.models.trajectories.data`.
    periodic : bool array, shape (C,)
    """

    kind: ClassVar[str] = "fit_trajectories"

    frames: Array
    weights: Array
    periodic: Bools


@dataclass(frozen=True)
class GeneratePayload:
    """Free trajectories of the order's model, as many as one batch of its network holds.

    Attributes
    ----------
    first, number : int
        The paths first … first + number − 1 of their cycle, each drawn by its own number.
    cycle : int
    """

    kind: ClassVar[str] = "generate"

    first: int
    number: int
    cycle: int


@dataclass(frozen=True)
class GenerateRecord:
    """What was made.

    Attributes
    ----------
    paths : Array, shape (n, length, C)
    whole : bool array, shape (n,)
        Without a jump beyond the largest of the data.
    """

    paths: Array
    whole: Bools
