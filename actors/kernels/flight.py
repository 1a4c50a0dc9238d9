"""Walkers on paths along which their CVs are held exactly at λ: state, refreshment, bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.engine import Schedule, Switched
from msgen.actors.kernels.base import all_finite
from msgen.actors.kernels.level_sets import LevelSets, inverse_masses
from msgen.systems.base import Array, Walkers

Rows = NDArray[np.intp]


class Landscape(Protocol):
    """The potential, for some rows of the batch."""

    def force(self, x: Array, rows: Rows) -> Array:
        """−∇U, shape (len(rows), D)."""
        ...

    def energy_and_force(self, x: Array, rows: Rows) -> tuple[Array, Array]:
        """U/kT, shape (len(rows),), and −∇U."""
        ...


@dataclass(frozen=True)
class Ends:
    """Where n paths ended.

    Attributes
    ----------
    x : Array, shape (n, D)
    work : Array, shape (n,)
        w in kT; +∞ where the path broke.
    evaluations : int
        Forces, or energies and forces, of one configuration.
    failures : int
        Projections without a solution, or whose reverse ends elsewhere. Between Metropolised steps
        each is a rejected step, otherwise the end of its path.
    """

    x: Array
    work: Array
    evaluations: int
    failures: int

    def switched(self, walkers: Walkers, xi: Array) -> Switched:
        """With the CVs at the ends, shape (n, C); whoever broke has none."""
        broken = np.isinf(self.work)
        return Switched(
            Walkers(self.x, None, walkers.box),
            np.where(broken[:, None], np.nan, xi),
            self.work,
            self.evaluations,
            int(broken.sum()),
            self.failures,
        )


class Flight:
    """Walkers on their paths; whoever breaks is no longer `alive`."""

    def __init__(
        self,
        land: Landscape,
        levels: LevelSets,
        x: Array,
        delta: Array,
        schedule: Schedule,
        kT: float,
        masses: Array,
        rng: np.random.Generator,
    ) -> None:
        self.land, self.levels, self.schedule = land, levels, schedule
        self.kT, self.masses, self.rng, self.dt = kT, masses, rng, schedule.dt
        self.x = np.array(x, dtype=np.float64)
        self._initial = x
        self._inverse = inverse_masses(masses)
        self._spread = np.sqrt(kT * self._inverse)
        self._start, self._delta = levels.value(self.x), delta
        self.last = schedule.levels(delta)
        n = len(x)
        self.alive = np.ones(n, dtype=bool)
        self.work, self.failures, self.evaluations = np.zeros(n), 0, 0
        everyone = np.arange(n)
        self.v = levels.tangent(self.x, rng.standard_normal(self.x.shape) * self._spread)
        self.u, self.f = self.evaluate(self.x, everyone)

    # pieces

    def evaluate(self, x: Array, rows: Rows) -> tuple[Array, Array]:
        """U/kT and force of rows."""
        self.evaluations += len(rows)
        return self.land.energy_and_force(x, rows)

    def lam(self, rows: Rows, level: Array) -> Array:
        """λ of rows at these levels, shape (len(rows), C)."""
        done = self.schedule.progress(level / self.last[rows])
        return np.asarray(self._start[rows] + self._delta[rows] * done[:, None])

    def kinetic(self, v: Array) -> Array:
        """Kinetic energy in kT, shape (n,)."""
        return np.asarray(0.5 * np.einsum("nd,nd,d->n", v, v, self.masses) / self.kT)

    def refresh(self, x: Array, v: Array, damping: float) -> Array:
        """v ← c v + √(1 − c²) √(kT/m) η, tangent."""
        if damping == 1.0:
            return v
        noise = self.rng.standard_normal(v.shape) * self._spread
        return np.asarray(damping * v + np.sqrt(1.0 - damping**2) * self.levels.tangent(x, noise))

    def lose(self, rows: Rows) -> None:
        """These paths are broken."""
        self.alive[rows] = False

    def flying(self, level: int) -> Rows:
        """Whoever is alive and not there yet before this level."""
        return np.flatnonzero(self.alive & (self.last >= level))

    def ends(self) -> Ends:
        """What has become of all."""
        with np.errstate(all="ignore"):
            bulk = 0.5 * (self.levels.log_gram(self.x) - self.levels.log_gram(self._initial))
            work = np.where(self.alive, self.work + bulk, np.inf)
        broken = ~(np.isfinite(work) & all_finite(self.x))
        x = np.where(broken[:, None], self._initial, self.x)
        return Ends(x, np.where(broken, np.inf, work), self.evaluations, self.failures)
