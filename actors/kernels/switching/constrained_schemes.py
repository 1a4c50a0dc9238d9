"""Switching paths on which the CVs stand exactly where λ is.

x lives on {ξ = λ}; what is not fixed by that is propagated by constrained velocity Verlet (RATTLE)
between Ornstein–Uhlenbeck refreshments of the tangent velocities. A projection that has no
solution, or whose reverse would end elsewhere, breaks the path: its reverse could not be generated
(Lelièvre, Rousset and Stoltz, Math. Comput. 81, 2071, 2012, sec. 5, and Numer. Math. 143, 379,
2019; Zappa, Holmes-Cerfon and Goodman, Commun. Pure Appl. Math. 71, 2609, 2018).

Every scheme returns the work w of

.. math:: \\frac{P[\\text{path}]\\, ρ^*(x_0)}{P[\\text{reverse}]\\, ρ^*(x_N)} = e^{w}

with ρ* taken on the surfaces, ρ*(x) δ(ξ(x) − λ) dx, so that e^{−w} q(λ₀)/q(λ_N) is the ratio of a
Metropolis test and w obeys Crooks' relation.
"""

from __future__ import annotations

import numpy as np

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.kernels.base import Mask, all_finite, log_uniform
from msgen.actors.kernels.switching.constrained_paths import Ends, Flight, Landscape, Rows
from msgen.actors.kernels.switching.level_sets import LevelSets
from msgen.systems.base import Array


def switch(
    land: Landscape,
    levels: LevelSets,
    x: Array,
    delta: Array,
    schedule: Schedule,
    kT: float,
    masses: Array,
    rng: np.random.Generator,
) -> Ends:
    """Move the CVs of every walker by `delta`, by the scheme of the schedule.

    'moving'
        λ moves during the drift of each Verlet step, which is a symplectic map from one surface's
        tangent bundle to the next's; one force a step. w is the change of the total energy but for
        the heat of the refreshments.
    'symmetric'
        P₁R₁P₂R₂ … R_{N−1}P_N: displacements P of the CVs, propagation R between them.
    'coin_flip'
        By a fair coin P₁R₁ … P_N R_N or R₀P₁ … R_{N−1}P_N, each the other's reverse.
    'asymmetric'
        P₁R₁ … P_N R_N, whose reverse is of the same kind; w then holds the ratio of the densities
        of all moves of the path and of its reverse, which takes one force more a level.

    R is `stride` times OU–Verlet–OU. Unadjusted its energy error is part of w; Metropolised every
    Verlet step is tested, the velocities reversed on rejection, and w is that of P alone.

    Parameters
    ----------
    x : Array, shape (n, D)
    delta : Array, shape (n, C)
        λ_N − λ₀; λ₀ is ξ(x).
    masses : Array, shape (D,)
        0 for what never moves.

    Raises
    ------
    ValueError
        For a scheme that is not known, or one that these CVs do not allow.
    """
    if schedule.scheme not in SCHEMES:
        raise ValueError(f"no path of this kind: {schedule.scheme}")
    if schedule.scheme != "moving" and not levels.movable:
        raise ValueError(f"these CVs cannot be displaced in closed form: {schedule.scheme}")
    if schedule.scheme == "asymmetric" and (schedule.metropolised or not levels.linear):
        raise ValueError("asymmetric paths are for linear CVs and steps without a test")
    paths = SCHEMES[schedule.scheme](land, levels, x, delta, schedule, kT, masses, rng)
    with np.errstate(all="ignore"):  # a path that breaks is lost, and counted
        return paths.run()


