"""Surfaces over some of the CVs: the sums of a grid of all, without that grid."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from coverage_cases.chains import problem as of_one

from msgen.actors.base import Segment, decode, encode
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.marginals import Marginal, widest
from msgen.orchestrator.strategies.common.finding_states import states_in
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.projection import Drawn, projected
from msgen.orchestrator.strategies.common.second_look import look_again
from msgen.orchestrator.strategies.metadynamics.strategy import (
    SETTLE,
    Metadynamics,
    MetadynamicsState,
)

REPLICAS, ROUNDS, EACH = 6, 5, 200
NAMES = ("a", "b", "c")
LINEAR = np.zeros(3, dtype=bool)
STATES = Partition.from_boxes({"left": {"a": (-9.0, 0.0)}}, NAMES, LINEAR)
SURFACES = ((0,), (2,), (2, 0))


def problem(surfaces: tuple[tuple[int, ...], ...] = ()) -> Problem:
    """Three CVs on 8 · 7 · 6 bins."""
    grid = Grid.regular(((-4.0, 4.0),) * 3, (8, 7, 6), (False,) * 3)
    made = of_one(Criteria(), REPLICAS)
    return replace(made, names=NAMES, grid=grid, boxes=None, surfaces=surfaces)


@cache
def rounds(seed: int = 1) -> tuple[tuple[Segment, ...], ...]:
    """Readings of N(0, 1) under a bias that is weighed back; nothing leaves the range."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(ROUNDS):
        made = []
        for replica in range(REPLICAS):
            xi = np.clip(1.2 * rng.standard_normal((EACH, 3)), -3.9, 3.9)
            samples = {"cvs": xi, "replica": np.full(EACH, float(replica))}
            made.append(
                Segment((0, "sample", replica), {**samples, "log_bias": 0.2 * xi[:, 1] ** 2})
            )
        out.append(tuple(made))
    return tuple(out)


def gathered(made: Problem) -> Production:
    production = Production.start(made, np.zeros(REPLICAS, dtype=np.int64), len(STATES))
    for segments in rounds():
        production = production.with_round(made, STATES, segments)
    return production


def estimate(made: Problem) -> Estimate:
    return gathered(made).estimate(made, STATES, False, {}, {})


def test_they_are_the_sums_over_a_grid_of_all_cvs() -> None:
    whole, apart = gathered(problem()), gathered(problem(SURFACES))
    grid = whole.bins.reshape(-1, 8, 7, 6)
    wanted = [grid.sum((2, 3)), grid.sum((1, 2)), np.swapaxes(grid.sum(2), 1, 2)]
    flat = np.hstack([w.reshape(len(w), -1) for w in wanted])
    np.testing.assert_allclose(apart.bins, flat, rtol=1e-12)
    # those of the axes in the other order are other sums
    assert not np.allclose(apart.bins[:, 14:], grid.sum(2).reshape(len(grid), -1))
    np.testing.assert_array_equal(apart.states, whole.states)


def test_free_energies_and_errors_are_those_of_a_grid_of_that_surface_alone() -> None:
    told = estimate(problem(SURFACES))
    assert [tuple(s.axes) for s in told.surfaces] == [("a",), ("c",), ("c", "a")]
    assert told.axes.keys() == {"a"}
    for surface, columns in zip(told.surfaces, SURFACES, strict=True):
        alone = estimate(problem((columns,)))
        np.testing.assert_allclose(surface.f_kT, alone.f_kT)
        np.testing.assert_allclose(surface.stderr_kT, alone.stderr_kT)
    assert told.states == estimate(problem()).states


def drawn() -> Drawn:
    """All samples, as they are read back from the store."""
    parts = [(n, s.samples) for n, segments in enumerate(rounds()) for s in segments]
    return Drawn(
        np.concatenate([s["cvs"] for _, s in parts]),
        np.concatenate([s["log_bias"] for _, s in parts]),
        np.concatenate([s["replica"] for _, s in parts]).astype(np.int64),
        np.concatenate([np.full(EACH, 7 + n) for n, _ in parts]),
    )


@pytest.mark.parametrize("columns", [(1,), (0, 1), (2, 1, 0)])
def test_a_surface_that_was_not_asked_for_is_as_though_it_had_been(
    columns: tuple[int, ...],
) -> None:
    """To rounding, errors by stretch of time included; without the bias it is another."""
    made = gathered(problem(SURFACES))
    assert made.apart is not None
    assert len(made.apart.sums) == ROUNDS
    told = estimate(problem((columns,)))
    marginal = Marginal.of(problem().grid, columns)
    periodic = (False,) * 3
    found = projected(made, marginal, drawn(), periodic, stratified=False)
    np.testing.assert_allclose(found.f, told.f_kT, atol=1e-12)
    np.testing.assert_allclose(found.stderr, told.stderr_kT, rtol=1e-9)
    twin = replace(drawn(), log_bias=np.zeros(ROUNDS * REPLICAS * EACH))
    other = projected(made, marginal, twin, periodic, stratified=False)
    assert np.nanmax(np.abs(other.f - told.f_kT)) > 0.1


