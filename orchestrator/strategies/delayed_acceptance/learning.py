"""What the flow of the replicas' configurations has learnt, and what it is to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.orders.delayed import DelayedRecord, FlowWalks
from msgen.actors.orders.fit import FitPayload
from msgen.actors.orders.proposals import BroadGaussian
from msgen.models.base import ModelState
from msgen.systems.base import Array

RECENT = 50
"""Configurations that every replica hands to the next fit in a round."""
KEEP = 6
"""Rounds whose configurations a fit sees."""
ENOUGH = 60
"""Configurations without which there is no fit, of the flow or of the surrogate."""
RISE, STALLED = 1.03, 2
"""A share rises no longer when so many rounds in a row have not raised it by this factor."""


@dataclass(frozen=True)
class Rising:
    """A share of moves that are accepted, round by round.

    Attributes
    ----------
    now, best : float
        In the last round, and in the best one.
    stalled : int
        Rounds in a row that have not raised it.
    """

    now: float = 0.0
    best: float = 0.0
    stalled: int = 0

    def then(self, share: float) -> Rising:
        """And a round."""
        stalled = 0 if share > RISE * self.best else self.stalled + 1
        return Rising(share, max(self.best, share), stalled)

    @property
    def is_over(self) -> bool:
        """Whether it rises no longer."""
        return self.stalled >= STALLED


@dataclass(frozen=True)
class FlowLearning:
    """The flow of the adaptation.

    Attributes
    ----------
    version : int
        In use, −1 for none; of one series with those of the surrogate.
    model : ModelState or None
    recent, recent_replica : tuple of Array (n, d) and of int array (n,)
        Configurations of the last rounds in its variables, and whose they are.
    broad : BroadGaussian or None
        About them; None before anything was seen.
    moved : Rising
        Share of its walks that ended elsewhere, both tests passed.
    """

    version: int = -1
    model: ModelState | None = None
    recent: tuple[Array, ...] = ()
    recent_replica: tuple[NDArray[np.int64], ...] = ()
    broad: BroadGaussian | None = None
    moved: Rising = Rising()

    def walks(self, spec: Mapping[str, Any], adapting: bool) -> FlowWalks:
        """As an order has them; `spec` is the section `strategy.flow`."""
        return FlowWalks(
            version=self.version,
            walks=int(spec["walks"]),
            moves=int(spec["moves"]),
            epsilon=float(spec["broad"]),
            broad=self.broad,
            recent=RECENT if adapting else 0,
            draws=0 if adapting else int(spec["draws"]),
        )

    def lesson(self, periodic: Sequence[bool]) -> FitPayload | None:
        """What a fit is told; None while too little was seen."""
        if sum(map(len, self.recent)) < ENOUGH:
            return None
        data = np.concatenate(self.recent)
        return FitPayload(
            data=data,
            weights=np.ones(len(data)),
            stratum=np.zeros(len(data), dtype=np.int64),
            n_strata=1,
            periodic=np.array(periodic, dtype=bool),
            unit=np.concatenate(self.recent_replica),
            goes_on=True,
        )

    def after(self, segments: Sequence[Segment], moves: int) -> FlowLearning:
        """And a round of the adaptation, with so many proposals in a walk."""
        records = [s.read(DelayedRecord) for s in segments]
        recent = np.concatenate([r.recent for r in records if r.recent is not None])
        owner = np.concatenate([r.recent_replica for r in records if r.recent_replica is not None])
        kept = (*self.recent, recent)[-KEEP:]
        passed = sum(s.counts["flow_passed"] for s in segments)
        walks = sum(s.counts["flow_proposed"] for s in segments) / moves
        return replace(
            self,
            recent=kept,
            recent_replica=(*self.recent_replica, owner)[-KEEP:],
            broad=BroadGaussian.about(np.concatenate(kept)),
            moved=self.moved.then(passed / walks) if walks else self.moved,
        )

    def frozen(self) -> FlowLearning:
        """Nothing is learnt any more."""
        return replace(self, recent=(), recent_replica=())


def accepted(totals: Mapping[str, float]) -> dict[str, float | None]:
    """Shares that passed: proposals the surrogate's test, walks that moved the system's."""
    pairs = {"first_test": ("flow_accepted", "flow_proposed"),
             "second_test": ("flow_passed", "flow_tested")}  # fmt: skip
    return {
        name: totals.get(passed, 0.0) / totals[made] if totals.get(made) else None
        for name, (passed, made) in pairs.items()
    }
