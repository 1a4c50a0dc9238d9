"""What passes between the controller, the strategies, the executors and the monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from numpy.typing import NDArray

from msgen.actors.base import Array, Begun, OrderKey, Segment, Tree, WorkOrder, stream
from msgen.models.base import ModelState
from msgen.orchestrator.estimates import (
    Estimate,
    Extent,
    LogZ,
    ProfileEstimate,
    StateEstimate,
    SurfaceEstimate,
    WithError,
)

__all__ = [
    "Activity",
    "Array",
    "Begun",
    "Cost",
    "Ended",
    "Estimate",
    "Executor",
    "Extent",
    "Failure",
    "FailureKind",
    "LogZ",
    "OrderKey",
    "Phase",
    "ProfileEstimate",
    "Pulse",
    "Reporter",
    "RoundInfo",
    "Segment",
    "StateEstimate",
    "Status",
    "StepPlan",
    "Strategy",
    "SurfaceEstimate",
    "Tree",
    "WithError",
    "WorkOrder",
    "stream",
]

S = TypeVar("S")

Phase = Literal["explore", "adapt", "produce", "done", "exhausted"]


FailureKind = Literal["worker", "node", "memory", "deadline", "store", "numbers"]
"""What was lost or wrong: the worker, its node, memory, patience, the object store, the walkers."""


@dataclass(frozen=True)
class Failure:
    """An order that did not come back; `retryable`: its worker was lost, the work did not err."""

    key: OrderKey
    message: str
    retryable: bool
    kind: FailureKind = "worker"


Pulse = Callable[[int], bool]
"""Told now and then how many energy evaluations the orders in hand have taken so far; True: halt.
"""


class Executor(Protocol):
    """Runs work orders somewhere. Results may come back in any order."""

    def publish(self, version: int, model: Tree) -> None:
        """Make a frozen model known to all workers, once per version."""
        ...

    def retire(self, version: int) -> None:
        """Let the workers forget a version that no order needs any more."""
        ...

    def submit(self, orders: Sequence[WorkOrder]) -> None: ...

    def completed(
        self, timeout_s: float | None = None, pulse: Pulse | None = None
    ) -> Iterator[Segment | Begun | Failure]:
        """Yield what has come back; blocks up to `timeout_s` for the first, None for ever.

        Once `pulse` says so, no order is begun any more and those that wait are forgotten; what is
        in hand still comes back.
        """
        ...

    def in_hand(self) -> int:
        """Orders that a worker is at, fits left out."""
        ...

    def workers(self) -> int:
        """Workers that there are now; nodes may join and leave."""
        ...

    def ask(self, workers: int) -> None:
        """Ask whatever provides nodes for so many workers; 0 takes the request back."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Cost:
    """What the campaign has spent since it began, resumed runs included.

    Attributes
    ----------
    energy_evaluations : int
    wall_s : float
    sampling_s, training_s : float
        Worker seconds inside sampling and fitting orders, summed over workers.
    overhead_s : float
        Wall seconds that the loop added: scheduling, storing, estimating.
    probe_evaluations : int
        Those of the energy evaluations that went to probes.
    """

    rounds: int = 0
    energy_evaluations: int = 0
    wall_s: float = 0.0
    sampling_s: float = 0.0
    training_s: float = 0.0
    overhead_s: float = 0.0
    probe_evaluations: int = 0


