"""Flow campaigns whose global moves are steps of a learnt dynamics, stepped by hand."""

from __future__ import annotations

import numpy as np
import pytest
from driving import Drive, same
from places import CONFIGS

from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.actors.orders.walk import WalkRecord
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.strategies.flow_mcmc.propagating import record_of
from msgen.orchestrator.validate import load_campaign

NAME = "examples/propagator_double_well"
QUICK = (
    "model={kind: realnvp, transforms: 2, hidden: [16], epochs: 3}",
    "strategy.local.steps=100",
    "strategy.proposal.lags=[10, 40]",
    "strategy.global_steps=2",
    "strategy.explore={pushes: 8, push_steps: 60, relax_steps: 60}",
    "replicas=8",
)


@pytest.fixture(scope="module")
def drive() -> Drive:
    return Drive.of(NAME, *QUICK).produce(1)


@pytest.mark.slow
def test_pairs_are_of_the_local_moves_a_lag_apart(drive: Drive) -> None:
    """MALA at a step of 0.002: after 10 and 40 of them a walker has diffused so far."""
    first = next(s for s in drive.steps if s.before.phase == "adapt")
    rows = np.concatenate([s.read(WalkRecord).recent for s in first.segments])
    assert rows.shape[1] == 5
    assert set(rows[:, -1].tolist()) == {10.0, 40.0}
    for lag in (10, 40):
        mine = rows[rows[:, -1] == lag]
        # y relaxes in a harmonic well of curvature 6 at mobility 1
        keep = np.exp(-6 * 0.002 * lag)
        left = mine[:, 3] - keep * mine[:, 1]
        assert left.std() == pytest.approx(np.sqrt((1 - keep**2) / 6), rel=0.1)


@pytest.mark.slow
def test_one_version_is_frozen_and_tells_its_acceptance_by_lag(drive: Drive) -> None:
    fits = [order for step in drive.steps for order in step.plan.fits]
    assert fits
    assert {fit.kind for fit in fits} == {"fit_propagator"}
    told = fits[-1].read(FitPropagatorPayload)
    assert told.lags.tolist() == [10.0, 40.0]
    last = drive.steps[-1]
    assert last.plan.phase == "produce"
    assert not last.plan.fits
    assert {s.model_version for s in last.segments} == {last.before.version}
    about = drive.strategy.estimate(drive.state).diagnostics["propagator"]
    assert set(about) == {"lag 10", "lag 40"}
    counts = drive.state.totals
    assert counts["lag_10_proposed"] + counts["lag_40_proposed"] == counts["global_proposed"]
    assert all(0.0 <= one["acceptance"] <= 1.0 for one in about.values())


@pytest.mark.slow
def test_an_order_is_the_same_whoever_does_it(drive: Drive) -> None:
    last = drive.steps[-1]
    again = drive.run(last.plan, last.plan.orders)
    assert all(same(a.samples, b.samples) for a, b in zip(again, last.segments, strict=True))


def test_readings_are_close_enough_for_the_pairs_that_are_asked_for() -> None:
    """All 400 of a replica and round, 40 a stretch, from one that is twice the lag."""
    assert record_of([50], 100) == 1
    assert record_of([50, 250], 500) == 10
    assert record_of([7, 21], 10_000) == 7


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        ("strategy.proposal.lags=[10, 400]", "strategy.proposal.lags.1", "more than half"),
        ("strategy.proposal.lags=[]", "strategy.proposal.lags", "at least 1"),
        ("model={kind: copula_flow}", "model.kind", "holds one density"),
    ],
)
def test_what_does_not_agree_with_lags_is_told(sets: str, where: str, what: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(CONFIGS / f"{NAME}.yaml", (*QUICK, sets))
    told = {".".join(map(str, p.path)): p.problem for p in caught.value.problems}
    assert what in told[where]
