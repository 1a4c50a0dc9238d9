"""The fast moving scheme of one distance is the general one, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from places import TESTS
from sections import build_cvs, build_system

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.engines.openmm_potential import MoleculeLandscape
from msgen.actors.kernels.switching.constrained_paths import Ends
from msgen.actors.kernels.switching.constrained_schemes import switch
from msgen.actors.kernels.switching.distance_fast_path import MovingPair
from msgen.actors.kernels.switching.level_sets import Spheres, level_sets
from msgen.systems.base import CVSet, Walkers
from msgen.systems.openmm.system import OpenMMSystem

DIMER: dict[str, Any] = {"kind": "dimer", "particles": 20, "box": 6.7, "platform": "Reference"}
POLYMER: dict[str, Any] = {"kind": "polymer", "solvent": 60, "platform": "Reference"}


def built(spec: dict[str, Any]) -> tuple[OpenMMSystem, CVSet, Walkers]:
    system = build_system(spec, TESTS)
    assert isinstance(system, OpenMMSystem)
    last = 1 if spec["kind"] == "dimer" else 8
    cvs = build_cvs({"r": {"kind": "distance", "atoms": [0, last]}}, system, TESTS)
    return system, cvs, system.initial()


def schedule(cvs: CVSet, **change: Any) -> Schedule:
    g = Conditional(np.ones(1), cvs.periodic)
    given: dict[str, Any] = {"friction": 1.0, "min_steps": 60, "scheme": "moving", **change}
    return Schedule(g, given.pop("dt", 0.005), 1.0, np.ones(1), **given)


def both(spec: dict[str, Any], delta: float, **change: Any) -> tuple[Ends, Ends]:
    """The general scheme's ends and the fast one's, with the same random numbers."""
    system, cvs, walkers = built(spec)
    land = MoleculeLandscape(system.context(False, cvs), walkers, system.kT)
    surfaces = level_sets(cvs, system.masses)
    assert isinstance(surfaces, Spheres)
    how, by = schedule(cvs, **change), np.array([[delta]])
    slow, fast = (np.random.default_rng(7) for _ in range(2))
    x, kT, masses = walkers.positions, system.kT, system.masses
    general = switch(land, surfaces, x, by, how, kT, masses, slow)
    return general, MovingPair(land, surfaces, x, by, how, kT, masses, fast).run()


@pytest.mark.parametrize(
    "change",
    [{}, {"friction": 0.0}, {"overdamped": True}, {"readings": 8, "refresh": 3}],
    ids=["refreshed", "inertial", "overdamped", "read"],
)
@pytest.mark.parametrize(("spec", "delta"), [(DIMER, 1.5), (POLYMER, 0.6)])
def test_the_same_path(spec: dict[str, Any], delta: float, change: dict[str, Any]) -> None:
    general, fast = both(spec, delta, **change)
    assert np.isfinite(general.work).all()
    # sixty steps of a fluid multiply what the last digits differ by
    np.testing.assert_allclose(fast.x, general.x, atol=1e-8)
    np.testing.assert_allclose(fast.work, general.work, atol=1e-7)
    np.testing.assert_allclose(fast.seen.xi, general.seen.xi, atol=1e-8)
    np.testing.assert_allclose(fast.seen.work, general.seen.work, atol=1e-7)
    assert fast.evaluations == general.evaluations == 61
    assert fast.failures == general.failures == 0
    assert np.isfinite(fast.seen.work).all()
    other = both(spec, delta, **{**change, "dt": 0.0051})[1]
    assert abs(other.work[0] - general.work[0]) > 1e-5, "the time step went unnoticed"


def test_the_same_failures() -> None:
    """Steps that are far too long: no point of the sphere, or another way back."""
    # from 1.2 to 0.01: a disc meets a sphere smaller than what it travels in a step
    for dt in (0.05, 0.1, 0.2):
        general, fast = both(DIMER, -1.23, dt=dt, friction=0.0)
        assert np.isinf(general.work).all()
        assert np.isinf(fast.work).all()
        assert fast.failures == general.failures
        assert fast.evaluations <= general.evaluations
        np.testing.assert_array_equal(fast.x, general.x)


def test_no_distance_is_negative() -> None:
    """From 1.8 to −0.2, past 0 between two levels: there is no such distance to be at."""
    for end in both(DIMER, -2.0, dt=1e-4, friction=0.0, min_steps=40):
        assert np.isinf(end.work).all()
        assert end.failures == 1


def test_a_path_and_its_reverse_end_where_they_began() -> None:
    """The map is an involution under v → −v: without friction the way back is the way."""
    system, cvs, walkers = built(DIMER)
    land = MoleculeLandscape(system.context(False, cvs), walkers, system.kT)
    surfaces = level_sets(cvs, system.masses)
    assert isinstance(surfaces, Spheres)
    how, by = schedule(cvs, friction=0.0), np.array([[1.0]])
    args = (how, system.kT, system.masses)
    there = MovingPair(land, surfaces, walkers.positions, by, *args, np.random.default_rng(1))
    out = there.run()
    back = MovingPair(land, surfaces, out.x, -by, *args, np.random.default_rng(2))
    back.v[:] = -there.v
    again = back.run()
    np.testing.assert_allclose(again.x, walkers.positions, atol=1e-9)
    assert again.work[0] == pytest.approx(-out.work[0], abs=1e-7)
    turned = MovingPair(land, surfaces, out.x, -by, *args, np.random.default_rng(2)).run()
    assert np.abs(turned.x - walkers.positions).max() > 1e-3, "other velocities, the same end"


def test_the_molecule_engine_takes_it() -> None:
    system, cvs, walkers = built(POLYMER)
    engine = MoleculeEngine(system, cvs)
    engine.begin(np.random.default_rng(3))
    two = walkers.take([0, 0])
    xi, by = cvs(two.positions), np.array([[0.5], [-0.2]])
    done = engine.switch(two, xi, xi + by, schedule(cvs, readings=4))
    np.testing.assert_allclose(done.xi, xi + by, atol=1e-9)
    assert done.evaluations == 2 * 61
    assert np.isfinite(done.work).all()
    assert done.work[0] != done.work[1]
