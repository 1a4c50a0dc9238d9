"""A switching path run backwards returns to where it began, and its work changes sign.

Friction is zero; a generator that hands out the reversed last velocities starts the way back. The
same function catches a protocol that begins with a perturbation and ends with propagation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from alanine_molecule import molecule
from paths_of_levels import SPRINGS, schedule_of
from steering import CVS, LINEAR, WELL, LambdaFirst

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.mala import Mala
from msgen.systems.base import Array, Walkers
from msgen.systems.potentials.two_dimensional import DoubleWell

LENGTHS = [(3, 1), (8, 1), (7, 3), (2, 5)]
"""Levels of λ and kicks at each."""
Trip = Callable[[Schedule], tuple[float, float]]


class Preset:
    """A generator of normals that are known beforehand."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def standard_normal(self, shape: tuple[int, ...]) -> Array:
        return self._values.reshape(shape).copy()


class Watched(ArrayEngine):
    """Keeps the positions and forces of a path, to know its last velocities and its places."""

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        self.seen: list[tuple[Array, Array]] = []
        return super().switch(walkers, start, stop, schedule)

    def _forces(self, g: Conditional, x: Array, lam: Array) -> tuple[Array, Array, Array]:
        out = super()._forces(g, x, lam)
        self.seen.append((x.copy(), out[1]))
        return out


class WatchedLambdaFirst(Watched, LambdaFirst):
    """The wrong twin, watched."""


def array_trip(engine: Watched) -> Trip:
    """How far a path and its reverse are from cancelling: in positions, and in work."""

    def trip(schedule: Schedule) -> tuple[float, float]:
        x0, start, stop = Walkers(np.array([[-0.9, 0.2]])), np.array([[-1.1]]), np.array([[0.7]])
        engine.begin(np.random.default_rng(61))
        there = engine.switch(x0, start, stop, schedule)
        (before, _), (after, force) = engine.seen[-2:]
        v = (after - before) / schedule.dt + 0.5 * schedule.dt * force
        engine.begin(cast(np.random.Generator, Preset(-v)))
        back = engine.switch(there.walkers, stop, start, schedule)
        miss = np.abs(back.walkers.positions - x0.positions).max()
        return float(miss), float(abs(there.work[0] + back.work[0]))

    return trip


@pytest.mark.parametrize(("levels", "stride"), LENGTHS)
def test_an_analytic_path_is_reversible(levels: int, stride: int) -> None:
    schedule = schedule_of(WELL.schedule.g, levels, stride)
    miss, work = array_trip(Watched(WELL.system, CVS, Mala(0.01)))(schedule)
    assert miss < 1e-10
    assert work < 1e-9
    miss, work = array_trip(WatchedLambdaFirst(WELL.system, CVS, Mala(0.01)))(schedule)
    assert miss > 1e-3
    assert work > 1e-3


# molecules


@pytest.fixture(scope="module", params=["Reference", "CPU"])
def constrained(request: pytest.FixtureRequest) -> MoleculeEngine:
    return MoleculeEngine(*molecule(platform=request.param))


def molecule_trip(engine: MoleculeEngine) -> Trip:
    """As `array_trip`."""

    def trip(schedule: Schedule) -> tuple[float, float]:
        x0 = engine.system.initial()
        start = engine.cvs(x0.positions)
        stop = start + np.array([[0.5, -0.4]])
        engine._rng = np.random.default_rng(62)
        there = engine.switch(x0, start, stop, schedule)
        unit = np.sqrt(engine.system.kT / engine.system.masses)
        v = engine._path.velocities().reshape(-1) / unit
        engine._rng = cast(np.random.Generator, Preset(-v))
        back = engine.switch(there.walkers, stop, start, schedule)
        miss = np.abs(back.walkers.positions - x0.positions).max()
        return float(miss), float(abs(there.work[0] + back.work[0]))

    return trip