def test_samples_of_another_production_are_told_apart() -> None:
    made, all_of_it = gathered(problem(SURFACES)), drawn()
    assert all_of_it.is_what(made, 1e-9)
    last = all_of_it.round < 7 + ROUNDS - 1
    fewer = Drawn(*(column[last] for column in vars(all_of_it).values()))
    assert not fewer.is_what(made, 1e-9)
    shifted = replace(all_of_it, log_bias=all_of_it.log_bias + 0.01)
    assert not shifted.is_what(made, 1e-6)


def test_each_is_held_to_the_criteria_by_its_name() -> None:
    strict = replace(problem(SURFACES), criteria=Criteria(surface_error=1e-3, below=3.0))
    unmet = estimate(strict).unmet
    for title in ("a", "c", "c-a"):
        assert any(u.startswith(f"surface of {title} below 3 kT: RMS error") for u in unmet)
    assert any(u.startswith("surface below") for u in estimate(replace(strict, surfaces=())).unmet)


def test_no_error_without_ground_is_told_of_any() -> None:
    told = replace(estimate(problem(SURFACES)), ungrounded=("there is none",)).told()
    assert all(np.isnan(s.stderr_kT).all() for s in told.surfaces)
    assert all(np.isfinite(s.f_kT).any() for s in told.surfaces)


def test_production_comes_back_from_a_checkpoint() -> None:
    made = gathered(problem(SURFACES))
    again = decode(Production, encode(made))
    assert again.bias is not None
    np.testing.assert_array_equal(again.bias, made.bias)
    assert gathered(problem()).bias is None


def test_the_series_weighs_back_what_the_bias_did() -> None:
    """b's second moment within 5 σ of the exact one by quadrature; without weights it is off."""
    xi, weight = gathered(problem(SURFACES)).seen(np.zeros(1))
    assert weight.sum() == pytest.approx(1.0)
    # of the readings N(0, 1.2²), weighed by e^{−0.2 b²}
    exact = 1.0 / (1.0 / 1.44 + 0.4)
    moment = float(weight @ xi[:, 1] ** 2)
    error = exact * np.sqrt(2.0 * float(np.sum(weight**2)))
    assert abs(moment - exact) < 5 * error
    assert abs(float(np.mean(xi[:, 1] ** 2)) - exact) > 5 * error


def test_a_second_look_finds_in_the_samples_what_no_grid_holds() -> None:
    rng = np.random.default_rng(4)
    fine = Grid.regular(((-4.0, 4.0),) * 3, (40,) * 3, (False,) * 3)
    made = replace(problem(SURFACES), grid=fine)
    side = np.where(rng.random((2000, 3)) < 0.5, -1.7, 1.7)
    seen = (side + 0.3 * rng.standard_normal((2000, 3)), np.full(2000, 1 / 2000))
    told = estimate(made)
    again = look_again(made, told, STATES, seen)
    assert again is not None
    assert len(again) == 8
    assert look_again(made, told, again, seen) is None
    assert look_again(made, told, STATES, None) is None


def test_a_surface_within_another_needs_no_bias_of_its_own() -> None:
    assert widest([(0,), (1,), (1, 2), (2, 1), (3,), (0, 1)]) == ((1, 2), (3,), (0, 1))


def test_bins_are_those_of_the_columns_in_their_order() -> None:
    grid = problem().grid
    xi = np.array([[-3.5, 0.0, 3.5], [3.9, 9.0, -3.9]])
    assert Marginal.of(grid, (0,)).index(xi).tolist() == [0, 7]  # b out of range matters not
    assert Marginal.of(grid, (2, 0)).index(xi).tolist() == [5 * 8, 7]
    assert grid.index(xi)[1] == -1


def test_metadynamics_finds_its_states_in_samples_weighed_back() -> None:
    """Of three CVs, one of them biased until its pass is as high as its wells; no grid is kept."""
    rng, n = np.random.default_rng(9), 400
    fine = Grid.regular(((-4.0, 4.0),) * 3, (40,) * 3, (False,) * 3)
    spec = {
        "width": {"a": 0.3},
        "height": 0.5,
        "bias_factor": 6.0,
        "local": {"kind": "langevin", "steps": 50},
    }
    made = replace(problem(SURFACES), grid=fine, strategy=spec)
    strategy = Metadynamics(made)
    state = replace(strategy.start(), growing=False)
    assert not state.density.size
    for _ in range(SETTLE):
        a = rng.uniform(-2.5, 2.5, n)  # flat under the bias
        xi = np.column_stack([a, 0.3 * rng.standard_normal((n, 2))])
        bias = 3.0 * (a**2 / 2.0 - 1.0) ** 2
        samples = {"cvs": xi, "log_bias": bias, "replica": np.zeros(n)}
        state = strategy.adapted(state, [Segment((0, "bias", 0), samples)])
        state = decode(MetadynamicsState, encode(state))
    assert state.phase == "produce"
    assert state.states is not None
    assert len(state.states) == 2
    assert [len(e) for e in state.states.edges] == [3, 2, 2]
    # without the weights a is flat, and one state
    assert len(states_in(made, np.asarray(state.settled_xi))) == 1
