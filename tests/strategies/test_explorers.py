"""Searches in which a learnt dynamics goes ahead of the walkers, stepped by hand on nine wells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driving import Drive, Step, begun, same
from one_way import ROLES, knows, learns

from msgen.actors.base import copy_tree, encode
from msgen.actors.orders.ahead import VERSIONS, AheadPayload, AheadRecord, FitAheadPayload
from msgen.actors.orders.explore import ExplorePayload
from msgen.actors.orders.trajectories import FollowPayload
from msgen.actors.worker import Worker
from msgen.orchestrator import finished_models
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.common import ahead as module
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.ahead import Ahead, drawn_far
from msgen.orchestrator.strategies.common.explorer import Explorer

SPACE = {
    name: {"kind": "coordinate", "index": i, "range": [-3.2, 3.2], "bins": 32}
    for i, name in enumerate("xy")
}
CORNER = {"corner": {"x": [1.0, 3.2], "y": [1.0, 3.2]}}
SEARCH = {"pushes": 4, "push_steps": 100, "relax_steps": 100}
GOES = {"from": "runs/learnt", "walkers": 4, "paths": 32, "rounds": 1}
NEIGHBOURS = ((2.0, 0.0), (0.0, 2.0))


def nine_wells(kind: str = "steered", seed: int = 1, **more: Any) -> Campaign:
    """Wells at −2, 0, 2 of both axes; the start is in the first."""
    explore = {**SEARCH, **more.pop("explore", {})}
    local = more.pop("local", {"kind": "hmc", "steps": 5})
    return Campaign.parse(
        {
            "name": "nine-wells",
            "seed": seed,
            "executor": "inline",
            "system": {"kind": "python", "factory": "ninefold:potential"},
            "cvs": SPACE,
            "strategy": {"kind": kind, "local": local, "explore": explore},
            "replicas": 16,
            **more,
        }
    )


def searched(
    monkeypatch: pytest.MonkeyPatch, campaign: Campaign, explorer: Explorer | None = None
) -> Drive:
    """Stepped to the end of its search."""
    monkeypatch.setattr(finished_models, "explorer_of", lambda *_: explorer)
    strategy, setup, system, cvs = begun(campaign)
    worker = Worker({**setup, "roles": ROLES})
    drive = Drive(strategy, worker, system, cvs).started()
    while drive.state.phase == "explore":
        drive.step()
    return drive


def of_steps(step: Step) -> int:
    return sum(s.evaluations for s in step.segments)


def evaluations(drive: Drive) -> int:
    return sum(of_steps(step) for step in drive.steps)


def kinds(drive: Drive) -> list[str]:
    """What each round of the search was."""
    told = {order.kind for step in drive.steps for order in step.plan.orders}
    assert told <= {"explore", "ahead", "trajectory", "fit_ahead"}
    return [step.plan.orders[0].kind for step in drive.steps]


@pytest.mark.parametrize("kind", ["steered", "flow_mcmc", "importance", "targeted"])
def test_who_knows_a_way_leads_walkers_to_a_state_that_pushes_do_not_find(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight walkers each: four pushed and four sent ahead, or all of them pushed."""

    def told(explorer: Explorer | None, **more: Any) -> tuple[tuple[str, ...], int]:
        campaign = nine_wells(kind, seed=4, states=CORNER, explore=more)
        monkeypatch.setattr(explore, "EXPLORE_ROUNDS", 1)
        drive = searched(monkeypatch, campaign, explorer)
        return drive.state.missing, evaluations(drive)

    alone, spent = told(None, pushes=8)
    led, cost = told(knows((4.0, 4.0)), explorers=GOES)
    assert alone == ("corner",)
    assert led == ()
    assert cost == spent
    # a model that knows another way does not
    astray, _ = told(knows((0.0, 2.0)), explorers=GOES)
    assert astray == ("corner",)


