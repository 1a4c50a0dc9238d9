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
    temperature : float or None
        In the unit of the system's section; None for its own.
    atoms : int array, shape (M,), or None
        Atoms whose positions are handed back as well.
    """

    kind: ClassVar[str] = "trajectory"

    walkers: WalkerRows
    replicas: Ints
    start: Ints
    frames: int
    steps: int
    temperature: float | None = None
    atoms: Ints | None = None


@dataclass(frozen=True)
class FollowRecord:
    """What became of the walkers.

    Attributes
    ----------
    walkers : WalkerRows
        Where they ended, with their velocities.
    structures : Array, shape (n, frames, M, 3), or None
        The atoms asked for, nm.
    """

    walkers: WalkerRows
    structures: Array | None = None


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
    conditions : Array, shape (n, k), or None
        What each is conditional on.
    """

    kind: ClassVar[str] = "fit_trajectories"

    frames: Array
    weights: Array
    periodic: Bools
    conditions: Array | None = None


@dataclass(frozen=True)
class GeneratePayload:
    """Trajectories of the order's model, as many as one batch of its network holds.

    They are free; or go through `given` frames; or are variations of a path.

    Attributes
    ----------
    first, number : int
        The paths first … first + number − 1 of their cycle, each drawn by its own number.
    cycle : int
    task : int
        Which of the things asked for they are of.
    length : int or None
        Frames of free ones; None: the longest that was learnt.
    conditions : Array, shape (1, k), or None
    given : Array, shape (n, length, C), or None
        Frames to go through, NaN where they are free.
    near : Array, shape (length, C), or None
        A path to vary.
    file : str or None
        The file of one, relative to the campaign's.
    noise : float
        Part of the way that it is noised.
    """

    kind: ClassVar[str] = "generate"

    first: int
    number: int
    cycle: int
    task: int = 0
    length: int | None = None
    conditions: Array | None = None
    given: Array | None = None
    near: Array | None = None
    file: str | None = None
    noise: float = 0.0


@dataclass(frozen=True)
class GenerateRecord:
    """What was made.

    Attributes
    ----------
    task : int
    paths : Array, shape (n, length, C)
    whole : bool array, shape (n,)
        Without a jump beyond the largest of the data.
    varied : Array, shape (length, C), or None
        The path that they are variations of.
    """

    paths: Array
    whole: Bools
    task: int = 0
    varied: Array | None = None
