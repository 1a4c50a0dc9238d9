"""A round while its orders are under way: how far it is, and whether it has to be left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from msgen.actors.base import WorkOrder
from msgen.orchestrator.base import Activity, Status, StepPlan
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.cost_account import Account
from msgen.orchestrator.loop.order_tracker import Gatherer
from msgen.orchestrator.loop.stop import StopFlag

Tell = Callable[[Activity], None]
"""Told what a campaign is at, often; returns at once."""


def say_nothing(now: Activity) -> None:
    """A `Tell` for nobody."""


class RoundWatch:
    """Looked at between orders and between their slices; a `Pulse`.

    Parameters
    ----------
    rnd : int
        The round.
    plan : StepPlan
    orders : sequence of WorkOrder
        That the round waits for.
    gatherer, account, limits, stop
        What is asked.
    tell : callable
        Told of every look.
    """

    def __init__(
        self,
        rnd: int,
        plan: StepPlan,
        orders: Sequence[WorkOrder],
        *,
        gatherer: Gatherer,
        account: Account,
        limits: Limits,
        stop: StopFlag,
        tell: Tell,
    ) -> None:
        self._round, self._plan = rnd, plan
        self._cost = {order.key: max(1.0, order.cost_hint) for order in orders}
        self._gatherer, self._account = gatherer, account
        self._limits, self._stop, self._tell = limits, stop, tell
        self._spent: str | None = None

    def __call__(self, in_hand: int) -> bool:
        """Whether no further order may begin; `in_hand`: energy evaluations not come back yet."""
        self._tell(self.activity("sampling", in_hand))
        if self._stop.requested:
            return True
        cost = self._account.cost()
        used = cost.energy_evaluations + self._gatherer.evaluations + in_hand
        self._spent = self._limits.spent(
            replace(cost, energy_evaluations=used), self._account.seconds
        )
        return self._spent is not None

    def activity(self, doing: str, in_hand: int = 0) -> Activity:
        """How far the round is."""
        back = self._gatherer.back(self._cost)
        whole = sum(self._cost.values())
        done = sum(self._cost[key] for key in back)
        return Activity(
            doing,
            self._round,
            self._plan.phase,
            len(back),
            len(self._cost),
            self._gatherer.evaluations + in_hand,
            min(1.0, (done + in_hand) / whole),
        )

    def ending(self) -> tuple[Status, str]:
        """Why the round was left, once it has been."""
        back, of = len(self._gatherer.back(self._cost)), len(self._cost)
        kept = f"{back} of {of} orders"
        if self._spent is not None:
            return "exhausted", f"{self._spent} in round {self._round}, of which {kept} are kept"
        where = (
            "before the first round was done"
            if self._round == 0
            else (f"after round {self._round - 1}")
        )
        reason = f"stopped {where}, with {kept} of the next kept"
        return "interrupted", f"{reason}; the same command goes on from there"
