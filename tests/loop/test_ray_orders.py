"""What the Ray executor does with hung, late and lost orders, on threads in place of actors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from msgen.actors.base import Begun, Segment, WorkOrder
from msgen.orchestrator.base import Failure

pytest.importorskip("ray")
from ray.exceptions import ActorDiedError

from msgen.orchestrator.executors.ray import executor as ray_executor
from msgen.orchestrator.executors.ray.seats import Needs, Seat


class Actor:
    """One thread; `behave` says what an order does."""

    def __init__(self, behave: Any) -> None:
        pool = ThreadPoolExecutor(1)
        self.execute = SimpleNamespace(remote=lambda order: pool.submit(behave, order))
        aside = ThreadPoolExecutor(1)
        self.halted = False
        self.halt = self._aside(aside, self._halt)
        self.in_hand = self._aside(aside, lambda: 7)

    def _halt(self) -> None:
        self.halted = True

    @staticmethod
    def _aside(pool: ThreadPoolExecutor, do: Any) -> Any:
        call = SimpleNamespace(remote=lambda: pool.submit(do))
        return SimpleNamespace(options=lambda concurrency_group: call)


class Staff:
    def __init__(self, behave: Any, workers: int) -> None:
        self._behave, self.let_go_of = behave, 0
        self.seats = [self._seat() for _ in range(workers)]
        self.trainer = self._seat()

    def _seat(self) -> Seat:
        return Seat(Actor(self._behave), "node", None, time.monotonic())

    def everyone(self) -> Iterator[Seat]:
        yield from (*self.seats, self.trainer)

    def let_go(self, seat: Seat) -> None:
        self.let_go_of += 1
        self.seats[self.seats.index(seat)] = self._seat()

    def look(self, *, workers: bool, trainer: bool) -> None:
        """The nodes stay."""


def _wait(
    refs: list[Future[Any]], num_returns: int = 1, timeout: float = 0.0
) -> tuple[list[Any], list[Any]]:
    how = "FIRST_COMPLETED" if num_returns == 1 else "ALL_COMPLETED"
    done, rest = wait(refs, timeout, how)
    return list(done), list(rest)


class Bench:
    """An executor over threads, and what it told."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, behave: Any, workers: int, limit_s: float = 5.0
    ) -> None:
        fake = SimpleNamespace(wait=_wait, get=lambda ref, timeout=None: ref.result(timeout))
        self.staff = Staff(behave, workers)
        monkeypatch.setattr(ray_executor, "ray", fake)
        monkeypatch.setattr(ray_executor, "Staff", lambda *_: self.staff)
        self.told: list[str] = []
        self.executor = ray_executor.RayExecutor(
            {}, Needs(), deadline_s=limit_s, tell=lambda event, **_: self.told.append(event)
        )

    def back(self, n: int) -> list[Segment | Failure]:
        found: list[Segment | Failure] = []
        until = time.monotonic() + 60.0
        while len(found) < n and time.monotonic() < until:
            for result in self.executor.completed(0.1):
                found.append(result)
                break  # as who waits for one thing does: the rest has to come with the next call
        return found


def orders(n: int) -> list[WorkOrder]:
    return [WorkOrder(0, "walk", i) for i in range(n)]


def segment(order: WorkOrder, wall_s: float = 0.01) -> Segment:
    return Segment(order.key, wall_s=wall_s)


def test_what_came_back_together_is_not_lost_when_the_taker_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, segment, 3)
    bench.executor.submit(orders(3))
    time.sleep(0.1)
    assert sorted(r.key[2] for r in bench.back(3)) == [0, 1, 2]


def test_a_hung_order_is_lost_to_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def behave(order: WorkOrder) -> Segment:
        release.wait(5.0)
        return segment(order)

    bench = Bench(monkeypatch, behave, 1, limit_s=0.5)
    bench.executor.submit(orders(2))
    (failure,) = bench.back(1)
    release.set()
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.retryable, failure.key) == ("deadline", True, (0, "walk", 0))
    assert bench.told == ["deadline"]
    assert [r.key for r in bench.back(1)] == [(0, "walk", 1)]  # it had waited behind
    assert bench.staff.let_go_of == 1


def test_a_late_order_comes_back_from_an_idle_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = threading.Event()

    def behave(order: WorkOrder) -> Segment:
        if order.round == 1 or (order.replica == 0 and not slow.is_set()):
            slow.set()
            time.sleep(0.9 + 0.6 * order.round)
        return segment(order)

    bench = Bench(monkeypatch, behave, 2)
    bench.executor.submit(orders(6))
    assert sorted(r.key[2] for r in bench.back(6)) == [0, 1, 2, 3, 4, 5]
    assert bench.told == ["spare", "spare"]  # the late one, and the one that waited behind it
    bench.executor.submit([WorkOrder(1, "walk", 0, cost_hint=1000.0)])
    late = sorted(r.key for r in bench.back(3))
    # the duplicates, for their taker to drop
    assert late == [(0, "walk", 0), (0, "walk", 2), (1, "walk", 0)]


def test_not_finite_walkers_cost_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def behave(order: WorkOrder) -> Segment:
        return Segment(order.key, carry={"walkers": {"positions": np.array([np.nan])}})

    bench = Bench(monkeypatch, behave, 1)
    bench.executor.submit(orders(1))
    (failure,) = bench.back(1)
    assert isinstance(failure, Failure)
    assert failure.kind == "numbers"
    assert bench.staff.let_go_of == 1


def test_a_dead_worker_loses_only_what_it_was_busy_with(monkeypatch: pytest.MonkeyPatch) -> None:
    dead: list[int] = []  # the worker's thread: what waits behind the order dies with it

    def behave(order: WorkOrder) -> Segment:
        if not dead:
            dead.append(threading.get_ident())
        if threading.get_ident() in dead:
            raise ActorDiedError
        return segment(order)

    bench = Bench(monkeypatch, behave, 1)
    bench.executor.submit(orders(3))
    found = bench.back(3)
    assert [r.key[2] for r in found if isinstance(r, Failure)] == [0]
    assert sorted(r.key[2] for r in found if isinstance(r, Segment)) == [1, 2]


def test_once_the_pulse_says_so_only_what_is_at_a_worker_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_executor, "_LOOK_S", -1.0)
    release, seen = threading.Event(), list[int]()

    def behave(order: WorkOrder) -> Segment | Begun:
        release.wait(30.0)
        whole = bench.staff.seats[0].actor.halted is False
        return segment(order) if whole else Begun(order.key, {"calls": []}, 5)

    def pulse(evaluations: int) -> bool:
        seen.append(evaluations)
        if evaluations:
            release.set()
        return evaluations > 0

    bench = Bench(monkeypatch, behave, 2)
    bench.executor.submit(orders(9))
    found = [one for _ in range(100) for one in bench.executor.completed(0.1, pulse)]
    assert max(seen) >= 7  # what the workers said
    assert 2 <= len(found) <= 4  # one at work and one behind it on each
    assert bench.executor.in_hand() == 0
