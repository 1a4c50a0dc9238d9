"""Getting orders done: what was sent out, what came back, and what was lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from msgen.actors.base import Begun, OrderKey, Segment, Tree, WorkOrder
from msgen.orchestrator.base import Executor, Failure, Pulse
from msgen.orchestrator.loop.failure_policy import Losses, named
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.unfinished import Kept, Unfinished, asked

_POLL_S = 0.2
_SAVE_S = 2.0
"""How long an order that came back may be in memory only, while its round goes on."""


class CampaignFailedError(RuntimeError):
    """The campaign cannot go on; one line says why."""


class HaltedRoundError(Exception):
    """The round was left on request; what its orders did is kept."""


class Gatherer:
    """Keeps orders outstanding until each has come back once.

    What was lost is sent out again, within the budgets of `Losses`; an order that raises is not: it
    would raise again. What came back is kept on disk while the round goes on, and is not sent out
    again by the run that resumes it.

    Attributes
    ----------
    waited_s, waited_for_fits_s : float
        Seconds that `wait` took, and those of them when only fits were missing.
    evaluations : int
        Energy evaluations of orders that no round has taken yet, those in hand left out.
    """

    def __init__(self, executor: Executor, events: EventLog, unfinished: Unfinished) -> None:
        self.waited_s = 0.0
        self.waited_for_fits_s = 0.0
        self._executor = executor
        self._events = events
        self._unfinished = unfinished
        self._outstanding: dict[OrderKey, WorkOrder] = {}
        self._attempts: dict[OrderKey, int] = {}
        self._back: dict[OrderKey, Segment] = {}
        self._kept: dict[OrderKey, Kept] = {}
        self._unsaved: list[tuple[WorkOrder, Segment | Begun]] = []
        self._saved = time.monotonic()
        self._published: set[int] = set()
        self._losses = Losses()
        self.evaluations = 0

    def restore(self, rnd: int, fits: Collection[OrderKey]) -> None:
        """Take up what is kept of round `rnd` and of these fits of rounds before."""
        self._kept, damaged = self._unfinished.read(lambda key: key[0] == rnd or key in fits)
        self.evaluations = sum(one.done.evaluations for one in self._kept.values())
        for line in damaged:
            self._events.write("damaged", what=line, back_to=rnd - 1)

    def publish(self, models: Mapping[int, Tree]) -> None:
        """Let the workers know exactly these versions."""
        for version in sorted(self._published - set(models)):
            self._executor.retire(version)
        for version in sorted(set(models) - self._published):
            self._events.write("model", version=version)
            self._executor.publish(version, models[version])
        self._published = set(models)

    def submit(self, orders: Sequence[WorkOrder]) -> None:
        """Send orders out, but for those that were done before this process.

        Raises
        ------
        CampaignFailedError
            For two orders with one key, or a model version that was not published.
        """
        out: list[WorkOrder] = []
        for order in orders:
            if order.key in self._outstanding or order.key in self._back:
                raise CampaignFailedError(f"two orders have the key {order.key}")
            if order.model_version >= 0 and order.model_version not in self._published:
                raise CampaignFailedError(
                    f"order {order.key} needs model {order.model_version}, which its plan has not"
                )
            known = self._kept.pop(order.key, None)
            if known is not None and known.asked != asked(order):
                self._unfinished.forget([order.key])
                self.evaluations -= known.done.evaluations
                known = None
            if known is not None and isinstance(known.done, Segment):
                self._back[order.key] = known.done
                continue
            if known is not None and isinstance(known.done, Begun):
                order = replace(order, begun=known.done)
            self._outstanding[order.key] = order
            out.append(order)
        self._executor.submit(out)

    def wait(
        self, keys: Iterable[OrderKey], pulse: Pulse, urgent: Callable[[], bool]
    ) -> list[Segment]:
        """Block until the orders `keys` are back; in the order of their keys, whatever came first.

        Raises
        ------
        HaltedRoundError
            Once `pulse` says so and nothing is in hand, or `urgent` does.
        CampaignFailedError
            If an order raised, or was lost too often.
        """
        wanted = sorted(keys)
        missing = {key for key in wanted if key not in self._back}
        halted = False

        def beat(in_hand: int) -> bool:
            nonlocal halted
            halted = halted or pulse(in_hand)
            return halted

        try:
            while missing:
                started = time.perf_counter()
                for result in self._executor.completed(_POLL_S, beat):
                    self._waited(time.perf_counter() - started, missing)
                    self._take(result, again=not halted)
                    missing -= self._back.keys()
                    if time.monotonic() - self._saved > _SAVE_S:
                        self._save()
                    started = time.perf_counter()
                    if not missing or urgent():
                        break
                else:
                    self._waited(time.perf_counter() - started, missing)
                if missing and (urgent() or (halted and not self._executor.in_hand())):
                    raise HaltedRoundError
        except BaseException:
            with suppress(OSError):  # what ended it is told, not that nothing can be kept
                self._save()
            raise
        segments = [self._back.pop(key) for key in wanted]
        self.evaluations -= sum(segment.evaluations for segment in segments)
        return segments

    def committed(self, segments: Iterable[Segment]) -> None:
        """These are in the store now."""
        gone = {segment.key for segment in segments}
        self._unfinished.forget(gone)
        self._unsaved = [(order, done) for order, done in self._unsaved if done.key not in gone]
        self._saved = time.monotonic()

    def back(self, keys: Iterable[OrderKey]) -> list[OrderKey]:
        """Which of these orders are back."""
        return [key for key in keys if key in self._back]

    def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, []
        self._unfinished.add(unsaved)
        self._saved = time.monotonic()

    def _waited(self, seconds: float, missing: Iterable[OrderKey]) -> None:
        self.waited_s += seconds
        if all(self._outstanding[key].is_fit for key in missing):
            self.waited_for_fits_s += seconds

    def _take(self, result: Segment | Begun | Failure, *, again: bool) -> None:
        order = self._outstanding.get(result.key)
        if order is None:  # a late duplicate; keyed streams make it equal to the first
            self._events.write("duplicate", order=list(result.key))
            return
        known = 0 if order.begun is None else order.begun.evaluations
        if isinstance(result, Begun):
            if result.log:
                self._unsaved.append((order, result))
                self.evaluations += result.evaluations - known
            return
        if isinstance(result, Segment):
            self.evaluations += result.evaluations - known
            self._back[result.key] = result
            self._unsaved.append((order, result))
            del self._outstanding[result.key]
            self._attempts.pop(result.key, None)
            self._losses.back(result.key)
            return
        cause = result.message.splitlines()[0] if result.message else "no cause given"
        self._events.write(
            "failure",
            order=list(result.key),
            kind=result.kind,
            retryable=result.retryable,
            cause=result.message,
        )
        if not result.retryable:
            raise CampaignFailedError(f"{named(result.key)} failed: {cause}")
        enough = self._losses.lost(result.key, result.kind)
        if enough is not None:
            raise CampaignFailedError(f"{enough}; last: {cause}")
        if not again:
            return
        attempt = self._attempts[result.key] = self._attempts.get(result.key, 1) + 1
        self._events.write("retry", order=list(result.key), attempt=attempt)
        self._executor.submit([order])
