"""The loop in one process: what it decides, what it reports, when it stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_campaign import Recorder, ToyStrategy, setup

from msgen.actors.base import Begun, Segment, WorkOrder
from msgen.orchestrator.base import NOTHING_LEFT, Cost, Failure, StepPlan
from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Controller, Outcome
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store


def run(path: Path, executor: Any = None, **options: Any) -> tuple[Outcome, Recorder]:
    recorder = options.pop("reporter", Recorder())
    strategy = options.pop("strategy", ToyStrategy())
    executor = executor or InlineExecutor(setup())
    return Controller(strategy, executor, path, recorder, **options).run(), recorder


def digest(path: Path) -> str:
    return Store(path / "store.zarr").digest


class Shuffled(InlineExecutor):
    """Gives results back in another order, and each twice."""

    def completed(
        self, timeout_s: float | None = None, pulse: Any = None
    ) -> Iterator[Segment | Begun | Failure]:
        results = list(super().completed(timeout_s, pulse))
        np.random.default_rng(len(results)).shuffle(results)  # type: ignore[arg-type]
        for result in results:
            yield result
            yield result


def test_it_runs_to_convergence_and_reports_every_round(tmp_path: Path) -> None:
    outcome, recorder = run(tmp_path)
    assert outcome.status == "converged"
    assert [info.round for info in recorder.infos] == list(range(6))
    assert [info.phase for info in recorder.infos] == ["explore"] * 2 + ["produce"] * 4
    assert recorder.closed == [("converged", outcome.reason)]
    last = recorder.infos[-1]
    assert last.cost.energy_evaluations == outcome.cost.energy_evaluations == 6 * 80 + 3 * 3
    assert last.counts["walk/proposed"] == 160
    assert last.cvs is not None
    assert last.cvs.shape == (80, 2)
    assert last.replicas == 4  # not its orders, of which there are five
    assert last.model_loss is not None
    store = Store(tmp_path / "store.zarr")
    assert np.array_equal(store.read("walk/cvs", 5), last.cvs)
    assert [e["round"] for e in EventLog(tmp_path / "events.jsonl").read() if e["event"] == "round"]
    assert outcome.cost.wall_s >= outcome.cost.overhead_s > 0


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_fits_are_absorbed_after_exactly_the_lag(tmp_path: Path, lag: int) -> None:
    seen: list[tuple[int, int]] = []

    class Watching(ToyStrategy):
        def absorb(self, state: Any, segments: Any) -> Any:
            seen.extend((state["round"], s.key[0]) for s in segments if s.key[1] == "fit")
            return super().absorb(state, segments)

    _, recorder = run(tmp_path, lag=lag, strategy=Watching())
    assert seen == [(r + lag, r) for r in range(6 - lag)]
    assert [i.model_version for i in recorder.infos] == [max(-1, r - lag - 1) for r in range(6)]


def test_order_of_arrival_and_duplicates_change_nothing(tmp_path: Path) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", Shuffled(setup()))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    events = [e["event"] for e in EventLog(tmp_path / "b" / "events.jsonl").read()]
    assert events.count("duplicate") > 20
    run(tmp_path / "c", InlineExecutor({**setup(), "seed": 12}))
    run(tmp_path / "d", lag=0)
    assert len({digest(tmp_path / name) for name in "acd"}) == 3


@pytest.mark.parametrize(
    ("limits", "rounds", "word"),
    [
        (Limits(rounds=3), 3, "budget.rounds"),
        (Limits(energy_evaluations=200), 2, "budget.energy_evaluations"),
        (Limits(wall_s=1e-9), 0, "budget.wall"),
    ],
)
def test_a_spent_budget_ends_it_and_more_budget_goes_on(
    tmp_path: Path, limits: Limits, rounds: int, word: str
) -> None:
    outcome, recorder = run(tmp_path / "a", limits=limits)
    assert outcome.status == "exhausted"
    assert word in outcome.reason
    assert len(recorder.infos) == rounds
    outcome, recorder = run(tmp_path / "a")
    assert outcome.status == "converged"
    assert [i.round for i in recorder.infos] == list(range(max(0, rounds - 1), 6))
    run(tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_a_converged_campaign_is_not_sampled_further(tmp_path: Path) -> None:
    run(tmp_path)
    before = digest(tmp_path)
    outcome, recorder = run(tmp_path)
    assert outcome.status == "converged"
    assert [i.round for i in recorder.infos] == [5]
    assert recorder.infos[0].cvs is not None
    assert digest(tmp_path) == before


def test_an_order_that_raises_ends_the_campaign_with_its_cause(tmp_path: Path) -> None:
    outcome, recorder = run(tmp_path, InlineExecutor(setup(raise_at=[2, "walk", 1])))
    assert outcome.status == "failed"
    assert "order 'walk' of replica 1 in round 2 failed: RuntimeError: the toy" in outcome.reason
    assert recorder.closed[0][0] == "failed"
    failures = [e for e in EventLog(tmp_path / "events.jsonl").read() if e["event"] == "failure"]
    assert "Traceback" in failures[0]["cause"]


def test_an_order_of_no_known_kind_names_the_known_ones(tmp_path: Path) -> None:
    class Odd(ToyStrategy):
        def decide(self, state: Any) -> StepPlan:
            return StepPlan("explore", (WorkOrder(state["round"], "wlak", 0),))

    outcome, _ = run(tmp_path, strategy=Odd())
    assert outcome.status == "failed"
    assert "'wlak'" in outcome.reason
    assert "walk" in outcome.reason


@pytest.mark.parametrize(
    ("orders", "word"),
    [
        ((), "planned no order"),
        ((WorkOrder(7, "walk", 0),), "was planned for round 0"),
        ((WorkOrder(0, "push", 0), WorkOrder(0, "push", 0)), "two orders"),
        ((WorkOrder(0, "push", 0, model_version=3),), "needs model 3"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(tmp_path: Path, orders: Any, word: str) -> None:
    class Odd(ToyStrategy):
        def decide(self, state: Any) -> StepPlan:
            return StepPlan("explore", orders)

    outcome, _ = run(tmp_path, strategy=Odd())
    assert outcome.status == "failed"
    assert word in outcome.reason


def test_a_strategy_with_nothing_left_ends_whatever_the_budget(tmp_path: Path) -> None:
    class Spent(ToyStrategy):
        def decide(self, state: Any) -> StepPlan:
            return StepPlan("exhausted", ()) if state["round"] == 2 else super().decide(state)

    for rounds in (10, 20):  # and ends at once where it is gone on with
        outcome, recorder = run(tmp_path, strategy=Spent(), limits=Limits(rounds=rounds))
        assert (outcome.status, outcome.reason) == ("exhausted", NOTHING_LEFT)
        assert recorder.closed == [("exhausted", NOTHING_LEFT)]
        assert outcome.cost.rounds == 2


def test_an_error_in_the_strategy_is_raised_after_the_reporter_was_told(tmp_path: Path) -> None:
    class Broken(ToyStrategy):
        def absorb(self, state: Any, segments: Any) -> Any:
            raise ZeroDivisionError("by design")

    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, strategy=Broken(), reporter=recorder)
    assert recorder.closed == [("failed", "ZeroDivisionError: by design")]


def test_what_is_not_a_number_is_stored_as_it_is(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, InlineExecutor(setup(nan=True)))
    assert outcome.status == "converged"
    cvs = Store(tmp_path / "store.zarr").read("walk/cvs")
    assert np.isnan(cvs).sum() == 6 * 4
    assert np.isfinite(cvs).sum() == 6 * (160 - 4)


def test_what_is_waited_for_is_no_overhead(tmp_path: Path) -> None:
    """Under 5 % of overhead is measured by the benchmark: here other tests load the machine."""
    outcome, _ = run(tmp_path, InlineExecutor(setup(seconds=0.05)), strategy=ToyStrategy(4), lag=1)
    assert outcome.cost.sampling_s > 4 * 0.5
    assert outcome.cost.overhead_s <= outcome.cost.wall_s - 4 * 0.5


def test_a_round_that_would_pass_the_cap_is_not_begun() -> None:
    limits = Limits(energy_evaluations=1000)
    spent = Cost(rounds=3, energy_evaluations=900)
    assert limits.spent(spent, 0.0) is None
    assert limits.spent(spent, 0.0, next_round=100) is None
    reason = limits.spent(spent, 0.0, next_round=101)
    assert reason == "budget.energy_evaluations is spent (900 of 1000, a round takes 101)"
    assert Limits().spent(spent, 0.0, next_round=10**9) is None


def test_the_wall_time_is_that_of_the_call_and_the_cost_counts_it_once(tmp_path: Path) -> None:
    """Where a campaign has begun anew, seconds of this call lie before this loop."""
    limits = Limits(wall_s=50.0)
    done, _ = run(tmp_path / "late", limits=limits, earlier_s=60.0, spent=Cost(wall_s=60.0))
    assert (done.status, done.reason) == ("exhausted", "budget.wall is spent (50)")
    assert 60.0 <= done.cost.wall_s < 110.0
    assert run(tmp_path / "early", limits=limits)[0].status == "converged"
