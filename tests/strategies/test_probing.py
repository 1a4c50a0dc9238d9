"""Basins that no walker has met are found beside every strategy, and learnt by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driving import Drive, same

from msgen.actors.base import Segment, encode
from msgen.actors.orders.probe import ProbePayload, ProbeRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.estimators.completeness.features import Features
from msgen.orchestrator.estimators.completeness.region import Region
from msgen.orchestrator.strategies.probing import strategy as probing_strategy
from msgen.orchestrator.strategies.probing.base import Learner
from msgen.orchestrator.strategies.probing.judgement import (
    came_back,
    features_of,
    judged,
    looked_again,
    proposed,
)
from msgen.orchestrator.strategies.probing.orders import (
    LONGER,
    PATIENCE,
    again_orders,
    again_parts,
    fresh_orders,
    number,
)
from msgen.orchestrator.strategies.probing.state import (
    Basin,
    Candidate,
    ProbedState,
    Probes,
    Visits,
)
from msgen.orchestrator.strategies.probing.strategy import MOST_RETURNS, Probing, with_warnings

LOCAL = "local: {kind: hmc, steps: 3}"
STRATEGIES = {
    "local": f"strategy={{kind: local, {LOCAL}}}",
    "steered": f"strategy={{kind: steered, {LOCAL}, path: {{steps: 20}}}}",
    "chain": f"strategy={{kind: steered, stratify: off, {LOCAL}, path: {{steps: 20}}}}",
    "targeted": f"strategy={{kind: targeted, {LOCAL}}}",
    "importance": f"strategy={{kind: importance, {LOCAL}, draws: 512}}",
    "flow_mcmc": f"strategy={{kind: flow_mcmc, {LOCAL}}}",
    "parallel_tempering": f"strategy={{kind: parallel_tempering, temperatures: [1, 1.1], {LOCAL}}}",
    "umbrella": f"strategy={{kind: umbrella, seeds: neighbour, relax: 50, {LOCAL}}}",
}
# a well at y = 3 that no push along x comes to, beside those at y = 0
HIDDEN = (
    "system={kind: gaussian_mixture, scales: 0.3, means: [[-1.5, 0], [1.5, 0], [1.5, 3]]}",
    "cvs={x: {kind: coordinate, index: 0, range: [-3, 3], bins: 24}}",
    "states={left: {x: [-3, 0]}}",
    "converge.below=3 kT",
)
SMALL = "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}"


def replicas(kind: str) -> str:
    return f"replicas={4 if kind in ('umbrella', 'parallel_tempering') else 16}"


def into_production(kind: str, *more: str, most: int = 60) -> Drive:
    drive = Drive.of(
        "double_well", STRATEGIES[kind], *HIDDEN, SMALL, replicas(kind), *more, probed=True
    )
    while drive.strategy.decide(drive.state).phase != "produce":
        assert len(drive.steps) < most
        drive.step()
    return drive


def probes_of(step: Any) -> list[Any]:
    return [o for o in step.plan.orders if o.kind == "probe"]


def heights(drive: Drive) -> Any:
    return drive.problem.positions(drive.state.strategy.walkers)[:, 1]


def in_the_well(basin: Basin | Candidate) -> bool:
    """Whether a basin is the one that no walker can come to."""
    return bool(np.linalg.norm(np.median(basin.run, axis=0) - [1.5, 3.0]) < 0.6)


DEAR = ("targeted", "steered", "chain", "umbrella")
"""Whose way into production takes several CPU seconds."""
STAYING = [kind for kind in STRATEGIES if kind != "flow_mcmc"]
"""Global moves of flow_mcmc come to the well by themselves while they learn."""


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[pytest.mark.slow] if k in DEAR else []) for k in STAYING]
)
def test_a_basin_that_no_walker_met_sends_the_campaign_back_with_walkers_in_it(kind: str) -> None:
    # a barrier of 12 kT: with its own seed one of umbrella's walkers does cross it
    drive = into_production(kind, "seed=2" if kind == "umbrella" else "seed=1")
    if kind != "parallel_tempering":
        assert (np.abs(heights(drive)) < 2).all()
    for _ in range(25):
        drive.step()
        if any(in_the_well(b) for b in drive.state.probes.basins):
            break
        if drive.state.probes.waiting:
            estimate = drive.strategy.estimate(drive.state)
            assert not estimate.converged
            assert "probes ended in a basin that production never visits" in estimate.unmet[0]
    probes = drive.state.probes
    assert any(in_the_well(b) for b in probes.basins)
    assert all(b.learnt for b in probes.basins)
    # the share of the evaluations is kept
    assert probes.spent <= 0.1 * probes.of + 2000
    assert drive.strategy.decide(drive.state).phase == "adapt"
    # some of the walkers, and not all, are there now
    there = np.abs(heights(drive) - 3) < 1.5
    assert there.any()
    assert not there.all()
    # it goes on, and its state is one that comes back from the disk
    drive.step()
    told = drive.strategy.estimate(drive.state).diagnostics["probes"]
    assert told["learnt"]
    assert "learnt from them" in told["said"]


@pytest.mark.parametrize("kind", ["importance", "local"])
def test_what_the_strategy_samples_knows_nothing_of_probes(kind: str) -> None:
    """Until a basin is found: streams are bit for bit what they are without."""
    alone = Drive.of("double_well", STRATEGIES[kind], SMALL, replicas(kind)).produce(2)
    beside = Drive.of("double_well", STRATEGIES[kind], SMALL, replicas(kind), probed=True)
    for step in alone.steps:
        mine = beside.step()
        rest = [s for s in mine.segments if s.key[1] != "probe"]
        assert [s.key for s in rest] == [s.key for s in step.segments]
        for a, b in zip(rest, step.segments, strict=True):
            assert same(a.samples, b.samples)
            assert same(a.carry, b.carry)
    assert any(probes_of(step) for step in beside.steps)
    assert same(beside.state.strategy, alone.state)
    assert beside.state.probes.returns == 0
    assert beside.state.probes.made >= 4


def test_where_nothing_is_hidden_probes_find_nothing_and_the_bound_is_told() -> None:
    drive = Drive.of("double_well", STRATEGIES["parallel_tempering"], "replicas=8", probed=True)
    while drive.strategy.decide(drive.state).phase != "produce":
        drive.step()
    drive.step()
    drive.step()
    probes = drive.state.probes
    assert probes.made >= 20
    assert not probes.waiting
    assert not probes.basins
    told = drive.strategy.estimate(drive.state).diagnostics["probes"]
    assert told["unseen_bound"] == pytest.approx(1 - 0.05 ** (1 / probes.made))
    assert "catch less than" in told["said"]
    # enough were made: no more are planned
    assert number(drive.problem, replace(probes, made=1000)) == 0


def test_a_share_of_the_evaluations_and_no_more_goes_to_probes() -> None:
    problem = into_production("local").problem
    base = Probes(made=100, spent=10_000, of=100_000)
    assert number(problem, base) == 0
    assert number(problem, replace(base, of=200_000)) == 100
    tight = replace(problem, criteria=replace(problem.criteria, probes=0.06))
    assert number(tight, replace(base, of=200_000)) == 20
    none = replace(problem, criteria=replace(problem.criteria, unseen=None))
    assert number(none, replace(base, of=200_000)) == 0


# 256 modes, of which most weigh a thousandth or less
MANY = (
    "system={kind: many_well, dim: 16}",
    "cvs={a: {kind: mean_coordinate, indices: [0, 2, 4, 6, 8, 10, 12, 14], range: [-2, 2]}}",
    "states={few: {a: [-2, 1]}}",
    "model={kind: copula_flow}",
    "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 4}, global_steps: 20}",
    "replicas=32",
)


def test_modes_that_would_have_been_proposed_if_they_weighed_much_send_nobody_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of so many modes no production visits all; the twin goes back for them."""
    ended = []
    for twin in (False, True):
        if twin:
            monkeypatch.setattr(probing_strategy, "proposed", lambda probes: probes)
        drive = Drive.of("double_well", *MANY, probed=True)
        while drive.strategy.decide(drive.state).phase != "produce":
            drive.step()
        for _ in range(8):
            drive.step()
        ended.append(drive.state.probes)
    right, wrong = ended
    assert right.proposed > 20
    assert right.returns == 0
    assert wrong.returns > 0
    told = Probing.estimate(drive.strategy, replace(drive.state, probes=right))
    assert (
        "of them in basins of too little weight to be visited" in told.diagnostics["probes"]["said"]
    )