@dataclass(frozen=True)
class RoundInfo:
    """One committed round, as the monitor is told of it.

    Attributes
    ----------
    round : int
        Its number, from 0.
    phase : Phase
        The phase its samples were drawn in.
    estimate : Estimate
        Free energies after this round.
    counts : Mapping of str to float
        Sum over this round's segments, by 'kind/name' ('steer/accepted' …); fits are left out.
    evaluations : int
        Energy evaluations of this round.
    cost : Cost
        Cumulative.
    replicas : int
        That sampled in it.
    model_version : int
        Newest version that proposed in this round, −1 for none.
    model_loss : float or None
        `counts['held_out_loss']` of the newest fit (nats a sample), None before the first.
    budget : Mapping of str to float
        Fraction spent of each limit: 'energy_evaluations', 'wall', 'rounds' (only those set).
    projected_kT : float or None
        The largest error of a state, with ground or without: how long it will take goes by it.
    cvs : Array, shape (n, C), or None
        CVs of this round's new samples: the stored samples called 'cvs', all replicas in key order.
    samples : Mapping of str to numpy array
        All that this round added to the store, by 'kind/name', replicas in key order.
    """

    round: int
    phase: Phase
    estimate: Estimate
    counts: Mapping[str, float]
    evaluations: int
    cost: Cost
    replicas: int
    model_version: int
    model_loss: float | None
    budget: Mapping[str, float]
    projected_kT: float | None = None
    cvs: Array | None = None
    samples: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def unmet(self) -> tuple[str, ...]:
        """The criteria of `converge:` that do not hold yet."""
        return self.estimate.unmet


@dataclass(frozen=True)
class Activity:
    """What a campaign is at between two committed rounds.

    Attributes
    ----------
    doing : str
        In words: 'sampling', 'absorbing', …
    round : int
        −1 before there is one.
    phase : Phase or None
    orders, of : int
        Orders of the round that are back, and how many it has.
    evaluations : int
        Energy evaluations of the round so far.
    share : float
        Of the round's expected cost that is done, 0 to 1.
    """

    doing: str
    round: int = -1
    phase: Phase | None = None
    orders: int = 0
    of: int = 0
    evaluations: int = 0
    share: float = 0.0


NOTHING_LEFT = "the strategy has nothing left to try"
"""Why a campaign is exhausted whose budget is not: a larger one would end at once."""

Ended = Literal["converged", "exhausted", "interrupted", "failed"]
"""How a call ended."""
Status = Ended | Literal["renewed"]
"""How a loop ended; 'renewed': the call goes on with another one, see `loop.extension`."""


class Reporter(Protocol):
    """Is told of every committed round, and writes results; never influences a sample."""

    def round(self, info: RoundInfo) -> None: ...

    def close(self, status: Status, reason: str) -> None:
        """Called once, last; `reason` is one line for a person."""
        ...


@dataclass(frozen=True)
class StepPlan:
    """What a strategy wants next: orders to run this round, and fits to run beside them.

    Attributes
    ----------
    phase : Phase
        'done' or 'exhausted' ends the campaign; `orders` is then not looked at.
    orders : tuple of WorkOrder
        Absorbed together at the end of this round.
    fits : tuple of WorkOrder
        Start with this round and are absorbed with round r + lag, ready earlier or not.
    models : Mapping of int to ModelState
        Every model version that `orders` and `fits` name. The controller publishes what the workers
        do not know yet.
    """

    phase: Phase
    orders: tuple[WorkOrder, ...]
    fits: tuple[WorkOrder, ...] = ()
    models: Mapping[int, ModelState] = field(default_factory=dict)


class Strategy(Protocol[S]):
    """A pure state machine: no clock, no ray, no disk.

    Its state S is a frozen dataclass that `msgen.actors.codec` can encode, so that it survives the
    disk; every method is a function of it and leaves it alone.
    """

    name: str

    def start(self) -> S:
        """The state before round 0."""
        ...

    def read(self, tree: Tree) -> S:
        """The state that was encoded as `tree`."""
        ...

    def decide(self, state: S) -> StepPlan:
        """The next round's orders."""
        ...

    def absorb(self, state: S, segments: Sequence[Segment]) -> S:
        """The state after a round; `segments` are sorted by key. Includes fits that are due."""
        ...

    def estimate(self, state: S) -> Estimate: ...

    def replicas(self, state: S) -> int:
        """How many sample in the next round."""
        ...

    def resize(self, state: S, replicas: int) -> S:
        """The state with so many replicas, near that where strata need more, or as it is where
        their number cannot change yet."""
        ...