def test_roll_outs_begin_in_every_state_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knows the ways to the next wells only finds all nine, round by round, without a push."""
    goes = {**GOES, "walkers": 24, "paths": 64, "rounds": 9}
    campaign = nine_wells(explore={"pushes": 0, "relax_steps": 200, "explorers": goes})
    drive = searched(monkeypatch, campaign, knows(*NEIGHBOURS))
    assert len(drive.state.states) == 9
    assert not drive.state.missing
    assert kinds(drive)[:4] == ["ahead", "explore", "ahead", "explore"]
    counts = [len(module.states_of(drive.problem, s.after.pool.ahead.runs))
              for s in drive.steps if s.after.phase == "explore"]  # fmt: skip
    assert counts[0] == 1
    assert sorted(counts) == counts
    # from the start alone it would never come farther than these
    monkeypatch.setattr(module, "_begins", lambda *_: np.zeros(64, dtype=np.int64))
    twin = searched(monkeypatch, campaign, knows(*NEIGHBOURS))
    assert len(twin.state.states) < 9


def test_only_the_real_system_costs_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = nine_wells(explore={"explorers": GOES})
    drive = searched(monkeypatch, campaign, knows((2.0, 2.0)))
    assert kinds(drive) == ["explore", "ahead", "explore"]
    pushed, rolled, sent = drive.steps
    assert of_steps(rolled) == 0
    # as many walkers, each at the price of a push
    assert of_steps(sent) == of_steps(pushed)
    assert rolled.plan.models.keys() == {VERSIONS}
    assert {order.model_version for order in rolled.plan.orders} == {VERSIONS}
    assert not sent.plan.models


def test_walkers_go_from_where_their_roll_out_began(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = nine_wells(explore={"explorers": GOES})
    drive = searched(monkeypatch, campaign, knows(*NEIGHBOURS))
    _, rolled, sent = drive.steps
    (asked,) = (order.read(AheadPayload) for order in rolled.plan.orders)
    (record,) = (segment.read(AheadRecord) for segment in rolled.segments)
    (pushes,) = (order.read(ExplorePayload) for order in sent.plan.orders)
    begin, paths = asked.walkers.positions, record.paths
    assert begin is not None
    assert pushes.start is not None
    assert pushes.walkers.positions is not None
    for x, goal in zip(pushes.walkers.positions[pushes.start], pushes.targets, strict=True):
        (path,) = np.flatnonzero((paths == goal).all(axis=2).any(axis=1))
        assert np.array_equal(begin[path], x)
    # as many in every state that was known
    known = module.states_of(drive.problem, rolled.before.pool.ahead.runs)
    number = np.bincount(known.assign(begin), minlength=len(known))
    assert number.max() - number[number > 0].min() <= 1


def test_a_model_whose_roll_outs_break_sends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = nine_wells(explore={"explorers": {**GOES, "rounds": 3}})
    drive = searched(monkeypatch, campaign, knows((2.0, 2.0), whole=False))
    assert kinds(drive) == ["explore", "ahead"]


def test_the_first_round_that_shows_no_state_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    goes = {**GOES, "rounds": 4}
    unnamed = nine_wells(explore={"explorers": goes})
    drive = searched(monkeypatch, unnamed, knows((0.0, 0.0)))
    assert kinds(drive) == ["explore", "ahead", "explore"]
    # but a named one that nobody has found is looked for as often as is asked
    named = nine_wells(states=CORNER, explore={"pushes": 0, "explorers": goes})
    drive = searched(monkeypatch, named, knows((0.0, 0.0)))
    assert kinds(drive) == ["ahead", "explore"] * 4
    assert drive.state.missing == ("corner",)
    # and nobody goes ahead where all were found
    pushed = nine_wells(states=CORNER, explore={"pushes": 16, "explorers": goes})
    assert kinds(searched(monkeypatch, pushed, knows((0.0, 0.0)))) == ["explore"]


def test_without_it_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an order nor what a checkpoint holds, but for the place where it would be."""
    drive = searched(monkeypatch, nine_wells())
    (step,) = drive.steps
    (order,) = step.plan.orders
    assert order.payload.keys() == {
        "walkers", "targets", "schedule", "chunks", "steps"
    } | ({"step_size"} & order.payload.keys())  # fmt: skip
    assert "start" not in order.payload
    assert not step.plan.models
    assert encode(step.before)["pool"]["ahead"] == {}
    # and a state of before there was such a place is read
    tree = copy_tree(encode(step.before))
    del tree["pool"]["ahead"]
    assert same(drive.strategy.read(tree), step.before)


