"""Readings on the way of a path: at the same places as its reverse, and with the work so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alanine_molecule import molecule
from exact_cv_systems import BASIC, CASES, SYSTEMS, VARIANTS, A, B
from paths_of_levels import SPRINGS, schedule_of

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.batched import ArrayEngine, Potential
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.switching.constrained_schemes import switch
from msgen.actors.kernels.switching.level_sets import level_sets
from msgen.actors.kernels.switching.path_readings import waypoint_levels
from msgen.orchestrator.estimators.histogram import Grid, block_sums
from msgen.orchestrator.estimators.works.bidirectional import Readings, log_weights, profile
from msgen.orchestrator.estimators.works.network import PairWorks, solve_network
from msgen.orchestrator.estimators.works.reading_density import Fine, Reach
from msgen.systems.base import Array

SIGMAS = 4.5
N, BLOCKS = 4000, 50
GRID = Grid.regular(((1.0, 3.2),), (22,), (False,))
STATES = Partition.from_boxes({"A": {"s": A}}, ["s"], np.array([False]), rest="B")


def test_levels_are_those_of_the_reverse() -> None:
    for points in (2, 4, 8, 16):
        for last in (2, 3, 4, 5, 11, 100):
            k = waypoint_levels(np.array([last]), points)[0]
            assert len(k) == points
            assert np.array_equal(k, last - k[::-1])
            assert (k[0], k[-1]) == (0, last)
            assert (2 * k != last).all()
            assert (np.diff(k) >= 0).all()


def deviations(name: str, schedule: Schedule, twin: str = "") -> Array:
    """(F(bin) − F(first bin) − exact)/σ along the CV, from paths both ways."""
    system, parts, works = SYSTEMS[name], [], []
    for k, (here, there) in enumerate(((A, B), (B, A))):
        rng = np.random.default_rng(5 + k)
        x = system.draw(here, rng, N)
        delta = rng.uniform(*there, size=(N, 1)) - system.cvs(x)
        levels = level_sets(system.cvs, system.masses)
        end = switch(Potential(system), levels, x, delta, schedule, 1.0, system.masses, rng)
        works.append(end.work - np.log((there[1] - there[0]) / (here[1] - here[0])))
        start = np.full(N, -np.log(here[1] - here[0]))  # h is what proposes: uniform in each state
        partial = end.seen.work
        if twin == "measure":
            s0 = system.cvs(x)[:, :1]
            partial = partial - 2.0 * np.log(end.seen.xi[..., 0] / s0)
        if twin == "whole":
            partial = np.where(np.arange(partial.shape[1]) > 0, end.work[:, None], partial)
        source = np.full(N, k)
        parts.append(Readings(source, 1 - source, works[-1], end.seen.xi[..., 0], partial, start))
    block = [np.arange(N) % BLOCKS + k * BLOCKS for k in (0, 1)]
    network = solve_network(2, [PairWorks(0, 1, works[0], works[1], block[0], block[1])])
    fine = Fine.of(GRID.edges[0], False)
    inside = (fine.centres > A[0]) & (fine.centres < B[1])
    h = np.tile(np.where(inside, 1.0, 0.0), (2, 1))
    reach = Reach.of(fine, h, STATES, schedule.read_at, 1 - np.eye(2), None)
    sums, paths = np.zeros((2, 2 * BLOCKS, GRID.size)), np.zeros((2, 2 * BLOCKS))
    for k, r in enumerate(parts):
        w = np.exp(log_weights(r, network.f, np.zeros((2, 2))) - reach.log_at(r.xi))
        ids = np.repeat(block[k], r.xi.shape[1])
        label = GRID.index(r.xi.reshape(-1, 1))
        sums[k] = block_sums(label, GRID.size, ids, 2 * BLOCKS, w.reshape(-1))
        paths[k] = np.bincount(block[k], minlength=2 * BLOCKS)
    found = profile(sums, paths, network)
    s, p = system.curve((A[0], B[1]))
    exact = -np.log([p[(s >= lo) & (s < hi)].sum() for lo, hi in zip(*_ends(), strict=True)])
    out = [found.difference(3, k) for k in range(GRID.size)]
    return np.array([(v - exact[k] + exact[3]) / e for k, (v, e) in enumerate(out) if k != 3])


def _ends() -> tuple[Array, Array]:
    return GRID.edges[0][:-1], GRID.edges[0][1:]


READ = replace(BASIC, readings=8)


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_every_scheme_gives_the_profile(name: str, variant: str) -> None:
    off = deviations(name, replace(READ, **VARIANTS[variant]))
    assert np.abs(off).max() < SIGMAS


def test_twins_are_caught() -> None:
    """The volume that r² brings left out of the work so far; all of the work booked at once."""
    assert np.abs(deviations("trio", READ, "measure")).max() > 1.5 * SIGMAS
    assert np.abs(deviations("line", READ, "whole")).max() > 1.5 * SIGMAS


def test_a_molecules_readings_are_those_of_the_other_engine() -> None:
    """Without constraints both are velocity Verlet; several kicks a level, and refreshments."""
    system, cvs = molecule(constraints="None")
    slow, fast = ArrayEngine(system, cvs, Mala(0.01)), MoleculeEngine(system, cvs)
    x0 = system.initial()
    start = cvs(x0.positions)
    stop = start + np.array([[0.6, -0.5]])
    for levels, stride, refresh in ((11, 1, 2), (9, 2, 50)):
        schedule = schedule_of(
            SPRINGS, levels, stride, dt=0.0005, friction=20.0, refresh=refresh, readings=6
        )
        seen = []
        for engine in (slow, fast):
            engine.begin(np.random.default_rng(63))
            engine._rng = np.random.default_rng(64)
            seen.append(engine.switch(x0, start, stop, schedule))
            assert seen[-1].profile_work is not None
            assert abs(seen[-1].profile_work[0, -1] - seen[-1].work[0]) < 1e-9
        (a, b), (c, d) = ((s.profile_work, s.profile_xi) for s in seen)
        assert np.abs(a - c).max() < 1e-3
        assert np.abs(b - d).max() < 1e-4
        assert np.abs(np.diff(a[0])).min() > 1e-4
        more = fast.switch(x0, start, stop, replace(schedule, readings=0)).evaluations
        assert seen[1].evaluations == more + 4


def test_reading_changes_no_path() -> None:
    system = SYSTEMS["line"]
    engine = ArrayEngine(system, system.cvs, Mala(0.01))
    g = Conditional(np.array([50.0]), np.array([False]))
    for scheme in ("extended", "moving", "symmetric", "coin_flip", "asymmetric"):
        ends = []
        for points in (0, 8):
            rng = np.random.default_rng(3)
            engine.begin(rng)
            x = system.draw(A, rng, 20)
            schedule = replace(BASIC, g=g, scheme=scheme, readings=points, stride=1)
            from_ = system.cvs(x)
            walkers = system.initial().with_positions(x)
            ends.append(engine.switch(walkers, from_, from_ + 0.7, schedule))
        assert ends[0].profile_xi is None
        assert np.array_equal(ends[0].work, ends[1].work)
        assert np.array_equal(ends[0].walkers.positions, ends[1].walkers.positions)
        assert ends[0].evaluations == ends[1].evaluations
