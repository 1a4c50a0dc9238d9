"""What a finished run has learnt of the dynamics, for campaigns that send it ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgen.models.base import ModelState
from msgen.systems.base import Array


@dataclass(frozen=True, eq=False)
class LearntRun:
    """The last model of a run, and what it was fitted to.

    Attributes
    ----------
    model : ModelState or None
        None before the first fit.
    learns : {'trajectories', 'steps'}
    frames : int
        Of the trajectories that it was fitted to.
    snippet : int
        Frames of the longest snippet that it learns; of a model of steps without meaning.
    temperatures : tuple of float
        That it is conditional on, in K or as the system's kT; empty where it is of one alone.
    structures : Array, shape (n, M, 3), or None
        Of the atoms that a model of steps sees, nm.
    """

    model: ModelState | None
    learns: Literal["trajectories", "steps"]
    frames: int
    snippet: int
    temperatures: tuple[float, ...] = ()
    structures: Array | None = None
