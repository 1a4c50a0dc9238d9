"""delayed_acceptance with a flow, stepped by hand: its versions, its walks and their density."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driving import Drive, same
from silver import spec

from msgen.actors.kernels import delayed_acceptance
from msgen.actors.kernels.base import Mask
from msgen.actors.orders.delayed import DelayedPayload, DelayedRecord
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.problems import dotted
from msgen.orchestrator.schema.translate import problems_of
from msgen.systems.base import Array

SECTION = (
    "strategy={kind: delayed_acceptance, moves: 1, local: {kind: hmc, steps: 2, leapfrog: 3},"
    " surrogate: {kind: coordinates, members: 2, width: 8, updates: 12},"
    " flow: {walks: 4, moves: 5, broad: 0.2, draws: 0}}"
)
"""Of so few updates that the surrogate is a bad one."""
MODEL = "model={kind: realnvp, transforms: 2, hidden: [12], epochs: 8}"
HOT = "system={kind: double_well, kT: 6}"


@pytest.fixture(scope="module")
def driven() -> Drive:
    return Drive.of("double_well", SECTION, MODEL, HOT, "replicas=8").produce(2)


def test_surrogate_and_flow_are_of_versions_that_no_two_share(driven: Drive) -> None:
    used = {}
    for step in driven.steps:
        for version, model in step.plan.models.items():
            assert same(used.setdefault(version, model), model)
    flows = [s.plan.orders[0].read(DelayedPayload).flow for s in driven.steps]
    assert flows[0] is not None
    assert flows[0].version == -1
    for step, flow in zip(driven.steps, flows, strict=True):
        assert flow is not None
        if flow.version >= 0:
            assert {flow.version, step.plan.orders[0].model_version} <= set(step.plan.models)
            assert flow.version != step.plan.orders[0].model_version
    assert same(driven.stored(driven.state), driven.state)


def test_all_is_frozen_in_production(driven: Drive) -> None:
    produced = [s for s in driven.steps if s.plan.phase == "produce"]
    first, second = (s.plan.orders[0].read(DelayedPayload).flow for s in produced)
    assert not any(s.plan.fits for s in produced)
    assert same(first, second)
    assert first is not None
    assert first.recent == 0
    assert driven.state.flow.recent == ()
    assert [r.recent for r in (s.read(DelayedRecord) for s in produced[0].segments)] == [None]
    found = driven.strategy.estimate(driven.state)
    # without draws nothing is held against the flow
    assert "estimators" not in found.diagnostics
    assert found.log_z is None
    told = found.diagnostics["flow"]
    assert 0.05 < told["first_test"] < 1.0
    assert 0.05 < told["second_test"] < 1.0


def test_a_flow_that_was_never_fitted_is_said(driven: Drive) -> None:
    bare = replace(driven.state, flow=replace(driven.state.flow, version=-1, model=None))
    said = driven.strategy.estimate(bare).diagnostics["warnings"]
    assert any("has not proposed" in one for one in said)
    assert "warnings" not in driven.strategy.estimate(driven.state).diagnostics


def test_each_walk_of_the_flow_asks_once_and_is_read(driven: Drive) -> None:
    step = driven.steps[-1]
    (order,), (segment,) = step.plan.orders, step.segments
    p, counts = order.read(DelayedPayload), segment.counts
    assert p.flow is not None
    n = len(p.replicas) * p.blocks
    assert counts["flow_proposed"] == n * p.flow.walks * p.flow.moves
    assert counts["flow_passed"] <= counts["flow_tested"] <= n * p.flow.walks
    assert len(segment.samples["cvs"]) == n * (p.walks + p.flow.walks)
    watched = len(segment.samples["watched_replica"])
    tested = counts["flow_tested"] + counts["global_proposed"]
    assert segment.evaluations == len(p.replicas) + tested + watched
    assert len(segment.samples["oracle_energy"]) == segment.evaluations - watched


def test_a_fit_is_told_of_every_replica(driven: Drive) -> None:
    records = [s.read(DelayedRecord) for s in driven.steps[1].segments]
    assert np.unique(np.concatenate([r.recent_replica for r in records])).tolist() == list(range(8))
    assert all(r.recent.shape == (len(r.recent_replica), 2) for r in records)


@pytest.mark.slow
def test_production_has_the_density_of_the_system(
    driven: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """⟨x⟩ within 4 σ of quadrature; where walks of the flow are not tested again it is not."""
    x = np.linspace(-3.0, 3.0, 20_001)
    p = np.exp(-(-9.0 * x**2 + x**3 + 4.5 * x**4) / 6.0)
    exact = float((x * p).sum() / p.sum())
    value, error = _mean(driven, 4)
    assert abs(value - exact) < 4.0 * error

    def everything(
        new: Array, old: Array, forward: Array, backward: Array, log_u: Array
    ) -> tuple[Mask, Array, Mask]:
        yes = np.ones(len(new), dtype=bool)
        return yes, np.zeros(len(new)), ~yes

    monkeypatch.setattr(delayed_acceptance, "metropolis", everything)
    assert abs(_mean(driven, 4)[0] - exact) > 8.0 * error


def _mean(drive: Drive, rounds: int) -> tuple[float, float]:
    """⟨x⟩ over more rounds of production, and its error by replicas."""
    state, seen = drive.state, []
    for _ in range(rounds):
        plan = drive.strategy.decide(state)
        segments = drive.run(plan, plan.orders)
        state = drive.strategy.absorb(state, segments)
        seen += [s.samples["cvs"].reshape(8, -1) for s in segments]
    means = np.concatenate(seen, axis=1).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


@pytest.mark.parametrize(
    ("system", "cv", "more", "at"),
    [
        ({"kind": "double_well"}, {"kind": "coordinate", "index": 0, "periodic": True},
         {"model": {"kind": "realnvp"}}, "model.kind"),
        ({"kind": "double_well"}, {"kind": "coordinate", "index": 0, "range": [-2, 2]},
         {"model": {"kind": "step_diffusion"}}, "model.kind"),
        (spec(temperature="500 K"),
         {"kind": "distance", "atoms": [0, 1], "range": ["0 nm", "1 nm"]},
         {"model": {"kind": "realnvp"}}, "model.kind"),
    ],
)  # fmt: skip
def test_a_model_that_it_cannot_use_is_refused(
    system: dict[str, Any], cv: dict[str, Any], more: dict[str, Any], at: str
) -> None:
    kind = "coordinates" if system["kind"] == "double_well" else "symmetry_functions"
    strategy = {"kind": "delayed_acceptance", "surrogate": {"kind": kind}, "flow": {}}
    tree = {"name": "a", "system": system, "cvs": {"x": cv}, "strategy": strategy, **more}
    with pytest.raises(ValueError, match="inconsistent") as caught:
        Campaign.parse(tree)
    assert at in [dotted(p.path) for p in problems_of(caught.value)]
    # without a flow it does not matter what the model is
    Campaign.parse({**tree, "strategy": {**strategy, "flow": None}, "model": {"kind": "realnvp"}})
