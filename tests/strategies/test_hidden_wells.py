"""A well beside the CV that replicas never leave: every strategy sees it, and names it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from coverage_cases.chains import problem as of_one
from driving import Drive

from msgen.actors.base import Segment, decode, encode
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.convergence.hidden import UndrawnWalkers
from msgen.orchestrator.estimators.hidden.undrawn import Undrawn, told_apart, undrawn
from msgen.orchestrator.strategies.common.watching import (
    MOST_READINGS,
    WatchedSeries,
    with_watched,
)

LOCAL = "local: {kind: hmc, steps: 3}"
STRATEGIES = {
    "local": f"strategy={{kind: local, {LOCAL}}}",
    "steered": f"strategy={{kind: steered, {LOCAL}, path: {{steps: 20}}}}",
    "targeted": f"strategy={{kind: targeted, {LOCAL}}}",
    "importance": f"strategy={{kind: importance, {LOCAL}, draws: 512}}",
    "parallel_tempering": f"strategy={{kind: parallel_tempering, temperatures: [1, 1.1], {LOCAL}}}",
}
# four modes 3 apart with σ = 0.3: from y = −1.5 to 1.5 nothing goes by local steps
FOUR = (
    "system={kind: gaussian_mixture, scales: 0.3, "
    "means: [[-1.5, -1.5], [1.5, -1.5], [-1.5, 1.5], [1.5, 1.5]]}"
)
SMALL = (
    FOUR,
    "cvs={x: {kind: coordinate, index: 0, range: [-3, 3], bins: 24}}",
    "states={left: {x: [-3, 0]}}",
    "replicas=16",
    "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}",
    "converge.below=3 kT",
)


def estimated(kind: str, *, apart: bool, rounds: int = 5) -> Estimate:
    """After some rounds of production; `apart`: with every third walker in the wells at y = 1.5."""
    drive = Drive.of("double_well", STRATEGIES[kind], *SMALL).until("produce")
    if apart:
        x = np.array(drive.state.walkers.positions)
        x[::3, 1] += 3.0
        drive.state = replace(drive.state, walkers=replace(drive.state.walkers, positions=x))
    for _ in range(rounds):
        drive.step()
    return drive.strategy.estimate(drive.state)


def about_y(estimate: Estimate) -> list[str]:
    """Reasons that say that y is slow, or that a part of a state is not drawn."""
    said = ("y: replicas of state", "walkers in left stand", "walkers in rest stand")
    return [u for u in estimate.unmet if any(s in u for s in said) and "not known" not in u]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_hidden_well_is_named_and_where_there_is_none_nothing_is_said(kind: str) -> None:
    found = estimated(kind, apart=True)
    assert about_y(found), found.unmet
    assert found.diagnostics["hidden"]["differ"]
    assert not found.converged
    if kind == "parallel_tempering":
        # one of two coordinates alike: here y itself is as slow as x, of which nothing is twin
        return
    if kind == "importance":
        assert re.search(r"\(y is 1\.\d\d there, -1\.\d\d elsewhere\)", about_y(found)[0])
    else:
        assert re.search(r", 0\.9\d of the variance lies between them$", about_y(found)[0])
    # the twin
    good = estimated(kind, apart=False)
    assert not about_y(good)
    assert not good.diagnostics["hidden"]["differ"]


def test_replicas_know_the_start_that_they_come_from() -> None:
    drive = Drive.of("double_well", STRATEGIES["steered"], *SMALL)
    while drive.state.phase == "explore":
        pool = drive.state.pool
        drive.step()
    seeds = drive.problem.positions(drive.steps[-1].after.walkers)
    # the pool that the last exploring round was given, and what it has added
    assert len(np.unique(drive.state.descent)) > 2
    for a, b in zip(*np.triu_indices(len(seeds), k=1), strict=True):
        same = np.array_equal(seeds[a], seeds[b])
        assert same == (drive.state.descent[a] == drive.state.descent[b])
    assert len(pool.xi) <= int(drive.state.descent.max()) + 1
    drive.until("produce").step()
    drive.step()
    assert drive.state.produced.descent.tolist() == drive.state.descent.tolist()
    grown = drive.strategy.resize(drive.state, 20)
    assert len(grown.descent) == len(grown.stratum)


def test_a_state_of_before_goes_on_without_what_was_not_watched() -> None:
    """A run begun before anything was watched: it is watched from its next round on."""
    drive = Drive.of("double_well", STRATEGIES["local"], *SMALL).produce(2)
    tree = encode(drive.state)
    assert tree["produced"].pop("watched")
    before = drive.strategy.read(tree)
    assert drive.strategy.estimate(before).diagnostics["hidden"] == {}
    drive.state = before
    drive.step()
    series = drive.state.produced.watched
    assert series.readings == series.series.shape[1] > 0
    assert drive.strategy.estimate(drive.state).diagnostics["hidden"]["tests"] > 0


# what is kept


def readings(values: Any, x: Any, replica: Any) -> Segment:
    return Segment(
        (0, "sample", 0),
        samples={
            "watched": np.asarray(values, dtype=np.float32)[:, None],
            "watched_cvs": np.asarray(x, dtype=np.float32)[:, None],
            "watched_replica": np.asarray(replica, dtype=np.int32),
        },
    )


SIDES = Partition.from_boxes({"left": {"x": (-9.0, 0.0)}}, ("x",), np.zeros(1, dtype=bool))


def test_series_are_kept_by_replica_and_state_and_thinned_evenly() -> None:
    made = WatchedSeries.empty(2, 1)
    t = np.arange(100.0)
    for rnd in range(20):
        both = np.concatenate([100 * rnd + t, -(100 * rnd + t)])
        side = np.where(t % 10 < 5, -1.0, 1.0)
        segment = readings(both, np.tile(side, 2), np.repeat([0, 1], 100))
        made = made.with_round(SIDES, [segment])
    assert made.readings == 2000
    assert made.stride == 4
    assert made.series.shape[1] <= MOST_READINGS
    assert made.series[0, :, 0].tolist() == np.arange(0, 2000, 4).tolist()
    assert made.series[1, :, 0].tolist() == (-np.arange(0, 2000, 4)).tolist()
    left, rest = made.in_states(SIDES.names, None)
    assert (left.state, rest.state) == ("left", "rest")
    assert all((np.abs(c) % 10 < 5).all() for c in left.chains)
    assert len(left.chains[0]) + len(rest.chains[0]) == 500
    again = decode(WatchedSeries, encode(made))
    assert again.series.dtype == np.float32
    assert again.labels.dtype == np.int16


def test_replicas_that_rest_or_came_late_have_gaps() -> None:
    made = WatchedSeries.empty(1, 1).with_round(SIDES, [readings([1, 2], [-1, -1], [0, 0])])
    made = made.grown(3)
    segment = readings([3, 4, 5, 6], [-1, -1, 1, 1], [0, 0, 2, 2])
    made = made.with_round(SIDES, [segment], np.array([True, True, False]))
    assert made.labels.tolist() == [[0, 0, 0, 0], [-1] * 4, [-1] * 4]
    assert np.isnan(made.series[1:]).all()
    slots = WatchedSeries.empty(2, 1).with_round(SIDES, [readings([1, 2], [1, 1], [0, 4])], slots=4)
    assert slots.series[:, 0, 0].tolist() == [1.0, 2.0]


def test_series_of_what_is_no_longer_watched_begin_anew() -> None:
    """A run that was begun when a coordinate was watched that has no equilibrium."""
    problem = replace(of_one(Criteria(), 1), watched_names=("energy",))
    old = WatchedSeries.empty(1, 2)
    made = with_watched(old, problem, 1, SIDES, [readings([1, 2], [-1, 1], [0, 0])])
    assert made is not None
    assert made.series.tolist() == [[[1.0], [2.0]]]
    more = with_watched(made, problem, 1, SIDES, [readings([3], [1], [0])])
    assert more is not None
    assert more.series[0, :, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_walker_where_nothing_is_drawn_is_found_whatever_the_median() -> None:
    state, walker = np.zeros(80, dtype=np.int64), np.repeat(np.arange(8), 10)
    excess = np.where(walker == 5, 9.0, 0.2)
    assert np.median(excess) == 0.2
    found = undrawn(("left",), state, walker, excess, most=5.0)
    assert found["left"].tolist() == [5]
    assert not undrawn(("left",), state, walker, np.full(80, 0.2), most=5.0)
    # a single bad configuration is none of a walker
    assert not undrawn(("left",), state, walker, np.where(np.arange(80) == 3, 9.0, 0.2), most=5.0)


@pytest.mark.parametrize(("lifted", "said"), [(0.0, True), (6.0, False)])
def test_what_is_not_drawn_counts_if_it_could_weigh_enough(lifted: float, said: bool) -> None:
    """Walkers 6 kT up stand for e^{−6} of their state: less than an error of 0.1 kT shows."""
    rng = np.random.default_rng(1)
    y = np.where(np.arange(8) == 5, 1.0, -1.0)[:, None] + 0.1 * rng.standard_normal((8, 30))
    energy = rng.standard_normal((8, 30)) + lifted * (y > 0)
    chains = list(np.stack([y, energy], axis=2))
    one = told_apart("left", np.array([5]), chains, ("y", "energy"), np.zeros(2, dtype=bool))
    assert (one.what, one.walkers, one.of) == ("y" if not lifted else one.what, 1, 8)
    unmet = UndrawnWalkers([one]).unmet(Criteria())
    assert bool(unmet) == said
    if said:
        assert unmet[0].startswith("1 of 8 walkers in left stand where hardly anything is drawn (y")
    assert UndrawnWalkers([Undrawn("left", 2, 2, 1.0)]).unmet(Criteria())
    assert not UndrawnWalkers([one]).unmet(Criteria(hidden=None))
