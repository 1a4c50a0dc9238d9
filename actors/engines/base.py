"""What the local and the steered moves ask of the thing that propagates walkers.

Two engines meet it: `msgen.actors.engines.batched` (analytic and Python potentials, many walkers at
once) and `msgen.actors.engines.openmm` (OpenMM, one walker after another).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.switching.path_readings import Waypoints
from msgen.systems.base import Array, Walkers

LINE_SEARCH = 1.2
"""Evaluations that an iteration of L-BFGS is booked as; 55 to 61 were counted in 50 of them."""


@dataclass(frozen=True)
class Switched:
    """Where n switching paths ended.

    Attributes
    ----------
    walkers : Walkers
    xi : Array, shape (n, C)
        CVs at the end.
    work : Array, shape (n,)
        W/kT of design: protocol work plus shadow work, between U_0 = U − kT ln g(λ₀|ξ) and
        U_N = U − kT ln g(λ_N|ξ); +inf where the path broke.
    evaluations : int
    broken : int
        Paths that met a non-finite energy or a failed constraint.
    failures : int
        Projections on the surface of the CVs that failed, see `flight.Ends`.
    profile_xi, profile_work : Array, shapes (n, M, C) and (n, M), or None
        CVs and W_k/kT at the readings that the schedule asks for, see `Waypoints`.
    """

    walkers: Walkers
    xi: Array
    work: Array
    evaluations: int
    broken: int
    failures: int = 0
    profile_xi: Array | None = None
    profile_work: Array | None = None

    def noted(self, seen: Waypoints) -> Switched:
        """With what was read on the way, if anything was asked for."""
        return replace(self, profile_xi=seen.xi, profile_work=seen.work) if seen else self


@dataclass
class Tally:
    """What an engine has done since the order began."""

    evaluations: int = 0
    proposals: float = 0.0
    accepted: float = 0.0
    nonfinite: int = 0
    extra: dict[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """Propagates walkers, free or restrained, and switches λ."""

    tally: Tally

    def begin(self, rng: np.random.Generator) -> None:
        """Start an order: all randomness that follows is a function of `rng`."""
        ...

    def load(self, walkers: Walkers) -> Array:
        """Take these walkers (velocities drawn where there are none); returns ξ, shape (n, C)."""
        ...

    def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
        """`n_steps` steps of the local kernel, restrained to λ, shape (n, C), where `on`.

        A CV whose λ is NaN is free.
        Returns ξ, shape (n, C); NaN for a walker that broke.
        """
        ...

    def revert(self, which: Mask) -> None:
        """Undo the last chunk for these walkers and reverse their velocities."""
        ...

    def walkers(self) -> Walkers:
        """The walkers as they stand."""
        ...

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        """Drive λ from `start` to `stop`, shape (n, C); see `Schedule`."""
        ...

    def set_local_restraint(self, g: Conditional, pace: Array | None = None) -> None:
        """g of what holds walkers in `chunk`, of one width or one a walker, in their order there.

        `pace`: how far the moves of each walker go against those of a window of one, shape (n,),
        where a kernel's step is no time step that the campaign fixes.
        """
        ...
