"""What a campaign has spent, the processes before this one included."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from msgen.actors.base import Segment
from msgen.orchestrator.base import Cost
from msgen.orchestrator.loop.ledger import spend
from msgen.orchestrator.loop.order_tracker import Gatherer


class Account:
    """Adds up rounds, and tells what the loop took for itself.

    With workers beside the loop, overhead is the wall time less the share of it that they sampled,
    less the time when nothing but a fit was waited for: their start, their idle time at the end of
    a round and orders that were dropped are in it. Without, it is what was not spent in an order.

    Parameters
    ----------
    gatherer : Gatherer
    workers : callable, optional
        How many sample at the same time now; None: orders run in this process.
    earlier_s : float
        Seconds of this call before, that are in the cost already.
    """

    def __init__(
        self, gatherer: Gatherer, workers: Callable[[], int] | None, earlier_s: float = 0.0
    ) -> None:
        self._gatherer, self._workers, self._earlier_s = gatherer, workers, earlier_s
        self._started = self._looked = time.perf_counter()
        self._worker_s = 0.0
        self.begin(Cost())

    def begin(self, cost: Cost) -> None:
        """This process takes over where `cost` had been spent."""
        self._rounds = self._earlier = cost

    @property
    def seconds(self) -> float:
        """Since this call began."""
        return self._earlier_s + time.perf_counter() - self._started

    def add(self, segments: Sequence[Segment]) -> None:
        """A round was absorbed."""
        self._rounds = spend(self._rounds, segments)
        self._look()

    def cost(self) -> Cost:
        """Earlier processes up to their last commit, and this one up to now."""
        self._look()
        wall = time.perf_counter() - self._started
        busy = self._gatherer.waited_s
        if self._workers is not None:
            sampled = self._rounds.sampling_s - self._earlier.sampling_s
            share = sampled / self._worker_s if self._worker_s > 0 else 0.0
            busy = share * wall + self._gatherer.waited_for_fits_s
        return replace(
            self._rounds,
            wall_s=self._rounds.wall_s + wall,
            overhead_s=self._rounds.overhead_s + max(0.0, wall - busy),
        )

    def _look(self) -> None:
        # nodes come and go: what could have been worked is counted as time passes
        now = time.perf_counter()
        if self._workers is not None:
            self._worker_s += (now - self._looked) * self._workers()
        self._looked = now
