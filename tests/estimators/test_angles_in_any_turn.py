"""Estimators take an angle in whichever turn it is told; the twin holds it for a plain number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.models.base import Space
from msgen.models.kde import build as kde
from msgen.orchestrator.estimators.diagnostics import effective_samples, split_r_hat
from msgen.orchestrator.estimators.histogram import Grid, block_sums, surface
from msgen.orchestrator.estimators.stratified import combine
from msgen.orchestrator.estimators.windows.mbar import solve_mbar
from msgen.orchestrator.estimators.windows.mixing import Mixing
from msgen.orchestrator.estimators.windows.pooling import pool
from msgen.orchestrator.estimators.windows.window_cells import WindowCells
from msgen.orchestrator.estimators.works.network import solve_network
from msgen.orchestrator.estimators.works.reading_density import Fine, Reach
from msgen.orchestrator.strategies.umbrella.windows import Windows
from msgen.systems.base import Array

N, BLOCKS, TURN = 600, 6, 2 * np.pi
BLOCK = np.repeat(np.arange(BLOCKS), N // BLOCKS)


def surfaces(xi: Array, flag: bool) -> Any:
    grid = Grid.regular(((-np.pi, np.pi),), (24,), (flag,))
    found = surface(grid, xi, BLOCK, BLOCKS)
    return found.f, found.stderr


def stratified(xi: Array, flag: bool) -> Any:
    grid = Grid.regular(((-np.pi, np.pi),), (24,), (flag,))
    sums = block_sums(grid.index(xi), grid.size, BLOCK, BLOCKS)[None]
    return combine(sums, solve_network(1, [])).surface(grid.shape).f


def densities(xi: Array, flag: bool) -> Any:
    model = kde(Space((flag,)), kernels=40)
    model.fit(np.asarray((xi + np.pi) % TURN - np.pi), seed=3)
    return model.log_prob(xi)


def windows(flag: bool) -> Windows:
    centres = np.linspace(-np.pi, np.pi, 8, endpoint=False)[:, None]
    return Windows(centres, np.array([4.0]), np.array([flag]), ("t",))


def mbar(xi: Array, flag: bool) -> Any:
    counts = np.full(8, N // 8)
    found = solve_mbar(windows(flag).energies(xi), counts)
    return found.log_weights


def cells(xi: Array, flag: bool) -> Any:
    grid = Grid.regular(((-np.pi, np.pi),), (24,), (flag,))
    record = WindowCells.empty(1).with_samples(grid, xi, np.arange(N) % 8, BLOCK)
    return pool(record, grid, windows(flag).energies, np.ones(8)).f


def readings(xi: Array, flag: bool) -> Any:
    """The density of readings of the bidirectional profile, looked up at ξ."""
    g = Conditional(np.array([30.0]), np.array([flag]))
    fine = Fine.of(np.linspace(-np.pi, np.pi, 25), flag)
    schedule = Schedule(g, 0.02, 10.0, np.ones(1), readings=4)
    ends = np.ones((1, fine.number))
    whole = Partition.whole(np.array([flag]))
    reach = Reach.of(fine, ends, whole, schedule.read_at, np.ones((1, 1)), g)
    return reach.log_at(xi[:, 0])


def mixing(xi: Array, flag: bool) -> Any:
    rows = xi.reshape(BLOCKS, 1, -1, 1)
    found = Mixing.empty(BLOCKS, 1, ("t",), np.array([flag])).with_readings(rows)
    return found.effective(), found.judge(["w"], 1.0).r_hat


def diagnostics(xi: Array, flag: bool) -> Any:
    chains = list(xi.reshape(BLOCKS, -1))
    ess = effective_samples([c[:, None] for c in chains], [flag])
    return ess, split_r_hat(chains, periodic=flag)


def ladders(xi: Array, flag: bool) -> Any:
    axis = np.linspace(-np.pi, np.pi, 18, endpoint=False)
    g = Conditional(np.array([20.0]), np.array([flag]))
    return Ladder((axis,), np.zeros(18), 0.0, g).log_bias(xi)


def masses(xi: Array, flag: bool) -> Any:
    """Of g in a stratum: what truncation of λ₀ adds to a work."""
    states = Partition.from_boxes({"a": {"t": (-1.0, 2.0)}}, ["t"], np.array([flag]))
    g = Conditional(np.array([3.0]), np.array([flag]))
    return states.mass(xi, g, np.zeros(N, dtype=np.int64))


ESTIMATORS = (
    surfaces, stratified, densities, mbar, cells, readings, mixing, diagnostics, ladders, masses,
)  # fmt: skip


def _flat(found: Any) -> Array:
    parts = found if isinstance(found, tuple) else (found,)
    return np.concatenate([np.ravel(part) for part in parts])


def turned_by(estimator: Callable[[Array, bool], Any], flag: bool, seed: int) -> float:
    """By how much whole turns of the samples change what is estimated."""
    rng = np.random.default_rng(seed)
    xi = rng.vonmises(rng.uniform(-np.pi, np.pi), 2.0, N)[:, None]
    turns = rng.integers(-9, 10, N)[:, None]
    one, two = (_flat(estimator(x, flag)) for x in (xi, xi + TURN * turns))
    finite = np.isfinite(one)
    if one.shape != two.shape or not np.array_equal(finite, np.isfinite(two)):
        return np.inf
    return float(np.abs(one[finite] - two[finite]).max())


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
def test_whole_turns_change_nothing(estimator: Callable[[Array, bool], Any]) -> None:
    assert max(turned_by(estimator, True, seed) for seed in range(3)) < 1e-6


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
def test_twin_that_takes_an_angle_for_a_number_is_caught(
    estimator: Callable[[Array, bool], Any],
) -> None:
    assert turned_by(estimator, False, 0) > 1e-2