def test_a_search_learns_from_walkers_of_every_known_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Followed, fitted, rolled out, sent, and again, each time from all states and on all data."""
    goes = {"learn": {"model": {"kind": "trajectory_diffusion", "length": 8}, "frames": 12},
            "walkers": 24, "rounds": 9}  # fmt: skip
    search = {"pushes": 0, "relax_steps": 200, "explorers": goes}
    campaign = nine_wells(explore=search, local={"kind": "langevin", "steps": 20})
    drive = searched(monkeypatch, campaign, learns(8, 12))
    assert kinds(drive)[:8] == ["trajectory", "fit_ahead", "ahead", "explore"] * 2
    assert len(drive.state.states) == 9
    follows, fits, rolls = (drive.steps[k::4] for k in range(3))
    # only what is followed, from a first force on, and what relaxes are the system's own
    assert {of_steps(step) for step in follows} == {16 * (12 * drive.problem.stride + 1)}
    assert {of_steps(step) for step in (*fits, *rolls)} == {0}
    for k, (follow, fit, roll) in enumerate(zip(follows, fits, rolls, strict=True)):
        begun_in = [order.read(FollowPayload).walkers.positions for order in follow.plan.orders]
        before = follow.before.pool.ahead
        known = module.states_of(drive.problem, None if before is None else before.runs)
        (begin,) = (x for x in begun_in if x is not None)
        number = np.bincount(known.assign(begin), minlength=len(known))
        assert number.max() - number[number > 0].min() <= 1
        (order,) = fit.plan.orders
        assert len(order.read(FitAheadPayload).frames) == 16 * (k + 1)
        assert order.model_version == (VERSIONS + k - 1 if k else -1)
        ((version, model),) = roll.plan.models.items()
        assert version == VERSIONS + k
        assert model.arrays["shown"] == 16 * (k + 1)
        assert {order.model_version for order in roll.plan.orders} == {version}


def test_walkers_go_where_nobody_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rather the farther and the oftener a model goes there; not where it goes once."""
    problem = searched(monkeypatch, nine_wells()).problem
    known, rng = np.array([[0.0, 0.0]]), np.random.default_rng(5)
    near, far, once = np.full((90, 1, 2), 0.1), np.full((30, 1, 2), 2.0), np.full((1, 1, 2), 3.0)
    path, frame = drawn_far(problem, known, np.concatenate([near, far, once]), 12, rng)
    assert len(set(path)) == 12
    assert (frame == 0).all()
    assert np.count_nonzero((path >= 90) & (path < 120)) >= 10
    # what is outside the range is nowhere, and what is known is no target
    lost = np.array([[[9.0, 0.0], [np.nan, 0.0], [0.0, 0.0], [1.0, 1.0]]])
    path, frame = drawn_far(problem, known, lost, 4, rng)
    assert (path.tolist(), frame.tolist()) == ([0], [3])
    assert len(drawn_far(problem, known, lost[:, :3], 4, rng)[0]) == 0
    # of an angle the short way round: −3.1 is near 3.1, and hardly ever drawn beside 1
    grid = replace(problem.grid, periodic=(True, True), edges=tuple(
        np.linspace(-np.pi, np.pi, 33) for _ in range(2)))  # fmt: skip
    ring, both = replace(problem, grid=grid), np.array([[[3.1, 0.0]], [[1.0, 0.0]]])
    drawn = [drawn_far(ring, np.array([[-3.1, 0.0]]), both, 1, rng)[0][0] for _ in range(50)]
    assert drawn.count(1) >= 48


def test_how_far_a_search_is_comes_back_from_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = nine_wells(explore={"explorers": GOES})
    drive = searched(monkeypatch, campaign, knows((2.0, 2.0)))
    doing = [step.before.pool.ahead.doing for step in drive.steps[1:]]
    assert doing == ["roll", "send"]
    assert isinstance(drive.steps[2].before.pool.ahead, Ahead)
