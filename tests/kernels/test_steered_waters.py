"""Virtual sites of a walker, and works of steered paths of rigid waters, from outside.

A path is repeated in numpy, from the same normals: constraints by Newton's method, sites put in
their places before every energy. What is booked is then the change of the energies found there.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import openmm as mm
import pytest
from paths_of_levels import schedule_of
from waters import OXYGENS, OXYGENS_4, Outside, waters

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.solute.openmm_legs import MoleculeDriver
from msgen.actors.solute.paths import Route
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

G = Conditional(np.array([3000.0]), np.array([False]))
"""1/nm², of the distance of two oxygens."""
CLOSE = {"Reference": 1e-4, "CPU": 2e-2}
"""kT; over a path of 25 steps."""
CASES = [("tip3p.xml", OXYGENS), ("tip4pew.xml", OXYGENS_4)]


class Repeated:
    """The path of `MoleculeEngine.switch`, step by step, and its work in kT."""

    def __init__(self, engine: MoleculeEngine, cvs: CVSet, seed: int) -> None:
        self.outside, self.cvs, self.kT = Outside(engine.system), cvs, engine.system.kT
        self._rng = np.random.default_rng(seed)
        mass = engine.system.masses.reshape(-1, 3)
        self._inverse = np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)

    def energy_and_force(self, x: Array, lam: Array) -> tuple[float, Array]:
        u, f = self.outside.energy_and_force(x)
        xi, dxi = self.cvs.value_and_gradient(x.reshape(1, -1))
        pull = np.einsum("nc,ncd->nd", G.slope(lam[None], xi), dxi).reshape(x.shape)
        return u + float(G.energy(lam[None], xi)[0]), f - self.kT * pull

    def drawn(self, x: Array) -> Array:
        noise = self._rng.standard_normal(x.shape) * np.sqrt(self.kT * self._inverse)
        return self.outside.tangent(x, noise)

    def run(self, x: Array, start: Array, stop: Array, schedule: Schedule) -> tuple[Array, float]:
        out, dt, c, delta = self.outside, schedule.dt, schedule.damping, stop - start
        levels = int(schedule.levels(delta[None])[0])
        stride = schedule.stride
        v = self.drawn(x)
        u, f = self.energy_and_force(x, start)
        work = -(u + out.kinetic(v))
        places = [(level, kick) for level in range(1, levels) for kick in range(stride)]
        for level, kick in [*places, (levels, 0)]:
            lam = start + delta * schedule.progress(np.array(level / levels))
            trial = x + dt * (v + 0.5 * dt * f * self._inverse)
            new = out.settled(x, trial)
            u, f = self.energy_and_force(new, lam)
            kick_v = (new - x) / dt + 0.5 * dt * f * self._inverse
            x, v = new, out.tangent(new, np.where(self._inverse > 0, kick_v, 0.0))
            first = 2 * level < levels
            here = kick == (0 if first else stride - 1) and min(level, levels - level) > 0
            if here and 2 * level != levels and min(level, levels - level) % schedule.refresh == 0:
                old = v
                v = c * old + np.sqrt(1.0 - c * c) * self.drawn(x)
                work -= out.kinetic(v) - out.kinetic(old)
        return x, work + u + out.kinetic(v)


def both(
    engine: MoleculeEngine, cvs: CVSet, schedule: Schedule, seed: int
) -> tuple[Switched, Array, float]:
    start = engine.system.initial()
    there = cvs(start.positions)
    engine._rng = np.random.default_rng(seed)
    done = engine.switch(start, there, there + 0.06, schedule)
    repeated = Repeated(engine, cvs, seed)
    x = start.positions.reshape(-1, 3)
    return done, *repeated.run(x, there[0], there[0] + 0.06, schedule)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize(("forcefield", "cvs"), CASES)
@pytest.mark.parametrize(("dt", "stride"), [(0.002, 1), (0.005, 3)])
def test_the_work_of_a_path_is_that_of_its_energies(
    forcefield: str, cvs: CVSet, platform: str, dt: float, stride: int
) -> None:
    """Heat of refreshments and the error of large steps included."""
    engine = MoleculeEngine(waters(forcefield, platform), cvs)
    more = {"dt": dt, "friction": 20.0, "refresh": 2}
    schedule = schedule_of(G, 24 // stride, stride, **more)
    for seed in range(70, 73):
        done, x, work = both(engine, cvs, schedule, seed)
        assert done.broken == 0
        ends = done.walkers.positions.reshape(-1, 3)
        # 5e-7: lengths of rigid waters are rounded to single precision by OpenMM
        assert np.abs(ends - x).max() < (5e-5 if platform == "CPU" else 5e-7)
        assert abs(done.work[0] - work) < CLOSE[platform]
        assert abs(work) > 10 * CLOSE[platform]


def test_sites_that_stay_behind_book_another_work(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MoleculeEngine(waters("tip4pew.xml"), OXYGENS_4)
    path, sites = engine._path, np.flatnonzero(engine.system.masses[::3] == 0)
    first = engine.system.initial().positions.reshape(-1, 3)
    asked = path.energy_and_forces

    def stale(energy: bool = True) -> tuple[float, Array]:
        x, v = path.positions(), path.velocities()
        x[sites] = first[sites]
        path.context.setPositions(x)
        path.context.setVelocities(v)
        return asked(energy)

    monkeypatch.setattr(path, "energy_and_forces", stale)
    schedule = schedule_of(G, 24, 1, dt=0.002)
    done, _, work = both(engine, OXYGENS_4, schedule, 74)
    assert abs(done.work[0] - work) > 0.05


class Preset:
    """A generator of normals that are known beforehand."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def standard_normal(self, shape: tuple[int, ...]) -> Array:
        return self._values.reshape(shape).copy()


