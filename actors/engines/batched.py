"""Propagation of analytic and Python potentials, a batch of walkers at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched, Tally
from msgen.actors.engines.local_kernel import paced
from msgen.actors.engines.sliced import Part
from msgen.actors.kernels.base import BoltzmannTarget, Mask, SumTarget, Target
from msgen.actors.kernels.chain import Chain, ChainKernel
from msgen.actors.kernels.switching.constrained_paths import Rows
from msgen.actors.kernels.switching.constrained_schemes import switch
from msgen.actors.kernels.switching.level_sets import level_sets
from msgen.actors.kernels.switching.path_readings import Waypoints
from msgen.actors.slices import set_words, some_steps, words_of
from msgen.systems.base import Array, CVSet, System, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.pause import pause

STEADY = 1.2
"""Frequency of a steered coordinate's restraint times the time step; velocity Verlet bears 2."""


@dataclass(frozen=True)
class RestraintTarget:
    """ln g(λ|ξ(x)) as a density of x, for the walkers that are restrained; λ NaN: a free CV.

    x may hold every walker several times, the walker's index running fastest.
    """

    cvs: CVSet
    g: Conditional
    lam: Array
    on: Mask

    def log_density(self, x: Array) -> Array:
        """−restraint energy, shape (n,); 0 where free."""
        times = len(x) // len(self.lam)
        lam, on = np.tile(self.lam, (times, 1)), np.tile(self.on, times)
        xi = self.cvs(x)
        return np.where(on, -self.g.tiled(times).energy(_held(lam, xi), xi), 0.0)

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """−restraint energy and its gradient."""
        xi, dxi = self.cvs.value_and_gradient(x)
        lam = _held(self.lam, xi)
        slope = np.where(self.on[:, None], self.g.slope(lam, xi), 0.0)
        value = np.where(self.on, -self.g.energy(lam, xi), 0.0)
        return value, -np.einsum("nc,ncd->nd", slope, dxi)


def _held(lam: Array, xi: Array) -> Array:
    """λ, that of a free CV being where it is."""
    return np.where(np.isnan(lam), xi, lam)


@dataclass(frozen=True)
class Potential:
    """A system as the landscape of exactly moved CVs."""

    system: System

    def force(self, x: Array, rows: Rows) -> Array:
        """−∇U, shape (n, D)."""
        pause()
        return self.system.energy_and_force(Walkers(x))[1]

    def energy_and_force(self, x: Array, rows: Rows) -> tuple[Array, Array]:
        """U/kT, shape (n,), and −∇U, shape (n, D)."""
        pause()
        u, f = self.system.energy_and_force(Walkers(x))
        return u / self.system.kT, f