def test_what_a_frozen_model_has_not_learnt_is_a_find() -> None:
    """Its density there is too small beside the system's, whatever other weights are."""
    drive = into_production("local")
    one = Candidate(drive.state.strategy.walkers.take(np.array([0])), np.zeros((4, 2), np.float32))
    # ln Z = 2, and 30,000 proposals: a basin of 1 % with ln w = 2 + ln 100 would be met three times
    seen = Visits(proposals=3e4, log_weights=np.full(1000, 2.0, np.float32))
    assert seen.heaviest == pytest.approx(2.0 + np.log(100.0))
    light = Probes(visits=seen, waiting=(replace(one, log_weight=6.5),))
    assert proposed(light).proposed == 1
    assert not proposed(light).waiting
    for weight in (6.7, np.nan, None):
        heavy = replace(light, waiting=(replace(one, log_weight=weight),))
        assert proposed(heavy) is heavy
    few = replace(light, visits=replace(seen, log_weights=seen.log_weights[:50]))
    assert proposed(few) is few


def test_who_comes_away_in_a_thousandth_of_production_has_found_nothing() -> None:
    """m ≤ 3 τ/T: the longer production never came there, the longer has to be stayed."""
    drive = into_production("local")
    region = Region.of(
        Features(("x",), np.array([False]), 1), np.linspace(0, 1, 100, dtype=np.float32)[:, None]
    )
    assert region is not None
    walker = drive.state.strategy.walkers.take(np.array([0]))
    out, home = (np.full((8, 1), x, np.float32) for x in (3.0, 0.5))
    for spent, length, looks, stays in (
        (10_000, 500.0, 1, True), (10_000, 500.0, 0, False), (1_000_000, 500.0, 1, False),
        (1_000_000, 1500.0, 2, True),
    ):  # fmt: skip
        there = Candidate(walker, out, looks=looks, length=length)
        come_away = replace(there, run=home, moved=looks > 0)
        visited = replace(there, run=home)
        probes = Probes(visits=Visits(spent=spent), waiting=(there, come_away, visited))
        after = judged(probes, region)
        assert [one.stayed for one in after.waiting] == [stays]
        assert after.released == min(looks, 1)