@pytest.mark.parametrize(("forcefield", "cvs"), CASES)
@pytest.mark.parametrize("dt", [0.002, 0.006])
def test_a_path_of_rigid_waters_is_reversible(forcefield: str, cvs: CVSet, dt: float) -> None:
    engine = MoleculeEngine(waters(forcefield), cvs)
    system = engine.system
    start = system.initial()
    there = cvs(start.positions)
    schedule = schedule_of(G, 30, 1, dt=dt)
    engine._rng = np.random.default_rng(75)
    out = engine.switch(start, there, there + 0.06, schedule)
    unit = np.sqrt(np.where(system.masses > 0, system.kT / np.maximum(system.masses, 1e-9), 1.0))
    v = engine._path.velocities().reshape(-1) / unit
    engine._rng = cast(np.random.Generator, Preset(-v))
    back = engine.switch(out.walkers, there + 0.06, there, schedule)
    assert np.abs(back.walkers.positions - start.positions).max() < 1e-5
    assert abs(out.work[0] + back.work[0]) < 1e-3


def solute_in_waters(forcefield: str) -> OpenMMSystem:
    """The first water is free to change its shape; its site, if it has one, hangs on it."""
    base = waters(forcefield)
    model = mm.XmlSerializer.clone(base.openmm_system)
    for k in reversed(range(model.getNumConstraints())):
        if model.getConstraintParameters(k)[0] < 3:
            model.removeConstraint(k)
    x = base.initial().positions.reshape(-1, 3)
    free = Molecule(base.topology, base.openmm_topology, model, x, None)
    return OpenMMSystem(free, 300.0, 0.001, 1.0, "Reference")


@pytest.mark.parametrize(("forcefield", "cvs"), CASES)
@pytest.mark.parametrize("steps", [0, 30])
def test_a_solute_takes_its_sites_along(
    forcefield: str, cvs: CVSet, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work of a jump is that of the energies outside; a path and its reverse cancel."""
    system = solute_in_waters(forcefield)
    outside, atoms, route = Outside(system), np.arange(3), Route(steps, 0.002, 0.0, 1.0)
    driver = MoleculeDriver(system, cvs, atoms, route)
    start = system.initial()
    x = start.positions.reshape(-1, 3)
    stop = x[None, atoms] + np.array([0.02, -0.03, 0.01])
    there = driver.drive(start, stop, np.random.default_rng(77))
    ends = there.walkers.positions.reshape(-1, 3)
    assert np.abs(outside.sited(ends) - ends).max() < 1e-9
    unit = np.sqrt(system.kT / np.where(driver._mass > 0, driver._mass, 1.0))
    v = driver._path.velocities() / unit
    back = driver.drive(there.walkers, x[None, atoms], cast(np.random.Generator, Preset(-v)))
    assert abs(there.work[0] + back.work[0]) < 1e-9
    assert np.abs(back.walkers.positions - start.positions).max() < 1e-9
    if steps:
        return
    change = outside.energy_and_force(ends)[0] - outside.energy_and_force(x)[0]
    assert abs(there.work[0] - change) < 1e-9
    # the twin: sites stay where they were
    monkeypatch.setattr(driver._path, "place", driver._path.context.setPositions)
    stale = driver.drive(start, stop, np.random.default_rng(77)).work[0]
    assert (abs(stale - change) > 0.05) == system.has_sites


def test_sites_of_a_walker_are_put_in_their_places() -> None:
    """Whatever a walker says of them: energies are functions of the other atoms."""
    system = waters("tip4pew.xml")
    start = system.initial()
    x = start.positions.reshape(-1, 3).copy()
    sites = np.flatnonzero(system.masses[::3] == 0)
    x[sites] += 0.05
    stray = Walkers(x.reshape(1, -1))
    right = system.energy(start)[0]
    assert system.energy(stray)[0] == pytest.approx(right, abs=1e-9)
    engine = system.context(False, OXYGENS_4)
    engine.load(stray)
    assert engine.potential_energy() == pytest.approx(right, abs=1e-9)
    assert engine.energy_and_force_at(x)[0] == pytest.approx(right, abs=1e-9)
    # what OpenMM makes of them by itself
    engine.context.setPositions(x)
    assert abs(engine.potential_energy() - right) > 1.0