class ArrayEngine:
    """Local moves by a kernel of `msgen.actors.kernels`; switching by velocity Verlet.

    Parameters
    ----------
    system, cvs
    kernel : ChainKernel
        The local kernel.
    masses : Array, shape (D,), or None
        Masses of the switching paths; the system's own if None.
    """

    def __init__(
        self, system: System, cvs: CVSet, kernel: ChainKernel, masses: Array | None = None
    ) -> None:
        self.system, self.cvs, self.kernel = system, cvs, kernel
        self.masses = system.masses if masses is None else masses
        self._target = BoltzmannTarget(system)
        self._rng: np.random.Generator  # of the order in hand: none before `begin`
        self._x = self._before = np.zeros((0, system.n_dof))
        self._chain: Chain | None = None  # while a chunk is under way
        self._lam, self._on = np.zeros((0, len(cvs))), np.zeros(0, dtype=bool)
        self._steps = self._left = 0
        self._pace: Array | None = None
        self.tally = Tally()

    def set_local_restraint(self, g: Conditional, pace: Array | None = None) -> None:
        """See `Engine`."""
        self._local, self._pace = g, pace

    def begin(self, rng: np.random.Generator) -> None:
        """See `Engine`."""
        self._rng, self.tally = rng, Tally()

    def load(self, walkers: Walkers) -> Array:
        """See `Engine`; the kernels draw velocities of their own."""
        self._x = self._before = np.array(walkers.positions, dtype=np.float64)
        return self.cvs(self._x)

    def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
        """See `Engine`."""
        self._start(lam, on, n_steps)
        self._advance(n_steps)
        return self._finish()

    def begin_chunk(self, lam: Array, on: Mask, n_steps: int) -> Part:
        """See `TogetherEngine`."""
        self._start(lam, on, n_steps)
        return self.go_on()

    def go_on(self) -> Part:
        """See `TogetherEngine`."""
        some_steps(lambda: self._advance(1), self._left)
        if self._left:
            return Part(self._left, np.zeros((0, len(self.cvs))))
        return Part(0, self._finish())

    def _start(self, lam: Array, on: Mask, n_steps: int) -> None:
        self._chain = self._opened(lam, on)
        self._steps = self._left = n_steps
        self.tally.evaluations += len(self._x)

    def _opened(self, lam: Array, on: Mask) -> Chain:
        target: Target = self._target
        if on.any():
            target = SumTarget((self._target, RestraintTarget(self.cvs, self._local, lam, on)))
        self._lam, self._on = lam, on
        kernel = self.kernel if self._pace is None else paced(self.kernel, self._pace)
        return kernel.chain(target, self._x.copy(), self._rng)

    def _advance(self, n_steps: int) -> None:
        assert self._chain is not None
        self._chain.advance(n_steps)
        self._left -= n_steps
        self.tally.evaluations += n_steps * self.kernel.evaluations_per_step * len(self._x)

    def _finish(self) -> Array:
        chain, n_steps = self._chain, self._steps
        assert chain is not None
        self._before, self._x, self._chain = self._x, chain.x, None
        self.tally.proposals += n_steps * len(self._x)
        # by way of shares, as a whole call tells them: steps are tuned by the last digit
        self.tally.accepted += float((chain.accepted / n_steps).sum()) * n_steps
        self.tally.nonfinite += chain.nonfinite
        return self.cvs(self._x)

    def revert(self, which: Mask) -> None:
        """See `Engine`."""
        self._x = np.where(which[:, None], self._before, self._x)

    def walkers(self) -> Walkers:
        """See `Engine`."""
        return Walkers(self._x.copy())

    # slices, see `msgen.actors.slices`

    def snapshot(self) -> Tree:
        """See `msgen.actors.slices.Machine`."""
        kept: Tree = {"x": self._x.copy(), "before": self._before.copy()}
        if self._chain is not None:
            kept["chain"] = self._chain.snapshot()
            kept["held"] = {"lam": self._lam.copy(), "on": self._on.copy()}
            kept["held"] |= {"steps": self._steps, "left": self._left}
        return kept

    def resume(self, snapshot: Tree) -> None:
        """See `msgen.actors.slices.Machine`."""
        self._x, self._before = np.array(snapshot["x"]), np.array(snapshot["before"])
        self._chain = None
        if "chain" in snapshot:
            held = snapshot["held"]
            # what it begins with is nobody's, and is put aside at once
            words = words_of(self._rng)
            chain = self._opened(np.array(held["lam"]), np.array(held["on"], dtype=bool))
            set_words(self._rng, words)
            chain.resume(snapshot["chain"])
            self._chain = chain
            self._steps, self._left = int(held["steps"]), int(held["left"])

    def _forces(self, g: Conditional, x: Array, lam: Array) -> tuple[Array, Array, Array]:
        """Total energy in kT, total force, and ξ, under U − kT ln g(λ|ξ) up to its constant."""
        pause()
        kT = self.system.kT
        energy, force = self.system.energy_and_force(Walkers(x))
        xi, dxi = self.cvs.value_and_gradient(x)
        pull = np.einsum("nc,ncd->nd", g.slope(lam, xi), dxi)
        return energy / kT + g.energy(lam, xi), force - kT * pull, xi

    def _path_masses(self, schedule: Schedule) -> Array:
        """Masses on a path: a coordinate that is steered is made as heavy as its spring is stiff.

        With m = κ kT (dt/STEADY)² the restraint's frequency times the step is STEADY whatever κ, so
        that a stiff path, which moves the CV almost exactly, costs no shorter step.
        """
        mass = np.array(self.masses, dtype=np.float64)
        for c, cv in enumerate(self.cvs.cvs):
            if isinstance(cv, Coordinate):
                spring = float(schedule.g.kappa[c]) * self.system.kT * (schedule.dt / STEADY) ** 2
                mass[cv.index] = max(mass[cv.index], spring)
        return mass

    def _carried(
        self, schedule: Schedule, delta: Array, levels: NDArray[np.int64], level: NDArray[np.int64]
    ) -> Array:
        """Velocity at which λ carries the steered coordinates, shape (n, D).

        Heavy as they are made, most of the work in the middle of a path is their motion. A reading
        weighs velocities about this mean instead of about 0: whatever depends on λ₀, λ_N and the
        level alone, and turns round with the path, leaves the positions' density as it is.
        """
        out = np.zeros((len(delta), self.system.n_dof))
        s = level / levels
        rate = schedule.speed(s) / (levels * schedule.stride * schedule.dt)
        rate = np.where(level < levels, rate, 0.0)
        for c, cv in enumerate(self.cvs.cvs):
            if isinstance(cv, Coordinate):
                out[:, cv.index] = delta[:, c] * rate
        return out

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        """Velocity Verlet with λ held over each kick; W = ΔH/kT − heat of the refreshments.

        The half kick at λ₀ and the half kick at λ_N make the protocol read the same backwards, and
        the map between two refreshments preserves volume, so that its energy error is part of W.
        """
        if schedule.exact:
            return self._switch_exactly(walkers, start, stop, schedule)
        n = len(walkers)
        kT, mass, dt, rng = self.system.kT, self._path_masses(schedule), schedule.dt, self._rng
        g = schedule.g
        delta = g.displacement(stop, start)
        levels = schedule.levels(delta)
        last = 2 + (levels - 1) * schedule.stride - 1  # index of the kick at λ_N
        damping = schedule.damping
        spread = np.sqrt(kT / mass)
        every = 1 if schedule.overdamped else schedule.refresh
        x = np.array(walkers.positions, dtype=np.float64)
        v = rng.standard_normal(x.shape) * spread
        end_xi = np.full((n, len(self.cvs)), np.nan)
        work = np.full(n, np.inf)
        seen = Waypoints(levels, schedule.readings, len(self.cvs))
        with np.errstate(all="ignore"):
            energy, force, xi = self._forces(g, x, start)
            total = -(energy + 0.5 * np.sum(mass * v * v, axis=1) / kT)
            live = np.arange(n)
            seen.note(live, np.zeros(n), xi, np.zeros(n))
            evaluations = n
            for k in range(1, int(last.max()) + 1):
                level = np.minimum((k - 1) // schedule.stride + 1, levels[live])
                lam = start[live] + delta[live] * schedule.progress(level / levels[live])[:, None]
                vh = v[live] + 0.5 * dt * force[live] / mass
                x[live] = x[live] + dt * vh
                energy_k, force_k, xi_k = self._forces(g, x[live], lam)
                force[live] = force_k
                v[live] = vh + 0.5 * dt * force_k / mass
                evaluations += len(live)
                # the last kick is the one at λ_N, which begins and ends there
                arriving, leaving = (k - 1) % schedule.stride == 0, k % schedule.stride == 0
                read = seen.due(live, level, arriving, leaving | (last[live] == k))
                if read.any():
                    at = live[read]
                    carried = self._carried(schedule, delta[at], levels[at], level[read])
                    kinetic = 0.5 * np.sum(mass * (v[at] - carried) ** 2, axis=1) / kT
                    so_far = total[at] + energy_k[read] + kinetic
                    seen.note(at, level[read], xi_k[read], so_far)
                done = last[live] == k
                if done.any():
                    at = live[done]
                    kinetic = 0.5 * np.sum(mass * v[at] ** 2, axis=1) / kT
                    work[at] = total[at] + energy_k[done] + kinetic
                    end_xi[at] = xi_k[done]
                    live = live[~done]
                    if not len(live):
                        break
                # at equal distance from either end: the reverse path refreshes where this does
                at = live[np.minimum(k, last[live] - k) % (every * schedule.stride) == 0]
                if damping < 1.0 and len(at):
                    before = np.sum(mass * v[at] ** 2, axis=1)
                    noise = rng.standard_normal(v[at].shape) * spread
                    v[at] = damping * v[at] + np.sqrt(1.0 - damping**2) * noise
                    after = np.sum(mass * v[at] ** 2, axis=1)
                    total[at] -= 0.5 * (after - before) / kT
        broken = ~np.isfinite(work)
        work[broken] = np.inf
        x[broken] = walkers.positions[broken]
        self.tally.evaluations += evaluations
        ends = Switched(Walkers(x), end_xi, work, evaluations, int(broken.sum()))
        return ends.noted(seen)

    def _switch_exactly(
        self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule
    ) -> Switched:
        ends = switch(
            Potential(self.system),
            level_sets(self.cvs, self.masses),
            walkers.positions,
            schedule.g.displacement(stop, start),
            schedule,
            self.system.kT,
            self.masses,
            self._rng,
        )
        self.tally.evaluations += ends.evaluations
        return ends.switched(walkers, self.cvs(ends.x))
