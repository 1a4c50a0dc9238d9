"""How a switching path runs: its length, time step, refreshments and scheme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.kernels.switching.path_readings import waypoint_levels
from msgen.systems.base import Array


@dataclass(frozen=True)
class Schedule:
    """How a switching path runs; the same for a path and its reverse.

    Attributes
    ----------
    g : Conditional
        g(λ|ξ) of the path: how stiffly λ pulls.
    dt : float
        Time step (ps for molecules).
    steps_per_unit : float
        Steps per unit of scaled CV distance |Δλ|/scale; the path's length depends on nothing else.
    scale : Array, shape (C,)
        Unit of distance of each CV (1 rad for angles).
    stride : int
        Force evaluations (kicks) at each intermediate λ.
    friction : float
        Of the Ornstein–Uhlenbeck refreshments, in 1/time; 0 switches at constant energy exchange.
    refresh : int
        Levels of λ between two refreshments.
    overdamped : bool
        Redraw the velocities at every level: each step is then one of overdamped Langevin.
    min_steps : int
        Shortest path.
    smooth : float
        w of `progress`: 1 starts and stops λ at rest, 0 moves it at one speed.
    scheme : str
        'extended': g pulls the CVs after λ. Others hold them exactly at λ, see
        `msgen.actors.kernels.switching.constrained_schemes`; g has no part in these.
    metropolised : bool
        Whether the steps between displacements of the CVs are tested; not for 'extended', 'moving'
        and 'asymmetric'.
    readings : int
        Points of a path, even, at which the CVs and the work so far are noted; 0 for none.
    """

    g: Annotated[Conditional, FLAT]
    dt: float
    steps_per_unit: float
    scale: Array
    stride: int = 1
    friction: float = 0.0
    refresh: int = 10
    overdamped: bool = False
    min_steps: int = 10
    smooth: float = 1.0
    scheme: str = "extended"
    metropolised: bool = False
    readings: int = 0

    @property
    def exact(self) -> bool:
        """Whether the CVs stand exactly at λ."""
        return self.scheme != "extended"

    def levels(self, displacement: Array) -> NDArray[np.int64]:
        """L, the number of increments of λ, from Δλ, shape (n, C) → (n,). Even in Δλ."""
        distance = np.sqrt(np.sum((displacement / self.scale) ** 2, axis=-1))
        steps = np.maximum(self.min_steps, np.ceil(self.steps_per_unit * distance))
        return np.asarray(np.maximum(2, np.ceil(steps / self.stride)), dtype=np.int64)

    def progress(self, s: Array) -> Array:
        """Where λ stands, as a fraction of Δλ, when s of the path is done; smooth at both ends.

        (1−w) s + w (s − sin(2πs)/2π): odd about the middle, so that it reads the same backwards.
        """
        return np.asarray(s - self.smooth * np.sin(2.0 * np.pi * s) / (2.0 * np.pi))

    def speed(self, s: Array) -> Array:
        """d progress/ds."""
        return np.asarray(1.0 - self.smooth * np.cos(2.0 * np.pi * s))

    def read_at(self, start: Array, stop: Array) -> Array:
        """λ at the readings of paths from start to stop, shape (n, C) → (n, M, C)."""
        delta = self.g.displacement(stop, start)
        levels = self.levels(delta)
        done = self.progress(waypoint_levels(levels, self.readings) / levels[:, None])
        return np.asarray(start[:, None] + delta[:, None] * done[..., None])

    @property
    def damping(self) -> float:
        """c of v ← c v + √(1−c²) ξ at a refreshment."""
        if self.overdamped:
            return 0.0
        return float(np.exp(-self.friction * self.refresh * self.stride * self.dt))

    @property
    def half_damping(self) -> float:
        """c of the half refreshment at either side of a step at fixed λ."""
        return 0.0 if self.overdamped else float(np.exp(-0.5 * self.friction * self.dt))
