"""Everything in this process, one order after the other. No ray is needed."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence

from msgen.actors.base import Begun, Segment, Tree, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.worker import Worker
from msgen.orchestrator.base import Failure, Pulse
from msgen.orchestrator.loop.failure_policy import NOT_FINITE, not_finite


def describe(error: BaseException) -> str:
    """'Type: message' on the first line, then the traceback."""
    text = "".join(traceback.format_exception(error))
    return f"{type(error).__name__}: {error}".splitlines()[0] + "\n" + text


class InlineExecutor:
    """Runs an order each time a result is asked for.

    Parameters
    ----------
    setup : Tree
        See `msgen.actors.context.WorkerContext`.
    context : WorkerContext, optional
        Of the same setup, where this process has one already.
    """

    def __init__(self, setup: Tree, context: WorkerContext | None = None) -> None:
        self._worker = Worker(setup, context)
        self._queue: list[WorkOrder] = []

    def publish(self, version: int, model: Tree) -> None:
        """Make a frozen model known."""
        self._worker.publish(version, model)

    def retire(self, version: int) -> None:
        """Forget a version."""
        self._worker.retire(version)

    def submit(self, orders: Sequence[WorkOrder]) -> None:
        """Queue orders; fits come after sampling, so that a round need not wait for them."""
        self._queue.extend(orders)
        self._queue.sort(key=lambda order: (order.round, order.is_fit, -order.cost_hint, order.key))

    def completed(
        self, timeout_s: float | None = None, pulse: Pulse | None = None
    ) -> Iterator[Segment | Begun | Failure]:
        """Run one queued order a step; `timeout_s` is not looked at, an order takes its time.

        `pulse` is asked before each order, and between the slices of one.
        """
        while self._queue:
            if pulse is not None and pulse(0):
                self._queue.clear()
                return
            order = self._queue.pop(0)
            try:
                done = self._worker.execute(order, pulse)
            except Exception as error:  # whatever a role raises is that order's failure
                yield Failure(order.key, describe(error), retryable=False)
                continue
            if isinstance(done, Segment) and not_finite(done):  # there is no other worker to try
                yield Failure(order.key, NOT_FINITE, retryable=False, kind="numbers")
                continue
            yield done

    def in_hand(self) -> int:
        """None between two results."""
        return 0

    def workers(self) -> int:
        """This process."""
        return 1

    def ask(self, workers: int) -> None:
        """There is nobody to ask."""

    def close(self) -> None:
        """Drop what was not run."""
        self._queue.clear()
