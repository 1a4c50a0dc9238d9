"""Walkers on paths along which their CVs are held exactly at λ: state, refreshment, bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched
from msgen.actors.kernels.base import Mask, all_finite
from msgen.actors.kernels.switching.level_sets import LevelSets
from msgen.actors.kernels.switching.linear_level_sets import inverse_masses
from msgen.actors.kernels.switching.path_readings import Waypoints
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
    seen : Waypoints
    """

    x: Array
    work: Array
    evaluations: int
    failures: int
    seen: Waypoints

    def switched(self, walkers: Walkers, xi: Array) -> Switched:
        """With the CVs at the ends, shape (n, C); whoever broke has none."""
        broken = np.isinf(self.work)
        ends = Switched(
            Walkers(self.x, None, walkers.box),
            np.where(broken[:, None], np.nan, xi),
            self.work,
            self.evaluations,
            int(broken.sum()),
            self.failures,
        )
        return ends.noted(self.seen)


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
        self.seen = Waypoints(self.last, schedule.readings, self._start.shape[1])
        self.seen.note(everyone, np.zeros(n), schedule.g.spelled(self._start), np.zeros(n))

    # pieces

    def evaluate(self, x: Array, rows: Rows) -> tuple[Array, Array]:
        """U/kT and force of rows."""
        self.evaluations += len(rows)
        return self.land.energy_and_force(x, rows)

    def lam(self, rows: Rows, level: Array | NDArray[np.int64]) -> Array:
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

    def read(
        self,
        rows: Rows,
        level: int,
        *,
        energy: bool = False,
        arriving: bool = True,
        leaving: bool | Mask = True,
    ) -> None:
        """Note CVs and work of whoever of these is alive and to be read here, see `Waypoints`.

        With `energy` the work so far lacks the total energy at hand.
        """
        here = np.full(len(rows), level)
        rows = rows[self.alive[rows] & self.seen.due(rows, here, arriving, leaving)]
        if not len(rows):
            return
        with np.errstate(all="ignore"):
            work = self.work[rows] + self._bulk(rows)
            if energy:
                work += self.u[rows] + self.kinetic(self.v[rows])
        # levels are counted on through the turns of an angle; ξ is told as the CV spells it
        xi = self.schedule.g.spelled(self.levels.value(self.x[rows]))
        self.seen.note(rows, here[: len(rows)], xi, work)

    def _bulk(self, rows: Rows) -> Array:
        """What the measure of δ(ξ − λ) dx adds to the work so far, (n,); `Flight` is on areas."""
        now, first = (self.levels.log_gram(x[rows]) for x in (self.x, self._initial))
        return np.asarray(0.5 * (now - first))

    def flying(self, level: int) -> Rows:
        """Whoever is alive and not there yet before this level."""
        return np.flatnonzero(self.alive & (self.last >= level))

    def ends(self) -> Ends:
        """What has become of all."""
        with np.errstate(all="ignore"):
            bulk = self._bulk(np.arange(len(self.x)))
            work = np.where(self.alive, self.work + bulk, np.inf)
        broken = ~(np.isfinite(work) & all_finite(self.x))
        x = np.where(broken[:, None], self._initial, self.x)
        work = np.where(broken, np.inf, work)
        return Ends(x, work, self.evaluations, self.failures, self.seen)
