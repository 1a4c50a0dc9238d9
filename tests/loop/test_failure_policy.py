"""Budgets per kind of failure, deadlines, places on nodes, and whose turn it is: no cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msgen.actors.base import Segment, WorkOrder
from msgen.orchestrator.loop.failure_policy import CALM, LEAST_DEADLINE_S, Losses, Pace, not_finite

pytest.importorskip("ray")
from msgen.orchestrator.executors.ray.seats import Needs, Seat, room, vacant
from msgen.orchestrator.executors.ray.turns import Turns

KEY = (0, "walk", 0)


def order(replica: int, cost: float = 1.0) -> WorkOrder:
    return WorkOrder(0, "walk", replica, cost_hint=cost)


def seat(pace: float = 1.0) -> Seat:
    return Seat(None, "node", None, 0.0, pace=pace)


def test_one_order_has_a_budget_per_kind() -> None:
    losses = Losses()
    assert losses.lost(KEY, "worker") is None
    assert losses.lost(KEY, "memory") is None
    assert losses.lost(KEY, "worker") is None
    said = losses.lost(KEY, "worker")
    assert said is not None
    assert "order 'walk' of replica 0 in round 0 lost its worker 3 times" in said


def test_many_orders_share_a_budget_that_work_refills() -> None:
    def until_it_stops(work_between: int) -> int:
        losses = Losses()
        for n in range(1, 200):
            if losses.lost((n, "walk", 0), "deadline") is not None:
                return n
            for k in range(work_between):
                losses.back((n, "walk", k))
        return 0

    assert until_it_stops(0) == 13
    assert until_it_stops(CALM) == 0


def test_a_deadline_follows_the_slowest_of_its_kind_and_the_cost() -> None:
    pace = Pace()
    assert pace.deadline(order(0), 0) == 3600.0
    pace.took(order(0, 2.0), 40.0)
    pace.took(order(0, 2.0), 20.0)
    assert pace.deadline(order(0, 3.0), 0) == pytest.approx(600.0)
    assert pace.deadline(order(0, 3.0), 1) == pytest.approx(1200.0)
    pace.took(WorkOrder(0, "push", 0), 1e-3)
    assert pace.deadline(WorkOrder(0, "push", 0), 0) == LEAST_DEADLINE_S
    assert Pace(5.0).deadline(order(0), 0) == 5.0


def test_only_walkers_that_are_nowhere_are_faults() -> None:
    def segment(kind: str, x: float) -> Segment:
        work = {"work": np.array([np.inf, np.nan])}
        return Segment((0, kind, 0), work, {"walkers": {"positions": np.array([[x]])}})

    assert not not_finite(segment("sample", 1.0))
    assert not_finite(segment("sample", np.nan))
    assert not not_finite(segment("explore", np.nan))


def test_places_follow_what_nodes_have() -> None:
    nodes: dict[str, dict[str, float]] = {
        "a": {"CPU": 5.0, "GPU": 1.0}, "b": {"CPU": 4.0}, "c": {}
    }  # fmt: skip
    assert room(nodes, Needs(cpus=2)) == {"a": 2, "b": 2, "c": 0}
    shared = Needs(worker_gpus=0.25, trainer_gpus=0.5)
    assert room(nodes, shared, "a") == {"a": 2, "b": 0, "c": 0}
    places = {"a": 3, "b": 1}
    assert vacant(places, ["a"], None) == ["a", "a", "b"]
    assert vacant(places, ["a", "gone"], 3) == ["a"]
    assert vacant(places, ["a", "a", "a", "b"], None) == []


def test_a_slow_worker_gets_nothing_that_others_do_sooner() -> None:
    pace = Pace()
    pace.took(order(0), 1.0)
    turns = Turns(pace)
    fast, slow, trainer = seat(), seat(10.0), seat()
    slow.since = float("inf")  # it has only just become idle
    turns.queue([order(0), order(1)])
    sent: list[tuple[Seat, int]] = []
    for to, one in turns.due([slow, fast], trainer):
        to.flying[one.key] = one
        sent.append((to, one.replica))
    assert sent == [(fast, 0)]
    turns.queue([order(n) for n in range(2, 40)])
    assert any(to is slow for to, _ in turns.due([slow, fast], trainer))


def test_a_late_order_goes_to_an_idle_worker_once() -> None:
    pace = Pace()
    pace.took(order(0), 1.0)
    turns = Turns(pace)
    busy, idle = seat(), seat()
    busy.flying["ref"] = order(0)
    wanted: Any = {order(0).key}
    assert not list(turns.spares([busy, idle], wanted, 1.9))
    assert list(turns.spares([busy, idle], wanted, 2.1)) == [(idle, order(0))]
    assert not list(turns.spares([busy, idle], set(), 2.1))  # it has come back meanwhile
    idle.flying["copy"] = order(0)
    assert not list(turns.spares([busy, idle, seat()], wanted, 2.1))
