"""Rounds that are left in the middle: what their orders did is kept, counted and not repeated."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_campaign import Recorder, ToyStrategy, setup
from toy_runs import child, content

from msgen.actors.base import Begun, OrderKey, Segment, WorkOrder
from msgen.orchestrator.base import Activity, Failure, Pulse
from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop import order_tracker
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Controller, Outcome
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.unfinished import Unfinished


class Counting(InlineExecutor):
    """Notes which orders it does, and does something after each."""

    def __init__(self, after: Callable[[OrderKey], None] = lambda key: None) -> None:
        super().__init__(setup())
        self.did: list[OrderKey] = []
        self._after = after

    def completed(
        self, timeout_s: float | None = None, pulse: Pulse | None = None
    ) -> Iterator[Segment | Begun | Failure]:
        for result in super().completed(timeout_s, pulse):
            self.did.append(result.key)
            self._after(result.key)
            yield result


def run(path: Path, executor: InlineExecutor, **options: Any) -> Outcome:
    return Controller(ToyStrategy(), executor, path, Recorder(), **options).run()


def whole(path: Path) -> tuple[dict[str, object], list[OrderKey]]:
    executor = Counting()
    assert run(path, executor).status == "converged"
    return content(path), executor.did


def files(path: Path) -> list[str]:
    return sorted(p.name for p in (path / "unfinished").glob("*"))


@pytest.mark.parametrize("at", [(0, "walk", 2), (2, "walk", 3), (3, "walk", 0), (3, "push", 0)])
def test_a_request_to_stop_keeps_what_was_done(tmp_path: Path, at: OrderKey) -> None:
    stop = StopFlag()
    first = Counting(lambda key: stop.request() if key == at else None)
    outcome = run(tmp_path / "run", first, stop=stop)
    assert outcome.status == "interrupted"
    assert "goes on from there" in outcome.reason
    assert first.did[-1] == at  # no order was begun after it
    second = Counting()
    assert run(tmp_path / "run", second).status == "converged"
    expected, keys = whole(tmp_path / "whole")
    assert content(tmp_path / "run") == expected
    # all of it once: what was kept was not done again. The fit of the last round is waited for by
    # nobody, and so is not begun, or begun again
    again = set(first.did) & set(second.did)
    assert {key for key in again if key[1] != "fit"} == set()
    assert {key for key in [*first.did, *second.did] if key[1] != "fit"} == {
        key for key in keys if key[1] != "fit"
    }
    assert files(tmp_path / "run") == []


def test_a_stop_at_every_order_changes_nothing(tmp_path: Path) -> None:
    """Each process does one order; every second one finds another number of them kept."""
    expected, keys = whole(tmp_path / "whole")
    processes = 0
    while True:
        stop = StopFlag()
        executor = Counting(lambda key, stop=stop: stop.request())
        outcome = run(tmp_path / "run", executor, stop=stop)
        assert len(executor.did) <= 1
        if outcome.status == "converged":
            break
        processes += 1
    assert content(tmp_path / "run") == expected
    assert processes >= len([key for key in keys if key[1] != "fit"])


def test_a_budget_is_heeded_inside_a_round_and_counts_what_is_kept(tmp_path: Path) -> None:
    limits = Limits(energy_evaluations=30)
    executor = Counting()
    outcome = run(tmp_path / "run", executor, limits=limits)
    assert outcome.status == "exhausted"
    assert "budget.energy_evaluations is spent (30) in round 0" in outcome.reason
    assert "2 of 4 orders are kept" in outcome.reason
    assert len(executor.did) == 2  # 20 evaluations each: one order past 30 at most
    again = Counting()
    assert run(tmp_path / "run", again, limits=limits).status == "exhausted"
    assert again.did == []  # what is kept was paid for
    more = Counting()
    assert run(tmp_path / "run", more, limits=Limits(energy_evaluations=80)).status == "exhausted"
    assert [key for key in more.did if key[1] == "walk"] == [(0, "walk", 1), (0, "walk", 0)]
    assert run(tmp_path / "run", Counting()).status == "converged"
    assert content(tmp_path / "run") == whole(tmp_path / "whole")[0]


def test_killed_in_a_round_only_what_was_not_back_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_tracker, "_SAVE_S", -1.0)  # at once, whatever the clock says
    at = (3, "walk", 1)

    def work() -> int:
        def kill(key: OrderKey) -> None:
            if key == at:
                os.kill(os.getpid(), signal.SIGKILL)

        run(tmp_path / "run", Counting(kill))
        return 0

    pid = child(work)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    resumed = Counting()
    assert run(tmp_path / "run", resumed).status == "converged"
    mine = [key for key in resumed.did if key[0] == 3 and key[1] == "walk"]
    assert mine == [(3, "walk", 1), (3, "walk", 0)]
    assert content(tmp_path / "run") == whole(tmp_path / "whole")[0]


def stopped(path: Path) -> None:
    """After two orders of round 2."""
    stop = StopFlag()
    ask = Counting(lambda key: stop.request() if key == (2, "walk", 2) else None)
    assert run(path, ask, stop=stop).status == "interrupted"


def test_what_is_damaged_is_done_again(tmp_path: Path) -> None:
    stopped(tmp_path / "run")
    (file,) = (tmp_path / "run" / "unfinished").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))
    resumed = Counting()
    assert run(tmp_path / "run", resumed).status == "converged"
    assert (2, "walk", 3) in resumed.did
    assert content(tmp_path / "run") == whole(tmp_path / "whole")[0]
    events = EventLog(tmp_path / "run" / "events.jsonl").read()
    assert [e for e in events if e["event"] == "damaged"]


def test_what_was_done_of_another_order_does_not_count(tmp_path: Path) -> None:
    """A plan that differs, though its orders are called the same."""
    stopped(tmp_path / "run")

    class Other(ToyStrategy):
        def decide(self, state: Any) -> Any:
            return super().decide({**state, "x": np.asarray(state["x"]) + (state["round"] == 2)})

    executor = Counting()
    one = Controller(Other(), executor, tmp_path / "run", Recorder())
    assert one.run().status == "converged"
    assert {(2, "walk", i) for i in range(4)} <= set(executor.did)


def test_files_hold_what_they_were_given_and_go_with_it(tmp_path: Path) -> None:
    kept = Unfinished(tmp_path / "u")
    orders = [WorkOrder(3, "walk", i, {"x": np.arange(3.0) + i}) for i in range(3)]
    segment = Segment(
        orders[0].key,
        samples={"cvs": np.array([[np.nan, -0.0]]), "n": np.arange(2, dtype=np.int32)},
        carry={"x": np.ones((2, 2)).T, "list": [1, "a", None], "none": None, "deep": {"f": 0.1}},
        counts={"a": 0.1},
        evaluations=7,
        model_version=2,
        wall_s=0.5,
    )
    kept.add([(orders[0], segment), (orders[1], Begun(orders[1].key, {"x": np.zeros(2)}, 5))])
    kept.add([(orders[1], Begun(orders[1].key, {"x": np.ones(2)}, 9))])
    found, damaged = Unfinished(tmp_path / "u").read(lambda key: True)
    assert damaged == []
    assert found.keys() == {orders[0].key, orders[1].key}
    read = found[orders[0].key].done
    assert isinstance(read, Segment)
    assert read.samples["cvs"].tobytes() == segment.samples["cvs"].tobytes()
    assert read.samples["n"].dtype == np.int32
    assert read.carry["list"] == [1, "a", None]
    assert (read.evaluations, read.model_version, read.counts) == (7, 2, {"a": 0.1})
    assert found[orders[1].key].done.evaluations == 9
    kept.forget([orders[0].key])
    assert len(list((tmp_path / "u").iterdir())) == 1
    assert Unfinished(tmp_path / "u").read(lambda key: key[0] == 4) == ({}, [])
    assert list((tmp_path / "u").iterdir()) == []


def test_progress_inside_a_round_is_told(tmp_path: Path) -> None:
    told: list[Activity] = []
    run(tmp_path, Counting(), tell=told.append)
    mine = [now for now in told if now.round == 1 and now.doing == "sampling"]
    assert [now.orders for now in mine] == sorted(now.orders for now in mine)
    assert {now.of for now in mine} == {6}  # four walks, a push, and the fit of the round before
    assert mine[-1].evaluations > mine[0].evaluations
    assert 0.0 == mine[0].share < mine[-1].share < 1.0
    assert {"absorbing", "committing", "estimating"} <= {now.doing for now in told}