def test_a_look_that_breaks_a_walker_is_no_find() -> None:
    """A blown-up simulation reads NaN, which is nowhere."""
    drive = into_production("local")
    features = features_of(drive.problem)
    walker = drive.state.strategy.walkers.take(np.array([0]))
    one = Candidate(walker, np.zeros((4, 2), np.float32), times=2)
    probes = Probes(made=10, waiting=(one, replace(one, times=1)))
    readings = np.zeros((2, 4, 2), np.float32)
    readings[0, 3] = np.nan
    ends = WalkerRows.join([walker, walker])
    record = ProbeRecord(ends, readings, np.zeros((2, 4)), ("", ""))
    segment = Segment((7, "probe", 0), carry=encode(record), evaluations=100)
    after = looked_again(features, probes, [[0, 1]], [segment])
    assert (after.made, after.broken) == (8, 2)
    (left,) = after.waiting
    assert (left.times, left.looks, left.length, left.moved) == (1, 1, 50.0, False)
    rows = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    region = Region.of(features, rows)
    assert region is not None
    # nor is one that breaks on its first way
    first = came_back(drive.problem, features, Probes(), [segment], region)
    assert (first.made, first.broken, first.waiting) == (1, 1, ())
    readings[:] = np.nan
    none = came_back(drive.problem, features, Probes(), [segment], region)
    assert (none.made, none.broken) == (0, 2)
    readings[:] = 5.0
    (away, _) = looked_again(features, probes, [[0, 1]], [segment]).waiting
    assert away.moved


def test_looks_grow_and_are_paid_from_the_share() -> None:
    problem = into_production("local").problem
    walker = WalkerRows(np.zeros((1, 2)))
    first, second = (
        Candidate(walker, np.zeros((8, 1), np.float32), looks=k, length=1000.0 * k) for k in (0, 1)
    )
    rich = Probes(spent=0, of=100_000, waiting=(first, second, first))
    assert again_parts(problem, rich) == [[0, 2], [1]]
    patience = [o.read(ProbePayload).patience for o in again_orders(problem, 3, rich, walker)]
    assert patience == [PATIENCE, PATIENCE * LONGER]
    poor = replace(rich, spent=8000)  # 2,000 are left, and the next look takes three times 1,000
    assert again_parts(problem, poor) == [[0, 2]]
    # and fresh probes leave them that much
    rich = replace(rich, made=100, spent=5000, of=130_000)
    patient = replace(rich, waiting=(first,))
    few, many = (
        sum(len(o.read(ProbePayload).ways) for o in fresh_orders(problem, 3, p, walker, 0))
        for p in (rich, patient)
    )
    assert (few, many) == (number(problem, rich, 3000.0), number(problem, rich))
    assert few < many