class Moving(Flight):
    """λ moves while the walker drifts: one constrained Verlet step from each level to the next."""

    def run(self) -> Ends:
        """All walkers, to their ends."""
        damping, dt = self.schedule.damping, self.dt
        every = 1 if self.schedule.overdamped else self.schedule.refresh
        self.work -= self.u + self.kinetic(self.v)
        for level in range(1, int(self.last.max(initial=0)) + 1):
            rows = self.flying(level)
            if not len(rows):
                break
            old, push = self.x[rows], self.f[rows] * self._inverse
            trial = old + dt * (self.v[rows] + 0.5 * dt * push)
            new, good = self.levels.drift(old, trial, self.lam(rows, np.full(len(rows), level)))
            arrived = self.last[rows] == level
            read = self.seen.due(rows, np.full(len(rows), level), arriving=True, leaving=True)
            force = self._forces(new, rows, arrived | read)
            push = force * self._inverse
            v = self.levels.tangent(new, (new - old) / dt + 0.5 * dt * push)
            back = new - dt * v + 0.5 * dt * dt * push
            before = self.lam(rows, np.full(len(rows), level - 1))
            good &= self.levels.returns(old, back, new, before)
            self.failures += int((~good).sum())
            good &= all_finite(v)
            self.lose(rows[~good])
            self.x[rows], self.v[rows], self.f[rows] = new, v, force
            self.read(rows[read], level, energy=True)
            there = rows[arrived & good]
            self.work[there] += self.u[there] + self.kinetic(self.v[there])
            # at equal distance from either end: the reverse path refreshes where this does
            near = np.minimum(level, self.last[rows] - level)
            at = rows[good & ~arrived & (near % every == 0)]
            if damping < 1.0 and len(at):
                v = self.refresh(self.x[at], self.v[at], damping)
                self.work[at] -= self.kinetic(v) - self.kinetic(self.v[at])
                self.v[at] = v
        return self.ends()

    def _forces(self, x: Array, rows: Rows, wanted: Mask) -> Array:
        """Forces of all; energies only where they are wanted."""
        force = np.empty_like(x)
        if wanted.any():
            self.u[rows[wanted]], force[wanted] = self.evaluate(x[wanted], rows[wanted])
        if not wanted.all():
            self.evaluations += int((~wanted).sum())
            force[~wanted] = self.land.force(x[~wanted], rows[~wanted])
        return force


class Stepwise(Flight):
    """λ moves while the walker stands, between propagations at fixed λ."""

    def perturb(self, rows: Rows, level: Array) -> None:
        """Displace to these levels; w takes the change of energy less that of volume."""
        x, volume = self.levels.displaced(self.x[rows], self.lam(rows, level))
        u, f = self.evaluate(x, rows)
        self.work[rows] += u - self.u[rows] - volume
        good = np.isfinite(self.work[rows]) & all_finite(f)
        self.lose(rows[~good])
        self.x[rows], self.u[rows], self.f[rows] = x, u, f

    def propagate(self, rows: Rows) -> None:
        """`stride` times OU–Verlet–OU where they stand, half a refreshment at either side."""
        half = self.schedule.half_damping
        for _ in range(self.schedule.stride):
            rows = rows[self.alive[rows]]
            if not len(rows):
                return
            self.v[rows] = self.refresh(self.x[rows], self.v[rows], half)
            self._verlet(rows)
            rows = rows[self.alive[rows]]
            self.v[rows] = self.refresh(self.x[rows], self.v[rows], half)

    def _verlet(self, rows: Rows) -> None:
        dt, lam = self.dt, self.levels.value(self.x[rows])
        old, v = self.x[rows], self.v[rows]
        trial = old + dt * (v + 0.5 * dt * self.f[rows] * self._inverse)
        new, good = self.levels.drift(old, trial, lam)
        u, f = self.evaluate(new, rows)
        push = f * self._inverse
        w = self.levels.tangent(new, (new - old) / dt + 0.5 * dt * push)
        good &= self.levels.returns(old, new - dt * w + 0.5 * dt * dt * push, new, lam)
        self.failures += int((~good).sum())
        change = u - self.u[rows] + self.kinetic(w) - self.kinetic(v)
        good &= np.isfinite(change) & all_finite(w)
        if self.schedule.metropolised:
            accept = good & (log_uniform(self.rng, len(rows)) < np.where(good, -change, -np.inf))
            w = np.where(accept[:, None], w, -v)
        else:
            accept = good
            self.work[rows] += np.where(good, change, 0.0)
            self.lose(rows[~good])
        moved = rows[accept]
        self.x[moved], self.u[moved], self.f[moved] = new[accept], u[accept], f[accept]
        self.v[rows] = w


