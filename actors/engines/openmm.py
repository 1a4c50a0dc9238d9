"""Propagation of molecules through OpenMM, one walker after another."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import openmm as mm

from msgen.actors.base import Tree, decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched, Tally
from msgen.actors.engines.openmm_barostat import Barostat
from msgen.actors.engines.openmm_frame import Point, Reader
from msgen.actors.engines.openmm_potential import MoleculeLandscape
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.switching.constrained_schemes import switch
from msgen.actors.kernels.switching.distance_fast_path import MovingPair
from msgen.actors.kernels.switching.level_sets import Spheres, level_sets
from msgen.actors.kernels.switching.path_readings import Waypoints
from msgen.actors.slices import words_of
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.own_names import centre
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.pause import pause


class MoleculeEngine:
    """Langevin (LFMiddle) or GHMC locally; driven velocity Verlet (RATTLE) on switching paths.

    Meets `msgen.actors.engines.base.Engine`. On every platform an order's noise is a function of
    its random stream only, whatever the worker did before; so is its result where the platform
    repeats its arithmetic to the last bit.

    Parameters
    ----------
    system, cvs
    kind : 'langevin' or 'ghmc'
        Local dynamics: LFMiddle is approximate to order dt², GHMC exact.
    timestep, friction : float, optional
        Of the local dynamics, ps and 1/ps; the system's own by default.
    """

    def __init__(
        self,
        system: OpenMMSystem,
        cvs: CVSet,
        kind: Literal["langevin", "ghmc"] = "langevin",
        timestep: float | None = None,
        friction: float | None = None,
    ) -> None:
        self.system, self.cvs, self.kind = system, cvs, kind
        self._timestep = system.timestep if timestep is None else timestep
        # all are made now: making one disturbs the random stream of the others
        local: dict[str, Any] = {"friction": friction, "purpose": kind, "timestep": timestep}
        self._free = system.context(False, cvs, **local)
        self._held = system.context(True, cvs, **local)
        self._path = system.context(True, cvs, purpose="leapfrog")
        self._mass = system.masses.reshape(-1, 3)
        self._inverse = np.divide(
            1.0, self._mass, out=np.zeros_like(self._mass), where=self._mass > 0
        )
        self._rng: np.random.Generator  # of the order in hand: none before `begin`
        self._now: list[Point] = []
        self._before: list[Point] = []
        self._active: OpenMMContext | None = None
        self._lam, self._on = np.zeros((0, len(cvs))), np.zeros(0, dtype=bool)
        self._kappa = np.zeros(len(cvs))
        self._stiffness = np.full(len(cvs), np.nan)  # as the Context has it
        self._barostat = None if system.pressure is None else Barostat(system)
        self.tally = Tally()

    def set_local_restraint(self, g: Conditional, pace: Array | None = None) -> None:
        """See `Engine`; the time step is the campaign's for all."""
        self._kappa = np.asarray(g.kappa, dtype=np.float64)

    def begin(self, rng: np.random.Generator) -> None:
        """See `Engine`."""
        self._rng, self.tally, self._active = rng, Tally(), None
        for stepper in (self._free, self._held):
            stepper.reseed(int(rng.integers(2**31 - 2)))
            if self.kind == "ghmc":
                stepper.metropolis_counts()  # what was counted before is not of this order

    def _read(self, point: Point) -> Array:
        """ξ of a point, through the engine's fast evaluator."""
        self._put(self._free, point)
        self._active = None
        return self._free.cvs()

    def _put(self, stepper: OpenMMContext, point: Point) -> None:
        stepper.load(point.walker())

    # the local kernel

    def restrain(self, i: int, lam: Array) -> None:
        """Hold the CVs of `stepper(True)` at λ of walker i; one whose λ is NaN is free."""
        free = np.isnan(lam)
        kappa = self._kappa if self._kappa.ndim == 1 else self._kappa[i]
        wanted = np.where(free, 0.0, kappa)
        if not np.array_equal(wanted, self._stiffness):
            self._held.set_kappa(wanted)
            self._stiffness = wanted
        self._held.set_lambda(np.where(free, 0.0, lam))

    def load(self, walkers: Walkers) -> Array:
        """See `Engine`.

        What is drawn are the velocities that belong to the positions; see `revert`.
        """
        self._now = []
        for i in range(len(walkers)):
            one = walkers.take([i])
            if one.velocities is None:
                self._free.load(one)
                self._free.draw_velocities(self._rng)
                v = self._free.velocities()
                if self.kind == "langevin":
                    v = v - 0.5 * self._timestep * self._free.forces() * self._inverse
                    self.tally.evaluations += 1
                one = one.with_positions(one.positions, v.reshape(1, -1))
            self._now.append(Point.of(one))
        self._before = list(self._now)
        return np.array([self._read(p) for p in self._now])

    def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
        """See `Engine`."""
        xi = np.empty((len(self._now), len(self.cvs)))
        self._before, self._lam, self._on = self._now, lam, on
        self._now = list(self._before)
        held = on.tolist()
        for i, point in enumerate(self._before):
            stepper = self._held if held[i] else self._free
            if self._active is not stepper or len(held) > 1:
                self._put(stepper, point)
                self._active = stepper
            if held[i]:
                self.restrain(i, lam[i])
            box = point.box
            if self._barostat is None or box is None:
                stepper.step(n_steps)
            else:
                box = self._barostat.step(stepper, box, n_steps, self._rng, self.tally)
            xi[i], x, state = stepper.look()
            if not stepper.failed:
                # velocities stay in OpenMM's State until they are asked for
                self._now[i] = Point(x, None, box, state)
            self.tally.evaluations += n_steps
            if stepper.failed:
                self.tally.nonfinite += 1
            if self.kind == "ghmc":
                counts = stepper.metropolis_counts()
                self.tally.proposals += counts["n_tried"]
                self.tally.accepted += counts["n_accepted"]
                self.tally.nonfinite += counts["n_nonfinite"]
        return xi

    def revert(self, which: Mask) -> None:
        """See `Engine`.

        LFMiddle keeps its velocities half a kick behind its positions, so that what is reversed is
        v + Δt F/2m, the velocity that belongs to the positions.
        """
        for i in np.flatnonzero(which).tolist():
            point = self._before[i]
            v = -point.v
            if self.kind == "langevin":
                stepper = self._held if self._on[i] else self._free
                self._put(stepper, point)
                if self._on[i]:
                    self.restrain(i, self._lam[i])
                v = v - self._timestep * stepper.forces() * self._inverse
                v = stepper.projected(v)
                self.tally.evaluations += 1
            self._now[i] = Point(point.x, v, point.box)
            self._active = None

    def walkers(self) -> Walkers:
        """See `Engine`."""
        parts = [p.walker() for p in self._now]
        boxes = [p.box for p in parts if p.box is not None]
        velocities = [p.velocities for p in parts if p.velocities is not None]
        return Walkers(
            np.concatenate([p.positions for p in parts]),
            np.concatenate(velocities),
            np.concatenate(boxes) if boxes else None,
        )

    def stepper(self, held: bool) -> OpenMMContext:
        """The Context of the local kernel; what it is used for between orders is lost by `load`."""
        return self._held if held else self._free

    # slices, see `msgen.actors.slices`

    def snapshot(self) -> Tree:
        """See `msgen.actors.slices.Machine`."""
        return {
            "now": [encode(p.walker()) for p in self._now],
            "before": [encode(p.walker()) for p in self._before],
            "lam": self._lam.copy(),
            "on": self._on.copy(),
            "noise": self._free.noise(),
        }

    def resume(self, snapshot: Tree) -> None:
        """Stand there; elsewhere than on Reference with new noise, of the same distribution."""
        words = words_of(self._rng)
        self._held.set_noise(None, words + np.uint64(1))
        self._free.set_noise(snapshot["noise"], words)  # on Reference, of the whole process
        if self.kind == "ghmc":
            for stepper in (self._free, self._held):
                stepper.metropolis_counts()
        self._now = [Point.of(decode(Walkers, one)) for one in snapshot["now"]]
        self._before = [Point.of(decode(Walkers, one)) for one in snapshot["before"]]
        self._lam, self._on = snapshot["lam"], np.asarray(snapshot["on"], dtype=bool)
        self._active = None

    # switching paths

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        """RATTLE with λ held over each kick; W = ΔH/kT − heat of the refreshments.

        OpenMM's leapfrog is used, whose velocities stand half a kick before its positions: half a
        kick is taken off at the start and added wherever velocities are looked at, which makes it
        velocity Verlet: its map preserves volume and reads the same backwards, so that its energy
        error is part of W.
        """
        n = len(walkers)
        self._active = None
        if schedule.exact:
            return self._switch_exactly(walkers, start, stop, schedule)
        x = np.array(walkers.positions, dtype=np.float64)
        xi = np.full((n, len(self.cvs)), np.nan)
        work = np.full(n, np.inf)
        delta = schedule.g.displacement(stop, start)
        self._path.set_kappa(schedule.g.kappa)
        self._path.integrator.setStepSize(schedule.dt)
        levels = schedule.levels(delta)
        seen = Waypoints(levels, schedule.readings, len(self.cvs))
        before = self.tally.evaluations
        for i in range(n):
            self._path.load(walkers.take([i]))
            self._reader = Reader(seen, i, self._path, self.system.kT)
            try:
                w = self._drive(start[i], delta[i], int(levels[i]), schedule)
            except mm.OpenMMException:
                continue  # a broken path is infinite work
            end_xi = self._path.cvs()
            # a failed constraint comes back as NaN positions
            end = self._path.store()[0]
            if np.isfinite(w) and np.isfinite(end_xi).all() and np.isfinite(end).all():
                x[i], xi[i], work[i] = end, end_xi, w
        broken = int(np.isinf(work).sum())
        evaluations = self.tally.evaluations - before
        ends = Switched(Walkers(x, None, walkers.box), xi, work, evaluations, broken)
        return ends.noted(seen)

    def _switch_exactly(
        self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule
    ) -> Switched:
        masses, kT = self.system.masses, self.system.kT
        land = MoleculeLandscape(self._free, walkers, kT)
        delta = schedule.g.displacement(stop, start)
        surfaces, x = level_sets(self.cvs, masses), walkers.positions
        if schedule.scheme == "moving" and isinstance(surfaces, Spheres):
            ends = MovingPair(land, surfaces, x, delta, schedule, kT, masses, self._rng).run()
        else:
            ends = switch(land, surfaces, x, delta, schedule, kT, masses, self._rng)
        self.tally.evaluations += ends.evaluations
        return ends.switched(walkers, self.cvs(ends.x))

    def _drive(self, start: Array, delta: Array, levels: int, schedule: Schedule) -> float:
        """Drive the loaded walker; its work in kT.

        Kicks: half a one at λ₀, `stride` at each of λ₁ … λ_{L−1}, half a one at λ_L.
        """
        path, half, read = self._path, 0.5 * schedule.dt, self._reader
        stride = schedule.stride
        path.set_lambda(start)
        v = path.drawn_velocities(self._rng)
        energy, force = path.energy_and_forces()
        work = -(energy + path.kinetic_energy(v))
        read.at(0, 0.0)
        path.context.setVelocities(v - half * force * self._inverse)
        self.tally.evaluations += (levels - 1) * stride + 2
        step, set_parameter = path.integrator.step, path.context.setParameter
        names = [centre(c) for c in range(len(delta))]
        every = 1 if schedule.overdamped else schedule.refresh
        damping = schedule.damping
        fractions = schedule.progress(np.arange(levels) / levels)
        # plain floats, once: this loop is run for every other step
        lams = (start + delta * fractions[:, None]).tolist()
        refreshed = {
            level
            for level in range(1, levels)
            if damping < 1.0 and 2 * level != levels and min(level, levels - level) % every == 0
        }
        stops = refreshed | read.levels
        step(1)
        for level in range(1, levels):
            for name, value in zip(names, lams[level], strict=True):
                set_parameter(name, value)
            if level % 16 == 0:
                pause()
            if level in stops:
                # at the first kick of a level on the way to the middle, at the last one after it,
                # so that the reverse path refreshes, and is read, at the same places
                ahead = stride - 1 if 2 * level > levels else 0
                step(ahead)
                if level in read.levels:
                    read.at(level, work + self._energy(half))
                if level in refreshed:
                    work -= self._refresh(damping, half)
                step(stride - ahead)
            else:
                step(stride)
        path.set_lambda(start + delta)
        energy, force = path.energy_and_forces()
        v = path.projected(path.velocities() + half * force * self._inverse)
        work += energy + path.kinetic_energy(v)
        read.at(levels, work)
        return work / self.system.kT

    def _energy(self, half: float) -> float:
        """Total energy in kJ/mol with the velocities that belong to the positions."""
        path = self._path
        lagging = path.velocities()
        energy, force = path.energy_and_forces()
        v = path.projected(lagging + half * force * self._inverse)
        path.context.setVelocities(lagging)
        self.tally.evaluations += 1
        return energy + path.kinetic_energy(v)

    def _refresh(self, damping: float, half: float) -> float:
        """v ← c v + √(1−c²) ξ for the velocities that belong to the positions; heat taken up."""
        path = self._path
        kick = half * path.forces() * self._inverse
        old = path.projected(path.velocities() + kick)
        new = damping * old + np.sqrt(1.0 - damping**2) * path.drawn_velocities(self._rng)
        path.context.setVelocities(new - kick)
        self.tally.evaluations += 1
        return path.kinetic_energy(new) - path.kinetic_energy(old)
