"""The moving scheme for one distance and one walker at a time, where every microsecond counts.

OpenMM's forces of a few hundred particles take less time than numpy takes over a hundred calls on
batches of one. Here a step is the same map in a dozen calls: what a constraint on one distance
changes are the few numbers of two particles, which are plain floats.
"""

from __future__ import annotations

from math import isfinite, sqrt
from operator import mul
from typing import Protocol

import numpy as np

from msgen.actors.engine import Schedule
from msgen.actors.kernels.flight import Ends, Flight, Landscape, Rows
from msgen.actors.kernels.level_sets import RETURN, Spheres
from msgen.systems.base import Array

Arrow = list[float]


class SingleForce(Protocol):
    """The potential of one walker."""

    def __call__(self, x: Array, out: Array, energy: bool) -> float:
        """U/kT at x, shape (D,), if `energy`, else 0; NaN on failure. −∇U is written to `out`."""
        ...


class SingleLandscape(Landscape, Protocol):
    """A potential that is evaluated one walker after another."""

    def single(self, row: int) -> SingleForce:
        """That of one row of the batch."""
        ...


class Pair:
    """`Spheres` for one configuration, shape (D,); r⃗ is a list of d floats."""

    def __init__(self, spheres: Spheres) -> None:
        self._d = len(spheres.i)
        self._both = np.concatenate([spheres.i, spheres.j])
        self._share = np.repeat([spheres.of_i, spheres.of_j], self._d)

    def arrow(self, x: Array) -> Arrow:
        """r⃗ = x_j − x_i."""
        p, d = x.take(self._both).tolist(), self._d
        return [p[d + k] - p[k] for k in range(d)]

    def stretch(self, x: Array, change: Arrow) -> None:
        """Share a change of r⃗ out between the two, in place."""
        x[self._both] += self._share * (change + change)


def _dot(a: Arrow, b: Arrow) -> float:
    total: float = sum(map(mul, a, b))
    return total


def _correction(axis: Arrow, r: Arrow, lam: float) -> Arrow | None:
    """s e of |r + s e| = λ with e along `axis`, the shorter one; None where there is none."""
    length = sqrt(_dot(axis, axis))
    b = _dot(r, axis) / length if length else 0.0
    c = _dot(r, r) - lam * lam
    if not b * b - c >= 0.0:
        return None
    root = sqrt(b * b - c)
    # c over the far root: no digits are lost where s is small
    far = b - root if b < 0.0 else b + root
    return [-c / far / length * a for a in axis] if far else None


class MovingPair(Flight):
    """As `exact_switching.Moving`, to rounding, for a distance.

    Random numbers are drawn walker after walker, so that a batch of several takes other ones.
    """

    def __init__(
        self,
        land: SingleLandscape,
        levels: Spheres,
        x: Array,
        delta: Array,
        schedule: Schedule,
        kT: float,
        masses: Array,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(land, levels, x, delta, schedule, kT, masses, rng)
        self._single, self._pair = land.single, Pair(levels)
        self._every = 1 if schedule.overdamped else schedule.refresh

    def run(self) -> Ends:
        """All walkers, to their ends."""
        self.work -= self.u + self.kinetic(self.v)
        for row in range(len(self.x)):
            if not self._fly(row):
                self.lose(np.array([row]))
        return self.ends()

    def _fly(self, row: int) -> bool:
        """One walker, to its end; False where its path broke."""
        last, dt, half, rows = int(self.last[row]), self.dt, 0.5 * self.dt, np.array([row])
        lams = self.lam(np.full(last + 1, row), np.arange(last + 1))[:, 0].tolist()
        stops = self._stops(row, last)
        evaluate, pair, inverse = self._single(row), self._pair, self._inverse
        x, v, f = self.x[row], self.v[row], self.f[row]
        push, new = f * inverse, np.empty_like(x)
        old = pair.arrow(x)
        for level in range(1, last + 1):
            np.multiply(push, half, out=new)
            new += v
            new *= dt
            new += x
            r = pair.arrow(new)
            change = _correction(old, r, lams[level])
            if change is None:
                self.failures += 1
                return False
            pair.stretch(new, change)
            self.evaluations += 1
            u = evaluate(new, f, level in stops)
            if not isfinite(u):
                return False
            np.multiply(f, inverse, out=push)
            np.subtract(new, x, out=v)
            v /= dt
            # x is free until it becomes `new`
            np.multiply(push, half, out=x)
            v += x
            now = [a + b for a, b in zip(r, change, strict=True)]
            if not self._settled(v, push, now, old, lams[level - 1]):
                return False
            x[:], old = new, now
            if level in stops:
                self.u[row] = u
                self._stop(rows, level, last)
        return isfinite(float(np.vdot(v, v)))

    def _settled(self, v: Array, push: Array, now: Arrow, old: Arrow, before: float) -> bool:
        """Take the velocity along r⃗ away; whether the reversed step ends where it began."""
        pair, dt = self._pair, self.dt
        dr = pair.arrow(v)
        speed = _dot(dr, now) / _dot(now, now)
        along = [-speed * a for a in now]
        pair.stretch(v, along)
        back = [
            a - dt * (b + c) + 0.5 * dt * dt * p
            for a, b, c, p in zip(now, dr, along, pair.arrow(push), strict=True)
        ]
        change = _correction(now, back, before)
        good = change is not None and all(
            abs(b + s - a) < RETURN for a, b, s in zip(old, back, change, strict=True)
        )
        self.failures += not good
        return good

    def _stops(self, row: int, last: int) -> set[int]:
        """Levels at which more is done than a step: readings, refreshments, the end."""
        refreshed = {k for k in range(1, last) if min(k, last - k) % self._every == 0}
        damped = self.schedule.damping < 1.0
        return self.seen.between(row) | {last} | (refreshed if damped else set())

    def _stop(self, rows: Rows, level: int, last: int) -> None:
        """Read, refresh and book; u, x, v and f of the row are those at hand."""
        self.read(rows, level, energy=True)
        if level == last:
            self.work[rows] += self.u[rows] + self.kinetic(self.v[rows])
        elif self.schedule.damping < 1.0 and min(level, last - level) % self._every == 0:
            v = self.refresh(self.x[rows], self.v[rows], self.schedule.damping)
            self.work[rows] -= self.kinetic(v) - self.kinetic(self.v[rows])
            self.v[rows] = v
