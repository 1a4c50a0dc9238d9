"""The moving scheme for one distance and one walker at a time, where every microsecond counts.

OpenMM's forces of a few hundred particles take less time than numpy takes over a hundred calls on
batches of one. Here a step is the same map in a dozen calls: what a constraint on one distance
changes are the few numbers of two particles, which are plain floats.
"""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import Protocol

import numpy as np

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.kernels.switching.constrained_paths import Ends, Flight, Landscape
from msgen.actors.kernels.switching.level_sets import RETURN, Spheres
from msgen.systems.base import Array

Arrow = tuple[float, float, float]


def _view(x: Array) -> memoryview[float]:
    """The numbers of a contiguous array."""
    return x.data.cast("B").cast("d")


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
    """`Spheres` for one configuration, shape (D,), of particles with three coordinates each.

    In a plane the third is 0 and stays it. Arrays come as memoryviews, whose single numbers are
    read and written at a third of numpy's price.
    """

    def __init__(self, spheres: Spheres) -> None:
        self._i, self._j = (3 * (int(k[0]) // 3) for k in (spheres.i, spheres.j))
        self._of_i, self._of_j = spheres.of_i, spheres.of_j

    def arrow(self, x: memoryview[float]) -> Arrow:
        """r⃗ = x_j − x_i."""
        i, j = self._i, self._j
        return x[j] - x[i], x[j + 1] - x[i + 1], x[j + 2] - x[i + 2]

    def stretch(self, x: memoryview[float], change: Arrow, times: float) -> None:
        """Share a change of r⃗ out between the two, in place."""
        i, j, (a, b, c) = self._i, self._j, change
        of_i, of_j = self._of_i * times, self._of_j * times
        x[i] += of_i * a
        x[i + 1] += of_i * b
        x[i + 2] += of_i * c
        x[j] += of_j * a
        x[j + 1] += of_j * b
        x[j + 2] += of_j * c

    def hold(self, v: memoryview[float], r: Arrow) -> None:
        """Take the part of a velocity along r⃗ away, in place."""
        self.stretch(v, r, -_dot(self.arrow(v), r) / _dot(r, r))

    def settle(
        self, w: memoryview[float], kick: memoryview[float], now: Arrow, old: Arrow, lam: float
    ) -> bool:
        """Make the velocity at `now`, w and half a kick, a tangent; whether it leads back.

        Back is the step with the velocity reversed, onto {|r⃗| = lam}: it is to end at `old`.
        """
        (a, b, c), (p, q, r), (x, y, z) = self.arrow(w), self.arrow(kick), now
        along = (a + 0.5 * p) * x + (b + 0.5 * q) * y + (c + 0.5 * r) * z
        s = -along / _dot(now, now)
        self.stretch(w, now, s)
        # the kick that the reversed step begins with cancels the half of the tangent velocity
        back = x - a - s * x, y - b - s * y, z - c - s * z
        t = _correction(now, back, lam)
        # NaN is no return
        return (
            abs(back[0] + t * x - old[0]) < RETURN
            and abs(back[1] + t * y - old[1]) < RETURN
            and abs(back[2] + t * z - old[2]) < RETURN
        )


def _dot(a: Arrow, b: Arrow) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _correction(axis: Arrow, r: Arrow, lam: float) -> float:
    """The smaller s of |r + s axis| = λ; NaN where there is none."""
    aa, b, c = _dot(axis, axis), _dot(r, axis), _dot(r, r) - lam * lam
    disc = b * b - aa * c
    if not disc >= 0.0 or not lam > 0.0:
        return nan
    # c over the far root: no digits are lost where s is small
    far = b - sqrt(disc) if b < 0.0 else b + sqrt(disc)
    return -c / far if far else nan


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

    def run(self) -> Ends:
        """All walkers, to their ends."""
        self.work -= self.u + self.kinetic(self.v)
        for row in range(len(self.x)):
            if not self._fly(row):
                self.lose(np.array([row]))
        return self.ends()

    def _fly(self, row: int) -> bool:
        """One walker, to its end; False where its path broke.

        w is what the walker moves in a step, Δt times its velocity half a step after x.
        """
        last, dt, pair, evaluate = int(self.last[row]), self.dt, self._pair, self._single(row)
        lams = self.lam(np.full(last + 1, row), np.arange(last + 1))[:, 0].tolist()
        read, refreshed = self.seen.between(row) | {last}, self._refreshed(last)
        stops, f, weight = read | refreshed, self.f[row], dt * dt * self._inverse
        x, kick = self.x[row].copy(), f * weight
        w, new = dt * self.v[row] + 0.5 * kick, np.empty_like(x)
        of_w, of_kick, of_x, of_new = _view(w), _view(kick), _view(x), _view(new)
        old = pair.arrow(of_x)
        for level in range(1, last + 1):
            np.add(x, w, out=new)
            r = pair.arrow(of_new)
            s = _correction(old, r, lams[level])
            if s != s:
                self.failures += 1
                return False
            pair.stretch(of_new, old, s)
            pair.stretch(of_w, old, s)
            now = r[0] + s * old[0], r[1] + s * old[1], r[2] + s * old[2]
            self.evaluations += 1
            u = evaluate(new, f, level in read)
            if not isfinite(u):
                return False
            np.multiply(f, weight, out=kick)
            if not pair.settle(of_w, of_kick, now, old, lams[level - 1]):
                self.failures += 1
                return False
            x, new, of_x, of_new, old = new, x, of_new, of_x, now
            if level in stops:
                self.x[row], self.u[row] = x, u
                self.v[row] = (w + 0.5 * kick) / dt
                if level in read:
                    self.read(np.array([row]), level, energy=True)
                if level in refreshed:
                    self.work[row] -= self._refreshed_heat(self.v[row], now)
                    w[:] = dt * self.v[row] - 0.5 * kick
            w += kick
        self.work[row] += self.u[row] + self._kinetic(self.v[row])
        return isfinite(self.work[row])

    def _refreshed(self, last: int) -> set[int]:
        """Levels at which velocities are refreshed, at equal distances from either end."""
        if self.schedule.damping == 1.0:
            return set()
        every = 1 if self.schedule.overdamped else self.schedule.refresh
        return {k for k in range(1, last) if min(k, last - k) % every == 0}

    def _refreshed_heat(self, v: Array, r: Arrow) -> float:
        """Refresh a velocity in place; the kinetic energy that it took up, in kT."""
        c, before = self.schedule.damping, self._kinetic(v)
        noise = self.rng.standard_normal(len(v))
        noise *= self._spread
        self._pair.hold(_view(noise), r)
        noise *= sqrt(1.0 - c * c)
        v *= c
        v += noise
        return self._kinetic(v) - before

    def _kinetic(self, v: Array) -> float:
        """Of one walker, in kT."""
        return float(0.5 * np.dot(v * v, self.masses) / self.kT)