class Symmetric(Stepwise):
    """Begins and ends with a perturbation."""

    def run(self) -> Ends:
        """All walkers, to their ends."""
        for level in range(1, int(self.last.max(initial=0)) + 1):
            rows = self.flying(level)
            self.perturb(rows, np.full(len(rows), level))
            self.read(rows, level, leaving=False)
            self.propagate(rows[self.alive[rows] & (self.last[rows] > level)])
            self.read(rows, level, arriving=False)
        return self.ends()


class CoinFlip(Stepwise):
    """Begins with one and ends with the other, by a coin."""

    def run(self) -> Ends:
        """All walkers, to their ends."""
        heads = self.rng.random(len(self.x)) < 0.5
        for level in range(1, int(self.last.max(initial=0)) + 1):
            rows = self.flying(level)
            tails = rows[~heads[rows]]
            self.propagate(tails)
            self.read(tails, level - 1, arriving=False)
            rows = rows[self.alive[rows]]
            self.perturb(rows, np.full(len(rows), level))
            # tails end where they arrive
            self.read(rows, level, leaving=~heads[rows] & (self.last[rows] == level))
            rows = rows[heads[rows]]
            self.propagate(rows[self.alive[rows]])
            self.read(rows, level, arriving=False)
        return self.ends()


class Asymmetric(Flight):
    """Begins with a perturbation, ends with a propagation, and so does its reverse."""

    def run(self) -> Ends:
        """All walkers, to their ends."""
        self.work -= self.u + self.kinetic(self.v)
        for level in range(1, int(self.last.max(initial=0)) + 1):
            rows = self.flying(level)
            if not len(rows):
                break
            # where the reverse path is to come back to, and by which force
            x, v, f = self.x[rows], self.v[rows], self.f[rows]
            lam = self.lam(rows, np.full(len(rows), level))
            displaced = self.levels.displaced(x, lam)[0]
            self.x[rows] = displaced
            self.u[rows], self.f[rows] = self.evaluate(displaced, rows)
            there_f = self.f[rows]
            self._verlet_between(rows)
            back = self.levels.displaced(self.x[rows], self.levels.value(x))[0]
            _, back_f = self.evaluate(back, rows)
            forward = self._log_kernel(
                displaced, v, there_f, self.x[rows], self.v[rows], self.f[rows]
            )
            reverse = self._log_kernel(back, -self.v[rows], back_f, x, -v, f)
            self.work[rows] += forward - reverse
            self.lose(rows[~np.isfinite(self.work[rows])])
            self.read(rows, level, energy=True)
        self.work += self.u + self.kinetic(self.v)
        return self.ends()

    def _verlet_between(self, rows: Rows) -> None:
        """One OU–Verlet–OU, no work booked."""
        half, dt = self.schedule.half_damping, self.dt
        v = self.refresh(self.x[rows], self.v[rows], half)
        v = v + 0.5 * dt * self.levels.tangent(self.x[rows], self.f[rows] * self._inverse)
        x = self.x[rows] + dt * v
        self.u[rows], f = self.evaluate(x, rows)
        v = v + 0.5 * dt * self.levels.tangent(x, f * self._inverse)
        self.x[rows], self.f[rows] = x, f
        self.v[rows] = self.refresh(x, v, half)

    def _log_kernel(self, x: Array, v: Array, f: Array, x2: Array, v2: Array, f2: Array) -> Array:
        """ln density of OU–Verlet–OU from (x, v) to (x2, v2), up to a constant; (n,)."""
        c, dt = self.schedule.half_damping, self.dt
        push, push2 = (self.levels.tangent(x, g * self._inverse) for g in (f, f2))
        kicked = (x2 - x) / dt
        first = kicked - 0.5 * dt * push - c * v
        second = v2 - c * (kicked + 0.5 * dt * push2)
        return np.asarray(-(self.kinetic(first) + self.kinetic(second)) / (1.0 - c * c))


SCHEMES: dict[str, type[Moving | Symmetric | CoinFlip | Asymmetric]] = {
    "moving": Moving,
    "symmetric": Symmetric,
    "coin_flip": CoinFlip,
    "asymmetric": Asymmetric,
}
"""By name, as in a campaign."""
