"""Learned dynamics at several temperatures: exact starts at each, and a model conditional on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from double_well_paths import potential, simulate
from dynamics_by_hand import Array, ByHand
from places import CONFIGS

from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    GeneratePayload,
)
from msgen.orchestrator.strategies.dynamics.warmed import warmed
from msgen.systems import build_system
from msgen.systems.errors import SpecError


@pytest.fixture(scope="module")
def true_paths() -> Array:
    return simulate(128, 16, seed=11)


def shares_at(kt: float) -> Array:
    """Of left, right and the rest, by quadrature."""
    x = np.linspace(-2.5, 2.5, 20001)
    p = np.exp(-(potential(x) - potential(x).min()) / kt)
    label = np.where(x < -0.6, 0, np.where(x >= 0.5, 1, 2))
    found = np.bincount(label, p)
    return np.asarray(found / found.sum())


@pytest.mark.parametrize("kt", [0.7, 1.5])
@pytest.mark.parametrize("warm", [True, False])
def test_starts_at_another_temperature_are_exact_there(
    true_paths: Array, kt: float, warm: bool
) -> None:
    """Their weighted frames are at equilibrium there; with the weights of the own they are not."""
    by = ByHand.of(true_paths, f"strategy.temperatures=[{kt}]", "replicas=384")
    orders = by.strategy.decide(by.state).orders
    told = [order.read(FollowPayload).temperature for order in orders]
    assert told == [None] * 3 + [kt] * 3
    by.cycle()
    bench, state = by.strategy.bench, by.state
    # samples of one temperature, weighed for another: 400 in each state
    assert np.abs(np.log(bench.shares[1] / shares_at(kt))).max() < 4 * 0.03 * np.sqrt(2)
    if not warm:
        bench = replace(bench, shares=bench.shares[[0, 0]])
    labelled = bench.gathered(bench.simulated(state, 1))
    label = np.where(labelled.core < 0, 2, labelled.core)
    sums = labelled.data.blocks.count(label, 3, np.arange(len(label)), labelled.data.weight)
    found = sums.estimate(lambda c: c / c.sum(axis=1, keepdims=True))
    # and 400 samples tell a state's factor to about 3 %
    sigma = np.hypot(found.stderr / found.value, 0.03)
    off = np.abs(np.log(found.value / shares_at(kt))) / sigma
    assert (off < 4).all() if warm else (off > 6).any()


def test_a_model_is_conditional_on_the_temperatures_that_are_gathered(true_paths: Array) -> None:
    by = ByHand.of(
        true_paths,
        "strategy.temperatures=[1.5]",
        "strategy.generate.temperature=[1.2, 1.5]",
        "replicas=96",
    )
    for _ in range(2):
        by.step()
    (fit,) = by.strategy.decide(by.state).orders
    payload = fit.read(FitTrajectoriesPayload)
    assert payload.conditions is not None
    assert np.unique(payload.conditions, return_counts=True)[1].tolist() == [48, 48]
    for part in (payload.weights[:48], payload.weights[48:]):
        assert part.mean() == pytest.approx(1.0)
    by.step()
    asked = [order.read(GeneratePayload) for order in by.strategy.decide(by.state).orders]
    told = [(p.task, p.first, float(p.conditions[0, 0])) for p in asked if p.conditions is not None]
    assert told == [
        (0, 0, 1.0), (0, 64, 1.0), (1, 128, 1.2), (1, 192, 1.2), (2, 256, 1.5), (2, 320, 1.5),
    ]  # fmt: skip
    by.step()
    between, gathered = by.strategy.bench.asked_for(by.state, by.strategy.asking)
    assert (between.what, gathered.what) == ("at kT = 1.2", "at kT = 1.5")
    assert between.extent is not None
    assert between.extent.reference is None
    assert between.notes == ("the simulator made none under this condition",)
    assert gathered.surfaces[0].difference is not None
    assert gathered.extent is not None
    assert gathered.extent.reference is not None
    assert gathered.extent.reference.trajectories == 48
    # free ones are told beside those at the own temperature alone
    assert len(by.strategy.bench.simulated(by.state).frames) == 48
    assert by.state.verdicts[-1].frames == 96 * 32


def test_a_temperature_without_ground_is_refused() -> None:
    by = ByHand.of(np.zeros((1, 16, 2)))
    problem, exact = by.strategy.problem, by.strategy.exact
    system = build_system({"kind": "double_well", "kT": 1.0}, CONFIGS)
    assert problem.kT == system.kT
    with pytest.raises(SpecError, match="of its samples carry"):
        warmed(exact, system, 1.0, [0.02])
