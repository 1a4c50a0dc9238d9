"""What the local and the steered moves ask of the thing that propagates walkers.

Two engines meet it: `msgen.actors.array_engine` (analytic and Python potentials, many walkers at
once) and `msgen.actors.molecule_engine` (OpenMM, one walker after another).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree
from msgen.actors.conditional import Conditional
from msgen.actors.kernels.waypoints import Waypoints, waypoint_levels
from msgen.systems.base import Array, Walkers

Mask = NDArray[np.bool_]


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
        `msgen.actors.kernels.exact_switching`; g has no part in these.
    metropolised : bool
        Whether the steps between displacements of the CVs are tested; not for 'extended', 'moving'
        and 'asymmetric'.
    readings : int
        Points of a path, even, at which the CVs and the work so far are noted; 0 for none.
    """

    g: Conditional
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

    def tree(self) -> Tree:
        """As a tree, for payloads and checkpoints; `from_tree` is the inverse."""
        out: Tree = {name: getattr(self, name) for name in _SCALARS}
        return {**out, "kappa": self.g.kappa, "periodic": self.g.periodic, "scale": self.scale}

    @classmethod
    def from_tree(cls, tree: Tree) -> Schedule:
        """Inverse of `tree`."""
        g = Conditional(np.asarray(tree["kappa"]), np.asarray(tree["periodic"], dtype=bool))
        scalars = {name: tree[name] for name in _SCALARS}
        return cls(g=g, scale=np.asarray(tree["scale"]), **scalars)


_SCALARS = (
    "dt",
    "steps_per_unit",
    "stride",
    "friction",
    "refresh",
    "overdamped",
    "min_steps",
    "smooth",
    "scheme",
    "metropolised",
    "readings",
)


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

    def set_local_restraint(self, g: Conditional) -> None:
        """g of the flattened local sampling."""
        ...
