"""Getting orders done: what was sent out, what came back, and what was lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgen.actors.base import OrderKey, Segment, Tree, WorkOrder
from msgen.orchestrator.base import Executor, Failure
from msgen.orchestrator.loop.failure_policy import Losses, named
from msgen.orchestrator.run_directory.events import EventLog

_POLL_S = 0.2


class CampaignFailedError(RuntimeError):
    """The campaign cannot go on; one line says why."""


class InterruptedRoundError(Exception):
    """The round was dropped on request."""


class Gatherer:
    """Keeps orders outstanding until each has come back once.

    What was lost is sent out again, within the budgets of `Losses`; an order that raises is not: it
    would raise again.
    """

    def __init__(self, executor: Executor, events: EventLog) -> None:
        self.waited_s = 0.0
        self.waited_for_fits_s = 0.0
        self._executor = executor
        self._events = events
        self._outstanding: dict[OrderKey, WorkOrder] = {}
        self._attempts: dict[OrderKey, int] = {}
        self._back: dict[OrderKey, Segment] = {}
        self._published: set[int] = set()
        self._losses = Losses()

    def publish(self, models: Mapping[int, Tree]) -> None:
        """Let the workers know exactly these versions."""
        for version in sorted(self._published - set(models)):
            self._executor.retire(version)
        for version in sorted(set(models) - self._published):
            self._events.write("model", version=version)
            self._executor.publish(version, models[version])
        self._published = set(models)

    def submit(self, orders: Sequence[WorkOrder]) -> None:
        """Send orders out.

        Raises
        ------
        CampaignFailedError
            For two orders with one key, or a model version that was not published.
        """
        for order in orders:
            if order.key in self._outstanding or order.key in self._back:
                raise CampaignFailedError(f"two orders have the key {order.key}")
            if order.model_version >= 0 and order.model_version not in self._published:
                raise CampaignFailedError(
                    f"order {order.key} needs model {order.model_version}, which its plan has not"
                )
            self._outstanding[order.key] = order
        self._executor.submit(orders)

    def wait(self, keys: Iterable[OrderKey], urgent: Callable[[], bool]) -> list[Segment]:
        """Block until the orders `keys` are back; in the order of their keys, whatever came first.

        Raises
        ------
        InterruptedRoundError
            Once `urgent` says so.
        CampaignFailedError
            If an order raised, or was lost too often.
        """
        wanted = sorted(keys)
        missing = {key for key in wanted if key not in self._back}
        while missing:
            started = time.perf_counter()
            for result in self._executor.completed(_POLL_S):
                self._waited(time.perf_counter() - started, missing)
                self._take(result)
                missing.discard(result.key if result.key in self._back else (-1, "", -1))
                started = time.perf_counter()
                if not missing or urgent():
                    break
            else:
                self._waited(time.perf_counter() - started, missing)
            if missing and urgent():
                raise InterruptedRoundError
        return [self._back.pop(key) for key in wanted]

    def _waited(self, seconds: float, missing: Iterable[OrderKey]) -> None:
        self.waited_s += seconds
        if all(self._outstanding[key].is_fit for key in missing):
            self.waited_for_fits_s += seconds

    def _take(self, result: Segment | Failure) -> None:
        order = self._outstanding.get(result.key)
        if order is None:  # a late duplicate; keyed streams make it equal to the first
            self._events.write("duplicate", order=list(result.key))
            return
        if isinstance(result, Segment):
            self._back[result.key] = result
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
        attempt = self._attempts[result.key] = self._attempts.get(result.key, 1) + 1
        self._events.write("retry", order=list(result.key), attempt=attempt)
        self._executor.submit([order])
