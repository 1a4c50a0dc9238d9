"""Learned dynamics stepped by hand: what is gathered and weighed, what comes next, and the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from double_well_paths import simulate
from dynamics_by_hand import Array, ByHand

from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    GeneratePayload,
)
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.allotment import allotted, goes_on
from msgen.orchestrator.strategies.dynamics.state import Verdict


@pytest.fixture(scope="module")
def true_paths() -> Array:
    return simulate(128, 16, seed=11)


def test_a_cycle_gathers_fits_generates_and_judges(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    kinds, states = [], []
    while not by.state.verdicts:
        orders = by.step()
        kinds.append({order.kind for order in orders})
        states.append(by.state)
    # 32 frames, 16 an order of 80 steps with a frame every 5
    assert kinds == [{"trajectory"}, {"trajectory"}, {"fit_trajectories"}, {"generate"}]
    assert [s.under_way.shape[1] for s in states] == [16, 0, 0, 0]
    assert by.state.gathered[0].frames.shape == (48, 32, 2)
    assert np.bincount(by.state.gathered[0].start).tolist() == [16, 16, 16]
    assert by.state.version == 0
    assert by.state.doing == "gather"
    # the next fit goes on from that version, on all there is; paths are drawn by cycle
    for _ in range(2):
        by.step()
    (fit,) = by.strategy.decide(by.state).orders
    assert fit.is_fit
    assert fit.model_version == 0
    assert fit.read(FitTrajectoriesPayload).frames.shape == (96, 32, 2)
    by.step()
    asked = [o.read(GeneratePayload) for o in by.strategy.decide(by.state).orders]
    assert [(p.first, p.number, p.cycle) for p in asked] == [(0, 64, 1), (64, 64, 1)]


def test_walkers_go_on_inside_a_cycle_and_begin_anew_after_it(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    assert by.state.walkers.velocities is None
    (first,) = by.step()
    frames = by.state.under_way
    (second,) = by.strategy.decide(by.state).orders
    p = second.read(FollowPayload)
    np.testing.assert_array_equal(p.walkers.positions, frames[:, -1])
    np.testing.assert_array_equal(p.start, first.read(FollowPayload).start)
    by.cycle()
    label = by.strategy.exact.states.assign(by.strategy.problem.positions(by.state.walkers))
    np.testing.assert_array_equal(label, by.state.start)


@pytest.mark.parametrize("weighed", [True, False])
def test_starts_spread_over_states_are_weighed_to_equilibrium(
    true_paths: Array, weighed: bool
) -> None:
    """The weighted share of frames in each state is that of equilibrium; plain counts are not."""
    by = ByHand.of(true_paths, "replicas=192")
    by.cycle()
    bench, state = by.strategy.bench, by.state
    labelled = bench.gathered(bench.simulated(state))
    data = labelled.data if weighed else replace(labelled.data, weights=())
    label = np.where(labelled.core < 0, 2, labelled.core)
    sums = data.blocks.count(label, 3, np.arange(len(label)), data.weight)
    told = sums.estimate(lambda c: c / c.sum(axis=1, keepdims=True))
    off = np.abs(told.value - bench.shares[0]) / told.stderr
    assert (off < 4).all() if weighed else (off > 10).any()


def test_half_of_the_next_trajectories_begin_where_the_model_is_worst(true_paths: Array) -> None:
    """A model whose right well lies elsewhere, and one whose left well does."""
    for wrong in (0, 1):
        paths = true_paths.copy()
        side = paths[..., 0] < -0.6 if wrong == 0 else paths[..., 0] > 0.5
        paths[..., 1] += np.where(side, 1.5, 0.0)
        by = ByHand.of(paths)
        state = by.cycle()
        verdict = state.verdicts[-1]
        assert int(np.nanargmax(verdict.regions)) == wrong
        assert np.bincount(state.start, minlength=3)[wrong] == 24 + 8
        assert len(state.start) == 48


def test_a_campaign_that_begins_in_one_well_finds_the_other_by_itself(true_paths: Array) -> None:
    """What was never seen is worst: half of the next cycle begins there, and only then F counts."""
    left = true_paths[(true_paths[:, :, 0] < -0.6).all(axis=1)]
    by = ByHand.of(left, "strategy.begin=[left]")
    assert set(by.state.start.tolist()) == {0}
    state = by.cycle()
    first = state.verdicts[0]
    assert not np.isfinite(first.difference)  # left alone is not at equilibrium
    assert np.isnan(first.regions[1])
    assert np.isfinite(first.regions[0])
    assert np.bincount(state.start, minlength=3).tolist() == [8, 24 + 8, 8]
    assert np.isfinite(by.cycle().verdicts[1].difference)
    # by default all states are begun in
    assert set(ByHand.of(left).state.start.tolist()) == {0, 1, 2}


def test_broken_paths_are_left_out_and_counted(true_paths: Array) -> None:
    paths = true_paths.copy()
    paths[:32, 3] = np.nan
    by = ByHand.of(paths)
    state = by.cycle()
    assert state.verdicts[-1].broken == 0.25
    assert len(state.made[0].paths) == 96
    told = by.strategy.estimate(state).dynamics
    assert told is not None
    assert any("32 of 128 generated" in note for note in told.notes)
    # and where none is whole, nothing is judged, and it goes on
    by = ByHand.of(np.full_like(true_paths, np.nan))
    state = by.cycle()
    assert state.verdicts[-1].difference == np.inf
    assert by.strategy.estimate(state).dynamics is None
    assert "no generated trajectory is whole" in by.strategy.estimate(state).unmet[0]


def test_the_estimate_is_that_of_the_exact_run(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    exact = by.strategy.exact.estimate
    before = by.strategy.estimate(by.state)
    assert before.unmet == ("no model was judged yet",)
    state = by.cycle()
    told = by.strategy.estimate(state)
    for one in (before, told):
        assert one.states == exact.states
        np.testing.assert_array_equal(one.f_kT, exact.f_kT)
        assert not one.converged
    assert told.dynamics is not None
    assert told.dynamics.extent.here.trajectories == 128
    assert told.dynamics.extent.reference is not None
    assert told.dynamics.extent.reference.independent == 48
    assert told.diagnostics["dynamics"]["gathered_frames"] == 48 * 32
    by.step()
    assert by.strategy.estimate(by.state).dynamics is None  # told once


def test_it_ends_when_nothing_improves_or_cycles_are_spent(true_paths: Array) -> None:
    by = ByHand.of(true_paths, "strategy.cycles=9")
    while by.state.phase == "produce":
        by.step()
    # true paths cannot become better; one improvement by chance may delay the end
    assert by.state.phase == "done"
    assert 3 <= len(by.state.verdicts) < 9
    assert by.strategy.decide(by.state).phase == "done"
    assert by.state.just_judged
    untold = replace(by.state, made=())  # the judgement is dear, and told of elsewhere
    assert "no longer improves" in by.strategy.estimate(untold).unmet[0]
    by = ByHand.of(true_paths, "strategy.cycles=1")
    assert by.cycle().phase == "exhausted"
    assert by.state.just_judged
    untold = replace(by.state, made=())
    assert "improved still" in by.strategy.estimate(untold).unmet[0]


def verdicts(*pairs: tuple[float, float]) -> list[Verdict]:
    return [Verdict(1, 0.0, value, stderr, np.zeros(3)) for value, stderr in pairs]


def test_an_improvement_counts_beyond_its_error() -> None:
    inf, nan = np.inf, np.nan
    assert goes_on(verdicts((1.0, 0.1), (1.0, 0.1)))
    assert not goes_on(verdicts((1.0, 0.1), (1.0, 0.1), (0.9, 0.1)))
    assert goes_on(verdicts((1.0, 0.1), (1.0, 0.1), (0.8, 0.1)))
    assert goes_on(verdicts((1.0, 0.1), (0.8, 0.1), (0.9, 0.1)))
    # against the best of all before, not the last
    assert not goes_on(verdicts((0.5, 0.1), (1.0, 0.1), (0.8, 0.1)))
    # the first that can be told of is an improvement
    assert goes_on(verdicts((inf, nan), (inf, nan), (2.0, nan)))
    assert not goes_on(verdicts((inf, nan), (inf, nan), (inf, nan)))


def test_starts_are_allotted_evenly_and_half_to_the_worst() -> None:
    there, nan = np.array([True, False, True, True]), np.nan
    assert allotted(10, there, None).tolist() == [4, 0, 3, 3]
    assert allotted(12, there, np.array([0.1, 9.0, 0.3, 0.2])).tolist() == [2, 0, 8, 2]
    # what is not known is looked at first
    assert allotted(12, there, np.array([0.1, 9.0, 0.3, nan])).tolist() == [2, 0, 2, 8]


def test_samples_are_resampled_by_their_weights() -> None:
    weight = np.array([1.0, 0.0, 3.0, 5.0])
    nothing: Any = None
    x = np.arange(4.0)[:, None]
    exact = Exact(nothing, np.ones(2), x, x, np.array([0, 0, 0, 1]), weight, nothing, ())
    drawn = exact.drawn(0, 400, np.random.default_rng(0))[:, 0]
    assert np.bincount(drawn.astype(int), minlength=4).tolist() == [100, 0, 300, 0]
