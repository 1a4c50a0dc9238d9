"""Hot runs in the loop of learned dynamics: the model has them, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving import same
from places import CONFIGS
from steps_by_hand import BUTANE, StepsByHand

from msgen.actors.orders.hot import HotPayload
from msgen.actors.orders.steps import FitStepsPayload
from msgen.models.base import Array
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.schema.problems import dotted
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Gathered
from msgen.orchestrator.validate import load_campaign

HOT = "strategy.hot={runs: 10, temperature: 900 K, heat: 60, relax: 20, frames: 5}"


@pytest.fixture(scope="module")
def made() -> Array:
    rng = np.random.default_rng(4)
    start = rng.choice([np.pi, 1.1, -1.1], (64, 1, 1), p=[0.6, 0.2, 0.2])
    return np.asarray(start + 0.1 * rng.standard_normal((64, 8, 1)))


@pytest.fixture(scope="module")
def by(made: Array) -> StepsByHand:
    """After one cycle."""
    by = StepsByHand.of(made, HOT)
    by.cycle()
    return by


def test_they_go_along_with_the_first_orders_of_a_cycle_and_are_learnt(made: Array) -> None:
    by = StepsByHand.of(made, HOT)
    kinds, orders = [], by.step()
    hot = [order.read(HotPayload) for order in orders if order.kind == "hot"]
    assert [p.ways for p in hot] == [("heat",), ("torsions",)] * 5
    assert {(p.tau, p.steps, p.frames) for p in hot} == {(3.0, 5, 5)}
    label = by.strategy.exact.states.assign(by.cvs(
        np.concatenate([p.walkers.positions for p in hot if p.walkers.positions is not None])
    ))  # fmt: skip
    assert np.bincount(label).tolist() == [3, 3, 2, 2]
    assert by.state.hot is not None
    while by.state.doing == "gather":
        kinds.append({order.kind for order in by.step()})
    assert kinds == [{"trajectory"}]
    (fit,) = by.strategy.decide(by.state).orders
    p = fit.read(FitStepsPayload).own
    assert p is not None
    assert p.hot is not None
    assert (p.frames.shape, p.hot.shape) == ((16, 8, 4, 3), (10, 5, 4, 3))
    assert (len(p.weights), p.hot_conditions) == (16, None)
    assert by.state.hot is None
    # the next cycle makes others, and both are learnt
    by.cycle()
    by.step()
    by.step()
    (fit,) = by.strategy.decide(by.state).orders
    own = fit.read(FitStepsPayload).own
    assert own is not None
    both = own.hot
    assert both is not None
    assert both.shape[0] == 20
    assert not np.array_equal(both[:10], both[10:])


def pooled(state: DynamicsState, cvs: Array, structures: Array) -> DynamicsState:
    """The twin: hot runs among the trajectories, as if they had begun at equilibrium."""
    more = Gathered(cvs, np.zeros(len(cvs), int), np.zeros(len(cvs), int), structures)
    return replace(state, gathered=(*state.gathered, more))


def test_no_estimate_and_no_judgement_has_them(by: StepsByHand, made: Array) -> None:
    """A campaign without any tells the same to the last bit; one that pools them does not."""
    without = StepsByHand.of(made)
    plain = without.cycle()
    ours, theirs = by.strategy.estimate(by.state), without.strategy.estimate(plain)
    assert ours.dynamics is not None
    assert same(ours.dynamics, theirs.dynamics)
    assert same(by.state.verdicts, plain.verdicts)
    assert by.state.gathered[0].hot is not None
    one = replace(by.state.gathered[0], hot=None)
    assert same(one, plain.gathered[0])
    assert ours.diagnostics["dynamics"]["hot_frames"] == 10 * 5
    assert "hot_frames" not in theirs.diagnostics["dynamics"]
    twin = pooled(plain, np.full((6, 8, 1), 2.0), np.zeros((6, 8, 4, 3)))
    judged = by.strategy.bench.verdict(twin, twin.made[0])
    assert not same(judged, plain.verdicts[0])


def test_windows_of_bonds_are_those_of_the_trajectories(by: StepsByHand) -> None:
    stepping = by.strategy.stepping
    assert stepping is not None
    state = replace(by.state, round=9)
    far = tuple(replace(g, hot=np.full((2, 5, 4, 3), 7.0)) for g in state.gathered)
    ours, theirs = (stepping.orders(s, np.ones(16)) for s in (state, replace(state, gathered=far)))
    assert same([o.payload for o in ours], [o.payload for o in theirs])


def test_at_several_temperatures_they_are_at_the_system_s_own(made: Array) -> None:
    by = StepsByHand.of(made, HOT, "strategy.temperatures=[310 K]", "replicas=32")
    while by.state.doing == "gather":
        by.step()
    (fit,) = by.strategy.decide(by.state).orders
    p = fit.read(FitStepsPayload).own
    assert p is not None
    assert p.hot_conditions is not None
    assert p.hot_conditions.tolist() == [[300.0]]
    assert p.conditions is not None
    assert set(p.conditions[:, 0].tolist()) == {300.0, 310.0}


@pytest.mark.parametrize(
    ("file", "sets", "where", "what"),
    [
        ("butane", ("strategy.hot={temperature: 250 K}",), "strategy.hot.temperature", "no more"),
        ("butane", ("strategy.hot={temperature: 2 nm}",), "strategy.hot.temperature", "nm"),
        ("butane", ("strategy.hot={frames: 1}",), "strategy.hot.frames", "greater than or equal"),
        (
            "butane",
            ("strategy.hot={frames: 2}", "model.past=2"),
            "strategy.hot.frames",
            "no step that is drawn by 2",
        ),
        ("well", ("strategy.hot={}",), "strategy.hot", "trains models of steps alone"),
    ],
)
def test_what_is_wrong_with_them_is_told(
    file: str, sets: tuple[str, ...], where: str, what: str
) -> None:
    well = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
    with pytest.raises(CampaignError) as caught:
        load_campaign(BUTANE if file == "butane" else well, sets)
    (problem,) = caught.value.problems
    assert dotted(problem.path) == where
    assert what in f"{problem.value} {problem.problem}"


def test_a_forecast_counts_them() -> None:
    plain, hot = (load_campaign(BUTANE, sets) for sets in ((), (HOT, "strategy.hot.by=torsions")))
    more = hot.strategy.stretch(hot) - plain.strategy.stretch(plain)
    assert more == 10 * (20 + 5 * 1000)
    assert f"{more:,} of hot runs" in hot.strategy.round_in_words(hot)