def test_what_the_round_has_spent_does_not_change_whom_it_looked_at() -> None:
    """The share that is left is another once the round is over."""
    drive = into_production("local")
    drive.step()
    walker = drive.state.strategy.walkers.take(np.array([0]))
    away = np.full((12, 2), 50.0, np.float32)
    one = Candidate(walker, away, looks=1, length=1000.0)
    waiting = tuple(replace(one, run=away + 10.0 * k) for k in range(40))
    # a look takes 3,000: three can be paid, and four with what the round will have added
    probes = replace(drive.state.probes, made=300, of=300_000, spent=20_900, waiting=waiting)
    visits = replace(probes.visits, spent=10_000_000)
    drive.state = replace(drive.state, probes=replace(probes, visits=visits))
    assert again_parts(drive.problem, drive.state.probes) == [[0, 1, 2]]
    assert len(probes_of(drive.step())) == 1
    # those three came to where production is
    assert [left.looks for left in drive.state.probes.waiting] == [1] * 37


def test_what_a_result_is_of_is_said_whatever_it_is() -> None:
    """A coordinate without an equilibrium, and the isomer that was begun with."""
    drive = into_production("local")
    drive.step()
    odd = replace(drive.problem, unwatched=("y",), cis=("omega ALA2-NME3",))
    wide = replace(odd, strategy={**odd.strategy, "explore": {"isomers": "include"}})
    made, inner = drive.strategy.estimate(drive.state), drive.state.strategy
    said = [
        with_warnings(problem, made, inner.states).diagnostics.get("warnings", [])
        for problem in (drive.problem, odd, wide)
    ]
    assert not said[0]
    assert [text.split(":")[0].split(" is ")[0] for text in said[1]] == ["y", "omega ALA2-NME3"]
    assert said[2] == said[1][:1]


def test_without_probes_a_campaign_is_what_it_was() -> None:
    drive = into_production("local", "converge.unseen=null")
    assert not probes_of(drive.step())
    estimate = drive.strategy.estimate(drive.state)
    assert "probes" not in estimate.diagnostics
    alone = drive.strategy.strategy.estimate(drive.state.strategy)
    assert same(estimate.diagnostics, alone.diagnostics)


def test_a_bound_that_is_asked_for_is_waited_for() -> None:
    drive = into_production("local", "converge.unseen=1 %", "converge.probes=0.1 %")
    drive.step()
    unmet = drive.strategy.estimate(drive.state).unmet
    assert any(u.startswith("basins that nobody has seen may") and "asked 1 %" in u for u in unmet)


def test_a_campaign_goes_back_so_often_and_then_only_tells() -> None:
    drive = into_production("local")
    state = drive.state
    drive.state = replace(state, probes=replace(state.probes, returns=MOST_RETURNS))
    for _ in range(4):
        drive.step()
    assert drive.state.probes.returns == MOST_RETURNS
    assert drive.strategy.decide(drive.state).phase == "produce"
    assert not drive.state.probes.basins
    estimate = drive.strategy.estimate(drive.state)
    assert "ended in a basin that production never visits, near x = 1." in estimate.unmet[0]
    assert not estimate.converged
    # another probe in it is one more, not another basin
    (basin,) = [b for b in drive.state.probes.waiting if in_the_well(b)]
    assert basin.stayed
    assert basin.times >= 1
    # and counts for the bound on what nobody has found
    told, made = estimate.diagnostics["probes"], drive.state.probes.made
    assert told["unseen_bound"] > 1 - 0.05 ** (1 / made)


class Alone:
    """A strategy from outside that cannot begin again."""

    name = "alone"

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        for method in ("start", "read", "decide", "absorb", "estimate", "replicas", "resize"):
            setattr(self, method, getattr(inner, method))


def test_a_strategy_that_cannot_learn_is_not_probed_and_that_is_told() -> None:
    drive = Drive.of("double_well", STRATEGIES["local"], replicas("local"))
    assert isinstance(drive.strategy, Learner)
    alone: Any = Alone(drive.strategy)
    assert not isinstance(alone, Learner)
    probing: Probing[Any] = Probing(drive.problem, alone)
    drive.strategy, drive.state = probing, probing.start()
    while drive.strategy.decide(drive.state).phase != "produce":
        drive.step()
    assert not probes_of(drive.step())
    told = probing.estimate(drive.state).diagnostics["probes"]
    assert told["said"].startswith("no probes: this strategy cannot learn what probes find")


def test_a_state_of_before_goes_on_with_probes() -> None:
    alone = Drive.of("double_well", STRATEGIES["local"], *HIDDEN, replicas("local")).produce(1)
    drive = Drive.of("double_well", STRATEGIES["local"], *HIDDEN, replicas("local"), probed=True)
    read = drive.strategy.read(encode(alone.state))
    assert isinstance(read, ProbedState)
    assert read.round == alone.state.round
    visits = read.probes.visits
    assert read.probes == Probes(visits=Visits(visits.rows, log_weights=visits.log_weights))
    assert (len(visits.rows), len(visits.log_weights)) == (0, 0)
    assert same(read.strategy, alone.state)
