"""What may go wrong with an order, how often each kind of it is borne, and when an order is late.

Nothing here looks at a clock or at ray: executors and the gatherer tell it what happened.
"""

from __future__ import annotations

import statistics
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from msgen.actors.base import OrderKey, Segment, WorkOrder, bare
from msgen.orchestrator.base import FailureKind

CALM = 40
"""Orders that come back for one loss of each kind to be forgiven."""

FIRST_DEADLINE_S = 3600.0
LEAST_DEADLINE_S = 60.0
PATIENCE = 10.0
"""An order may take so many times as long as the slowest of its kind."""

NOT_FINITE = "it handed on a walker with positions or velocities that are not finite"

_LATE, _LATE_S = 2.0, 0.3
_REMEMBERED = 64


@dataclass(frozen=True)
class _Budget:
    per_order: int
    at_once: int
    what: str
    remedy: str


_BUDGETS: dict[FailureKind, _Budget] = {
    "worker": _Budget(3, 25, "lost its worker", "see logs/ and Ray's logs of that worker"),
    "node": _Budget(20, 60, "lost its node", "see why nodes leave the cluster"),
    "memory": _Budget(
        3, 10, "ran out of memory", "use fewer resources.workers, or more cpus_per_worker"
    ),
    "deadline": _Budget(
        3, 12, "missed its deadline", "if the work takes that long, raise resources.deadline"
    ),
    "store": _Budget(
        8, 20, "found Ray's object store full", "give `ray start` a larger --object-store-memory"
    ),
    "numbers": _Budget(2, 6, "gave walkers that are not finite", "look at that worker's hardware"),
}


class Losses:
    """Counts what went wrong; every kind has a budget per order and one for the campaign.

    The campaign's refills with work that comes back: a loss now and then may go on for weeks, a
    crash loop may not.
    """

    def __init__(self) -> None:
        self._of_order: Counter[tuple[OrderKey, FailureKind]] = Counter()
        self._of_kind: Counter[FailureKind] = Counter()
        self._calm = 0

    def back(self, key: OrderKey) -> None:
        """An order came back."""
        for kind in _BUDGETS:
            self._of_order.pop((key, kind), None)
        self._calm += 1
        if self._calm >= CALM:
            self._calm = 0
            self._of_kind = +Counter({kind: n - 1 for kind, n in self._of_kind.items()})

    def lost(self, key: OrderKey, kind: FailureKind) -> str | None:
        """One more loss; why that was one too many, or None."""
        budget = _BUDGETS[kind]
        self._of_order[key, kind] += 1
        self._of_kind[kind] += 1
        if self._of_order[key, kind] >= budget.per_order:
            return f"{named(key)} {budget.what} {budget.per_order} times ({budget.remedy})"
        if self._of_kind[kind] > budget.at_once:
            return (
                f"{self._of_kind[kind]} times an order {budget.what}, with hardly any work in "
                f"between ({budget.remedy})"
            )
        return None


def named(key: OrderKey) -> str:
    """An order in words."""
    return f"order {key[1]!r} of replica {key[2]} in round {key[0]}"


def not_finite(segment: Segment) -> bool:
    """Whether it hands on a walker that is nowhere: kernels reject such moves, so a fault made it.

    Samples are not looked at: the work of a path that failed is infinite. Nor is `explore`, which
    pushes hard and leaves out what broke.
    """
    if bare(segment.key[1]) == "explore":
        return False
    walkers = segment.carry.get("walkers")
    if not isinstance(walkers, dict):
        return False
    arrays = [a for a in walkers.values() if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    return not all(np.isfinite(a).all() for a in arrays)


class Pace:
    """How long orders take, per kind and unit of `cost_hint`.

    Parameters
    ----------
    deadline_s : float or None
        For every order; None: by the slowest of its kind so far.
    """

    def __init__(self, deadline_s: float | None = None) -> None:
        self._deadline_s = deadline_s
        self._slowest: dict[str, float] = {}
        self._recent: dict[str, deque[float]] = {}
        self._typical: dict[str, float] = {}

    def took(self, order: WorkOrder, seconds: float) -> None:
        """An order came back after so long."""
        rate = seconds / _size(order)
        self._slowest[order.kind] = max(rate, self._slowest.get(order.kind, 0.0))
        recent = self._recent.setdefault(order.kind, deque(maxlen=_REMEMBERED))
        recent.append(rate)
        self._typical[order.kind] = statistics.median(recent)

    def typical(self, order: WorkOrder) -> float | None:
        """Seconds that such an order takes; None where none has come back."""
        rate = self._typical.get(order.kind)
        return None if rate is None else rate * _size(order)

    def late(self, order: WorkOrder, waited_s: float, ahead: int = 0) -> bool:
        """Whether an idle worker might do it sooner; `ahead` of it, others waited for theirs."""
        typical = self.typical(order)
        if typical is None:
            return False
        return waited_s > max(_LATE * (ahead + 1) * typical, (ahead + 1) * typical + _LATE_S)

    def deadline(self, order: WorkOrder, missed: int) -> float:
        """Seconds after which its worker is given up; twice as many after every miss."""
        limit = self._deadline_s
        if limit is None:
            rate = self._slowest.get(order.kind)
            known = FIRST_DEADLINE_S if rate is None else PATIENCE * rate * _size(order)
            limit = max(LEAST_DEADLINE_S, known)
        return limit * 2.0**missed


def _size(order: WorkOrder) -> float:
    return max(1.0, order.cost_hint)
