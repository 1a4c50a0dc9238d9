"""Whose turn it is: which order goes to which worker next. Knows seats, not Ray.

A worker on a slow node gets no order that the others would have done sooner, and an order that is
late is done by an idle worker as well: nobody waits for one node at the end of a round.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence

from msgen.actors.base import OrderKey, WorkOrder
from msgen.orchestrator.executors.ray.seats import Seat
from msgen.orchestrator.loop.failure_policy import Pace

_SLOW = 2.0
"""Times the typical time of an order: a worker that takes longer is slow."""

_RETRIAL = 5.0
"""A slow worker that has idled for so many of its orders is given another chance."""

_MEMORY = 0.5


class Turns:
    """Orders that wait, and the order in which workers get them.

    Parameters
    ----------
    pace : Pace
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._orders: list[WorkOrder] = []
        self._fits: list[WorkOrder] = []

    @property
    def waiting(self) -> int:
        """Orders that nobody has, fits left out."""
        return len(self._orders)

    @property
    def fits(self) -> int:
        """Fits that wait for the trainer."""
        return len(self._fits)

    def queue(self, orders: Sequence[WorkOrder]) -> None:
        """Let orders wait: earlier rounds first, dear ones before cheap ones."""
        self._fits.extend(order for order in orders if order.is_fit)
        self._orders.extend(order for order in orders if not order.is_fit)
        self._fits.sort(key=lambda order: order.key)
        self._orders.sort(key=lambda order: (order.round, -order.cost_hint, order.key))

    def took(self, seat: Seat, order: WorkOrder, seconds: float) -> None:
        """An order came back from a seat."""
        typical = self._pace.typical(order)
        self._pace.took(order, seconds)
        if typical:
            seat.pace += _MEMORY * (seconds / typical - seat.pace)

    def due(self, seats: Sequence[Seat], trainer: Seat) -> Iterator[tuple[Seat, WorkOrder]]:
        """Pairs to be sent, one after the other: each has to fly before the next is asked for."""
        if self._fits and trainer.ready and not trainer.flying:
            yield trainer, self._fits.pop(0)
        up = sorted((seat for seat in seats if seat.ready), key=lambda seat: seat.pace)
        # a second order spares a worker the wait for the controller, but near the end of a round it
        # would sit behind a long one while others idle
        for depth in (1, 2):
            for seat in up:
                if len(seat.flying) >= depth or len(self._orders) <= (depth - 1) * len(up):
                    continue
                if seat.pace > _SLOW and (depth > 1 or self._sooner_without(seat, up)):
                    continue
                yield seat, self._orders.pop(0)

    def spares(
        self, seats: Sequence[Seat], wanted: Collection[OrderKey], now: float
    ) -> Iterator[tuple[Seat, WorkOrder]]:
        """Late orders that are still wanted, for workers with nothing else to do."""
        if self._orders:
            return
        idle = [s for s in seats if s.ready and not s.flying and s.pace <= _SLOW]
        if not idle:
            return
        idle.sort(key=lambda seat: seat.pace)
        flying = [(s, i, o) for s in seats for i, o in enumerate(s.flying.values())]
        keys = [order.key for _, _, order in flying]
        late = [
            (now - seat.since, order)
            for seat, ahead, order in flying
            if order.key in wanted
            and keys.count(order.key) == 1
            and self._pace.late(order, now - seat.since, ahead)
        ]
        late.sort(key=lambda pair: -pair[0])
        yield from zip(idle, (order for _, order in late), strict=False)

    def _sooner_without(self, slow: Seat, up: Sequence[Seat]) -> bool:
        """Whether the other workers would have done all that waits before this one is done."""
        others = [seat for seat in up if seat.pace <= _SLOW]
        each = [self._pace.typical(order) for order in self._orders]
        if not others or each[0] is None or None in each:
            return False
        its_time = slow.pace * each[0]
        if time.monotonic() - slow.since > _RETRIAL * its_time:
            return False
        rest = sum(t for t in each if t is not None) / len(others) + each[0]
        return its_time > rest
