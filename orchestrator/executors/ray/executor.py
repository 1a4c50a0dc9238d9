"""Orders at Ray actors: who gets which, and what is done when it does not come back.

No call is retried by Ray itself: a lost worker is replaced and its order handed back as a retryable
`Failure`. Every order draws from its own stream, so where and how often it ran shows in no sample.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from msgen.actors.base import Begun, OrderKey, Segment, Tree, WorkOrder, copy_tree
from msgen.orchestrator.base import Failure, FailureKind, Pulse
from msgen.orchestrator.executors.ray.metrics import Meters
from msgen.orchestrator.executors.ray.seats import ASIDE, Needs, Seat, Tell
from msgen.orchestrator.executors.ray.staff import FULL, NobodyLeftError, Staff
from msgen.orchestrator.executors.ray.turns import Turns
from msgen.orchestrator.loop.failure_policy import NOT_FINITE, Pace, not_finite

_TICK_S = 0.2
_LOOK_S = 1.0
_LONGEST_PAUSE_S = 30.0


def _say_nothing(event: str, **fields: Any) -> None:
    pass


class RayExecutor:
    """Hands orders to Ray actors, dear ones first, fits to a trainer of their own.

    An order that passes its deadline costs its worker; one that is merely late is given to an idle
    worker as well, and whichever comes back first counts.

    Parameters
    ----------
    setup : Tree
        See `msgen.actors.context.WorkerContext`.
    needs : Needs
    deadline_s : float or None
        See `msgen.orchestrator.loop.failure_policy.Pace`.
    tell : Tell, optional
        Writes events, before what they tell of is done.
    meters : Meters, optional

    Raises
    ------
    RuntimeError
        If the cluster has not the CPUs or GPUs for it.
    """

    def __init__(
        self,
        setup: Tree,
        needs: Needs,
        *,
        deadline_s: float | None = None,
        tell: Tell = _say_nothing,
        meters: Meters | None = None,
    ) -> None:
        self._needs, self._tell = needs, tell
        self._meters = meters or Meters()
        self._pace = Pace(deadline_s)
        self._staff = Staff(setup, needs, tell)
        self._turns = Turns(self._pace)
        self._landed: deque[Segment | Begun | Failure] = deque()
        self._where: dict[Any, Seat] = {}
        self._open: set[OrderKey] = set()
        self._missed: Counter[OrderKey] = Counter()
        self._asked = 0
        self._halted = False
        self._looked = time.monotonic()
        self._pause_s, self._paused_until = 0.0, 0.0

    def publish(self, version: int, model: Tree) -> None:
        """Put the model into the object store once, and tell every actor."""
        self._staff.publish(version, model)

    def retire(self, version: int) -> None:
        """Let every actor forget a version, after the orders it was sent before."""
        self._staff.retire(version)

    def submit(self, orders: Sequence[WorkOrder]) -> None:
        """Hand out what fits, queue the rest."""
        self._open.update(order.key for order in orders)
        self._turns.queue(orders)
        self._hand_out()

    def completed(
        self, timeout_s: float | None = None, pulse: Pulse | None = None
    ) -> Iterator[Segment | Begun | Failure]:
        """Yield all that has come back; a worker gets its next order before its result is taken."""
        until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while not self._landed and self._open:
            if pulse is not None and not self._halted and pulse(self._so_far()):
                self._halt()
            if self._halted and not self.in_hand():
                break
            self._wait(min(_TICK_S, max(0.0, until - time.monotonic())))
            try:
                self._staff.look(workers=self._turns.waiting > 0, trainer=self._turns.fits > 0)
            except NobodyLeftError as error:
                self._give_up(str(error))
            self._overdue()
            self._hand_out()
            if time.monotonic() >= until:
                break
        # one by one: who asks may stop in the middle, and ask again
        while self._landed:
            yield self._landed.popleft()

    def _halt(self) -> None:
        """No order is handed out any more, and those at the workers end with their slice."""
        self._halted = True
        for seat in self._staff.seats:
            seat.actor.halt.options(concurrency_group=ASIDE).remote()

    def _so_far(self) -> int:
        """Energy evaluations of the orders at the workers, as far as it is known by now."""
        now = time.monotonic()
        if now - self._looked > _LOOK_S:
            self._looked = now
            for seat in self._staff.seats:
                self._ask(seat)
        return sum(seat.so_far for seat in self._staff.seats if seat.flying)

    def _ask(self, seat: Seat) -> None:
        """Take the answer to the last question, and ask again."""
        if seat.asked is not None:
            if not ray.wait([seat.asked], timeout=0)[0]:
                return
            with suppress(RayError):  # it is lost, as will be seen soon
                seat.so_far = ray.get(seat.asked)
        seat.asked = None
        if seat.ready and seat.flying:
            seat.asked = seat.actor.in_hand.options(concurrency_group=ASIDE).remote()

    def in_hand(self) -> int:
        """Orders that were sent to a worker and are not back."""
        return sum(len(seat.flying) for seat in self._staff.seats)

    def workers(self) -> int:
        """Workers that there are, or that are starting."""
        return len(self._staff.seats)

    def ask(self, workers: int) -> None:
        """Ask Ray's autoscaler for the CPUs and GPUs of so many workers; 0 takes it back.

        Without an autoscaler nothing comes of it.
        """
        each = {"CPU": float(self._needs.cpus), "GPU": self._needs.worker_gpus}
        bundle = {what: amount for what, amount in each.items() if amount}
        request_resources(bundles=[bundle] * workers)
        self._asked = workers

    def close(self) -> None:
        """End all actors, whatever they are doing."""
        if self._asked:
            self.ask(0)
        self._open.clear()
        self._staff.close()

    def _wait(self, timeout_s: float) -> None:
        starting = {seat.starting: seat for seat in self._staff.everyone() if not seat.ready}
        refs = [*self._where, *starting]
        if not refs:
            time.sleep(timeout_s)
            return
        ready, _ = ray.wait(refs, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        there = set(ready)
        for ref in [ref for ref in starting if ref in there]:
            try:
                self._staff.begun(starting[ref])
            except NobodyLeftError as error:
                self._give_up(str(error))
        # in the order of submission, which is that in which a worker did them
        for ref in [ref for ref in self._where if ref in there]:
            if ref in self._where:  # else its worker was lost a moment ago
                self._land(ref)

    def _hand_out(self) -> None:
        now = time.monotonic()
        if now >= self._paused_until and not self._halted:
            for seat, order in self._turns.due(self._staff.seats, self._staff.trainer):
                self._send(seat, order)
                if self._paused_until > now:
                    break
            for seat, order in self._turns.spares(self._staff.seats, self._open, now):
                self._tell("spare", order=list(order.key))
                self._meters.again.inc(1)
                self._send(seat, order)
        self._meters.queue.set(self._turns.waiting)
        self._meters.flying.set(len(self._where))
        self._meters.workers.set(len(self._staff.seats))

    def _send(self, seat: Seat, order: WorkOrder) -> None:
        if not seat.flying:
            seat.since = time.monotonic()
        try:
            ref = seat.actor.execute.remote(order)
        except FULL as error:
            self._failed(order, "store", _short(error))
            return
        seat.flying[ref] = order
        self._where[ref] = seat

    def _land(self, ref: Any) -> None:
        seat = self._where[ref]
        try:
            segment = ray.get(ref)
        except RayTaskError as error:
            order = self._off(seat, ref)
            if isinstance(error.cause, FULL):
                self._failed(order, "store", _cause(error))
            else:
                self._failed(order, "worker", f"{_cause(error)}\n{error}", retryable=False)
        except FULL as error:
            self._failed(self._off(seat, ref), "store", _short(error))
        except RayError as error:
            self._lose(seat, _kind(error), f"worker lost: {_short(error)}")
        else:
            if isinstance(segment, Begun):
                self._off(seat, ref)
                self._landed.append(replace(segment, log=copy_tree(segment.log)))
            elif not_finite(segment):
                self._lose(seat, "numbers", NOT_FINITE)
            else:
                self._back(seat, ref, segment)

    def _back(self, seat: Seat, ref: Any, segment: Segment) -> None:
        order = self._off(seat, ref)
        self._turns.took(seat, order, segment.wall_s)
        self._pause_s = 0.0
        self._open.discard(order.key)  # if it is not there, it is a duplicate, and the taker sees
        self._missed.pop(order.key, None)
        self._meters.back(segment)
        self._landed.append(_own(segment))

    def _off(self, seat: Seat, ref: Any) -> WorkOrder:
        del self._where[ref]
        seat.so_far, seat.asked = 0, None
        seat.since = time.monotonic()
        return seat.flying.pop(ref)

    def _overdue(self) -> None:
        now = time.monotonic()
        for seat in list(self._staff.everyone()):
            if not seat.flying:
                continue
            order = next(iter(seat.flying.values()))
            limit = self._pace.deadline(order, self._missed[order.key])
            if now - seat.since > limit:
                self._missed[order.key] += 1
                said = f"no answer within {limit:.3g} s; its worker was ended"
                self._tell("deadline", order=list(order.key), after_s=round(now - seat.since, 1))
                self._lose(seat, "deadline", said)

    def _lose(self, seat: Seat, kind: FailureKind, said: str) -> None:
        """Replace the actor of a seat: only the order it was busy with counts as lost."""
        lost: list[WorkOrder] = []
        for ref in list(seat.flying):
            try:
                segment = ray.get(ref, timeout=0)
            except (RayError, TimeoutError):
                lost.append(self._off(seat, ref))
            else:
                if isinstance(segment, Begun) or kind == "numbers":
                    lost.append(self._off(seat, ref))
                else:
                    self._back(seat, ref, segment)
        self._staff.let_go(seat)
        if lost:
            self._failed(lost[0], kind, said)
        self._turns.queue([o for o in lost[1:] if o.key in self._open and not self._elsewhere(o)])

    def _failed(
        self, order: WorkOrder, kind: FailureKind, said: str, *, retryable: bool = True
    ) -> None:
        if kind == "store":  # nothing is gained by filling it again at once
            self._pause_s = min(_LONGEST_PAUSE_S, max(1.0, 2.0 * self._pause_s))
            self._paused_until = time.monotonic() + self._pause_s
        self._meters.failures.inc(1, {"kind": kind})
        if order.key not in self._open or self._elsewhere(order):
            # it came back from another worker, or is about to
            self._tell("spare_lost", order=list(order.key), kind=kind, cause=said)
            return
        self._open.discard(order.key)
        self._landed.append(Failure(order.key, said, retryable, kind))

    def _elsewhere(self, order: WorkOrder) -> bool:
        return any(
            order.key == other.key
            for seat in self._staff.everyone()
            for other in seat.flying.values()
        )

    def _give_up(self, why: str) -> None:
        key = min(self._open, default=None)
        if key is not None:
            self._landed.append(Failure(key, why, retryable=False))


def _own(segment: Segment) -> Segment:
    # what comes from the object store is read-only, and would keep its memory there
    samples = {name: data.copy() for name, data in segment.samples.items()}
    return replace(segment, samples=samples, carry=copy_tree(segment.carry))


def _cause(error: RayTaskError) -> str:
    return f"{type(error.cause).__name__}: {error.cause}"


def _kind(error: RayError) -> FailureKind:
    """What a worker was lost to, as far as Ray tells."""
    text = str(error).lower()
    if isinstance(error, OutOfMemoryError) or "out of memory" in text or "memory pressure" in text:
        return "memory"
    preempted = isinstance(error, RayActorError) and error.preempted
    if preempted or "node has died" in text or "node was terminated" in text:
        return "node"
    return "worker"


def _short(error: RayError) -> str:
    return " ".join(str(error).split())[:500]
