"""Strategies stepped by hand on the double well: phases, purity, and what is frozen when."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven_double_well import CASES, LAG, driven
from driving import Step, same, setup_of

from msgen.actors.base import encode
from msgen.actors.orders.sample import SamplePayload
from msgen.actors.worker import Worker
from msgen.orchestrator.run_directory.checkpoint import Checkpoints


def phases(steps: list[Step]) -> list[str]:
    out: list[str] = []
    for step in steps:
        if not out or out[-1] != step.plan.phase:
            out.append(step.plan.phase)
    return out


@pytest.mark.parametrize("case", list(CASES))
def test_the_phases_follow_each_other(case: str) -> None:
    wanted = ["adapt", "produce"] if case == "local" else ["explore", "adapt", "produce"]
    assert phases(driven(case).steps) == wanted


@pytest.mark.parametrize("case", list(CASES))
def test_decide_is_pure_and_the_state_survives_the_disk(case: str, tmp_path: Path) -> None:
    drive = driven(case)
    fresh, setup, *_ = setup_of("double_well", *CASES[case])
    first = {p: i for i, p in reversed([(i, s.plan.phase) for i, s in enumerate(drive.steps)])}
    # the beginning, the middle and the end of each phase that there is
    rounds = sorted(
        {*first.values(), first["produce"] - 1, first["adapt"] + 3, len(drive.steps) - 1}
    )
    disk = Checkpoints(tmp_path)
    for rnd in rounds:
        step = drive.steps[rnd]
        state = drive.stored(step.before)
        plans = [drive.strategy.decide(state), drive.strategy.decide(state)]
        assert same(encode(state), encode(step.before))  # it wrote nothing
        disk.save(rnd, encode(step.before))
        found, tree, damaged = disk.load(rnd)
        assert (found, damaged) == (rnd, [])
        loaded = fresh.read(tree)
        plans.append(fresh.decide(loaded))  # another process, after a restart
        for plan in plans:
            assert same(asdict(plan), asdict(step.plan))
        worker = Worker(setup)
        for version, model in plans[-1].models.items():
            worker.publish(version, encode(model))
        for order, segment in zip(plans[-1].orders, step.segments, strict=True):
            again = worker.execute(order)
            assert same(dict(again.samples), dict(segment.samples))
            assert same(again.carry, segment.carry)
        assert same(encode(fresh.absorb(loaded, step.absorbed)), encode(step.after))


@pytest.mark.parametrize("case", list(CASES))
def test_production_is_frozen(case: str) -> None:
    rounds = [s for s in driven(case).steps if s.plan.phase == "produce"]
    payload = [s.plan.orders[0].payload for s in rounds]
    kept = {"partition", "ladder", "schedules", "targets", "proposals", "step_size", "masses",
            "mode", "epsilon", "broad", "global_steps", "stratum", "replicas", "paths"}  # fmt: skip
    names = kept & set(payload[0])
    assert names
    for other in payload[1:]:
        assert kept & set(other) == names
        assert all(same(other[n], payload[0][n]) for n in names)
    versions = {o.model_version for s in rounds for o in s.plan.orders}
    assert len(versions) == 1
    assert (versions == {-1}) == (case == "local")
    models = [encode(s.plan.models) for s in rounds]
    assert all(same(m, models[0]) for m in models)
    if case in ("strata", "chain"):
        assert len(payload[0]["paths"]["schedules"]) == 1
    assert not any(s.plan.fits for s in rounds)


@pytest.mark.parametrize("case", list(CASES))
def test_only_production_enters_the_estimate(case: str) -> None:
    drive = driven(case)
    rounds = [s for s in drive.steps if s.plan.phase == "produce"]
    burn_in = 1 if case in ("strata", "chain") else drive.state.left_out
    assert all(drive.strategy.estimate(s.after).f_kT.size for s in drive.steps)
    for step in drive.steps:
        if step.after.phase != "produce" or step.after.produced is None:
            estimate = drive.strategy.estimate(step.after)
            assert np.isnan(estimate.f_kT).all()
            assert all(v.stderr_kT is None for v in estimate.states.values())
            assert not estimate.converged
    counted = rounds[burn_in:]
    weight = 0.0
    paths = 0
    for step in counted:
        for s in step.segments:
            bias = s.samples.get("log_bias", np.zeros(len(s.samples["cvs"])))
            weight += float(np.exp(-bias).sum())
            paths += len(s.samples.get("work", ()))
    made = drive.state.produced
    assert made.rounds == len(counted)
    assert made.states.sum() == pytest.approx(weight)
    assert len(made.works) == paths
    assert (paths > 0) == (case in ("strata", "chain"))


@pytest.mark.parametrize("case", ["strata", "chain", "flow"])
def test_fits_run_in_adapt_and_are_absorbed_with_their_lag(case: str) -> None:
    steps = driven(case).steps
    fitted = [i for i, s in enumerate(steps) if s.plan.fits]
    assert fitted
    assert all(steps[i].plan.phase == "adapt" for i in fitted)
    for i, step in enumerate(steps):
        for fit in (s for s in step.absorbed if s.is_fit):
            assert i - fit.key[0] == LAG
        used = {o.model_version for o in step.plan.orders}
        assert len(used) == 1
        # a version proposes after the round that absorbed it, never before
        versions = getattr(step.before, "version", -1)
        assert used.pop() in (versions, -1)
    versions = [(getattr(s.before, "version", -1), getattr(s.after, "version", -1)) for s in steps]
    changed = [i for i, (before, after) in enumerate(versions) if after != before]
    assert changed
    assert changed[0] == fitted[0] + LAG
    assert all(any(s.is_fit for s in steps[i].absorbed) for i in changed)


@pytest.mark.parametrize("case", ["strata", "chain", "flow"])
def test_a_fit_that_comes_back_in_production_changes_nothing(case: str) -> None:
    drive = driven(case)
    (fit,) = next([s for s in st.absorbed if s.is_fit] for st in drive.steps if any(
        s.is_fit for s in st.absorbed))  # fmt: skip
    last = drive.steps[-1]
    late = drive.strategy.absorb(drive.stored(last.before), [fit, *last.segments])
    assert same(encode(late), encode(last.after))


def test_replicas_stay_in_their_strata_and_bridges_join_them() -> None:
    drive = driven("strata")
    state: Any = drive.state
    for step in drive.steps:
        if step.plan.phase != "explore":
            for order, segment in zip(step.plan.orders, step.segments, strict=True):
                xi = segment.samples["cvs"]
                inside = (xi[:, 0] >= -2) & (xi[:, 0] < 0)
                assert (inside == (order.read(SamplePayload).stratum[0] == 0)).all()
    works = state.produced.works
    assert works.pairs() == [(0, 1)]
    assert np.isfinite(works["work"]).any()


def test_the_estimate_is_no_part_of_the_loop() -> None:
    drive = driven("strata")
    before = drive.stored(drive.state)
    a, b = drive.strategy.estimate(drive.state), drive.strategy.estimate(before)
    assert same(encode(drive.state), encode(before))
    assert same(a.f_kT, b.f_kT)
    assert same(a.stderr_kT, b.stderr_kT)
    assert a.states == b.states