@pytest.mark.parametrize(("levels", "stride"), LENGTHS)
def test_a_path_of_a_constrained_molecule_is_reversible(
    constrained: MoleculeEngine, levels: int, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = schedule_of(SPRINGS, levels, stride, dt=0.002)
    miss, work = molecule_trip(constrained)(schedule)
    assert miss < 1e-6
    assert work < 1e-3
    drive = constrained._drive

    def lambda_first(start: Array, delta: Array, n: int, schedule: Schedule) -> float:
        xi, first = constrained._path.cvs(), start + delta / n
        jump = schedule.g.energy(first, xi) - schedule.g.energy(start, xi)
        return drive(first, delta - delta / n, n, schedule) + float(jump)

    monkeypatch.setattr(constrained, "_drive", lambda_first)
    miss, work = molecule_trip(constrained)(schedule)
    assert miss > 1e-4
    assert work > 1e-2


def test_a_molecules_path_is_that_of_the_other_engine() -> None:
    """Without constraints both are velocity Verlet: the same normals, the same path and work."""
    system, cvs = molecule(constraints="None")
    slow, fast = ArrayEngine(system, cvs, Mala(0.01)), MoleculeEngine(system, cvs)
    x0 = system.initial()
    start = cvs(x0.positions)
    stop = start + np.array([[0.6, -0.5]])
    # at an odd number of levels both refresh at the same places
    schedule = schedule_of(SPRINGS, 11, 1, dt=0.0005, friction=20.0, refresh=2)
    ends = []
    for engine in (slow, fast):
        engine.begin(np.random.default_rng(63))
        engine._rng = np.random.default_rng(64)
        ends.append(engine.switch(x0, start, stop, schedule))
    assert np.abs(ends[0].walkers.positions - ends[1].walkers.positions).max() < 1e-6
    assert abs(ends[0].work[0] - ends[1].work[0]) < 1e-3
    assert np.abs(ends[0].xi - ends[1].xi).max() < 1e-4


# where velocities are refreshed


def mirrored(places: list[int], last: int) -> bool:
    return sorted(last - k for k in places) == sorted(places)


class Clock:
    """A generator that notes at which kick of the path it was asked."""

    def __init__(self, engine: Watched) -> None:
        self._engine, self._rng = engine, np.random.default_rng(65)
        self.places: list[int] = []

    def standard_normal(self, shape: tuple[int, ...]) -> Array:
        if self._engine.seen:
            self.places.append(len(self._engine.seen) - 1)
        return self._rng.standard_normal(shape)


REFRESHED = [(2, 1, 1), (9, 1, 2), (10, 1, 3), (11, 4, 2), (12, 3, 1), (20, 2, 5)]


@pytest.mark.parametrize(("levels", "stride", "refresh"), REFRESHED)
@pytest.mark.parametrize("overdamped", [False, True])
def test_an_analytic_path_is_refreshed_at_places_that_read_the_same_backwards(
    levels: int, stride: int, refresh: int, overdamped: bool
) -> None:
    engine = Watched(WELL.system, CVS, Mala(0.01))
    clock = Clock(engine)
    engine.begin(cast(np.random.Generator, clock))
    g = Conditional(np.array([20.0]), LINEAR)
    schedule = schedule_of(g, levels, stride, refresh=refresh, friction=1.0, overdamped=overdamped)
    engine.switch(Walkers(np.array([[-1.0, 0.0]])), -np.ones((1, 1)), np.ones((1, 1)), schedule)
    last = len(engine.seen) - 1
    assert last == (levels - 1) * stride + 1
    assert mirrored(clock.places, last)
    assert clock.places or refresh * stride >= last / 2 or levels == 2
    from_the_start = [k for k in range(1, last) if k % 4 == 0]
    assert mirrored(from_the_start, last) == (last % 4 == 0 or last < 4)


@pytest.mark.parametrize(("levels", "stride", "refresh"), REFRESHED)
def test_so_is_a_molecules(
    constrained: MoleculeEngine,
    levels: int,
    stride: int,
    refresh: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken, places = 0, []

    class Counting:
        """The path's integrator, counting its steps."""

        def __init__(self, integrator: Any) -> None:
            self.setStepSize, self._step = integrator.setStepSize, integrator.step

        def step(self, n: int) -> None:
            nonlocal taken
            taken += n
            self._step(n)

    def refreshed(damping: float, half: float) -> float:
        places.append(taken)
        return 0.0

    monkeypatch.setattr(constrained._path, "integrator", Counting(constrained._path.integrator))
    monkeypatch.setattr(constrained, "_refresh", refreshed)
    constrained._rng = np.random.default_rng(66)
    x0 = constrained.system.initial()
    start = constrained.cvs(x0.positions)
    schedule = schedule_of(SPRINGS, levels, stride, refresh=refresh, friction=1.0, dt=0.001)
    done = constrained.switch(x0, start, start + 0.1, schedule)
    assert done.broken == 0
    assert taken == (levels - 1) * stride + 1
    assert mirrored(places, taken)
    assert places or 2 * refresh >= levels


def test_a_path_that_breaks_is_infinite_work_and_leaves_its_walker() -> None:
    class Cliff(DoubleWell):
        def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
            u, g = super().value_and_gradient(x)
            return u, np.where(x[:, :1] > 0.3, np.nan, g)

    engine = ArrayEngine(Cliff(), CVS, Mala(0.01))
    engine.begin(np.random.default_rng(68))
    x0 = Walkers(np.array([[-1.0, 0.0], [-1.0, 0.1]]))
    start, stop = -np.ones((2, 1)), np.array([[0.9], [-1.1]])
    done = engine.switch(x0, start, stop, schedule_of(WELL.schedule.g, 60, 1))
    assert np.isinf(done.work).tolist() == [True, False]
    assert done.broken == 1
    assert np.array_equal(done.walkers.positions[0], x0.positions[0])
    assert np.isfinite(done.walkers.positions).all()


def test_a_molecules_path_that_breaks_is_infinite_work(constrained: MoleculeEngine) -> None:
    constrained._rng = np.random.default_rng(69)
    x0 = constrained.system.initial()
    start = constrained.cvs(x0.positions)
    done = constrained.switch(x0, start, start + 0.3, schedule_of(SPRINGS, 60, 1, dt=0.05))
    assert np.isposinf(done.work).all()
    assert done.broken == 1
    assert np.array_equal(done.walkers.positions, x0.positions)
    again = constrained.switch(x0, start, start + 0.3, schedule_of(SPRINGS, 60, 1, dt=0.002))
    assert np.isfinite(again.work).all()
