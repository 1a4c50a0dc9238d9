"""What passes between the controller, the strategies, the executors and the monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Array, Begun, OrderKey, Segment, Tree, WorkOrder, stream
from msgen.models.base import ModelState

__all__ = [
    "Activity",
    "Array",
    "Begun",
    "Cost",
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
class StateEstimate:
    f_kT: float | None
    stderr_kT: float | None


@dataclass(frozen=True)
class LogZ:
    """ln Z, Z = ∫ exp(−U/kT) dx over all coordinates in their own units, and how it was got."""

    value: float
    stderr: float | None
    method: str


@dataclass(frozen=True)
class ProfileEstimate:
    """F along the one CV from the work at intermediate λ of `paths` paths run both ways.

    `f_kT` and `stderr_kT` are on the bins of the surface; lowest bin 0, NaN where unknown.
    """

    f_kT: Array
    stderr_kT: Array
    paths: int


class WithError(NamedTuple):
    """A free energy beside the result, in `Estimate.diagnostics`, and its standard error, kT."""

    value: float
    stderr: float | None


@dataclass(frozen=True)
class Extent:
    """How long production is.

    Attributes
    ----------
    rounds : int
        That count.
    memories : float
        Times that a replica has forgotten where it was: its length over the statistical
        inefficiency of the slowest observable. +inf where draws are independent, NaN where unknown.
    left_out : float
        Share at the beginning that no estimate rests on.
    """

    rounds: int
    memories: float
    left_out: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """Free energies after a round.

    Attributes
    ----------
    axes : Mapping of CV name to bin centres
    f_kT, stderr_kT : Array, one axis per CV in order
        NaN where never visited; lowest bin 0.
    states : Mapping of state name to StateEstimate
        F = −ln P(state), against the first state.
    diagnostics : Mapping
        'ess', 'r_hat', 'round_trips', 'acceptance' (per move kind), 'overlap' … JSON-able. Free
        energies in it are `WithError`, or mappings with 'stderr_kT'.
    converged, unmet
        Whether every criterion of `converge:` holds, and which do not, in words.
    log_z : LogZ or None
        Where the strategy has a proposal whose density is known.
    profile : ProfileEstimate or None
        Where steered paths were read on their way.
    ungrounded : tuple of str
        Why the errors mean nothing, in words; empty where they do. See `told`.
    standing : bool
        Whether all criteria hold by their values, the size of the errors left aside.
    extent : Extent or None
        Of the production that this rests on; None while nothing counts.
    """

    axes: Mapping[str, Array]
    f_kT: Array
    stderr_kT: Array
    states: Mapping[str, StateEstimate]
    diagnostics: Mapping[str, Any]
    converged: bool
    unmet: tuple[str, ...]
    log_z: LogZ | None = None
    profile: ProfileEstimate | None = None
    ungrounded: tuple[str, ...] = ()
    standing: bool = False
    extent: Extent | None = None

    @property
    def largest_error(self) -> float | None:
        """Of any state, as the estimator has it; None where one is not known."""
        known = [s.stderr_kT for s in self.states.values() if s.stderr_kT is not None]
        return max(known) if known and len(known) == len(self.states) else None

    def told(self) -> Estimate:
        """As anybody is told it: an error without ground is not known.

        The estimator's own errors stay where effort is allotted and length is projected by them;
        what leaves the loop is this. The state that the others are measured against has 0.
        """
        if not self.ungrounded:
            return self
        unknown = {
            name: s if s.stderr_kT == 0 else replace(s, stderr_kT=None)
            for name, s in self.states.items()
        }
        log_z, profile = self.log_z, self.profile
        if log_z is not None:
            log_z = replace(log_z, stderr=None)
        if profile is not None:
            profile = replace(profile, stderr_kT=np.full_like(profile.stderr_kT, np.nan))
        return replace(
            self,
            stderr_kT=np.full_like(self.stderr_kT, np.nan),
            states=unknown,
            diagnostics=_without_errors(self.diagnostics),
            log_z=log_z,
            profile=profile,
        )


def _without_errors(told: Any) -> Any:
    """Diagnostics, whose free energies have no error that is known."""
    if isinstance(told, WithError):
        return told._replace(stderr=None)
    if isinstance(told, Mapping):
        return {
            name: None if name == "stderr_kT" else _without_errors(value)
            for name, value in told.items()
        }
    return told


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


Status = Literal["converged", "exhausted", "interrupted", "failed", "renewed"]
"""Of a call; 'renewed': it goes on by beginning anew, see `loop.extension`."""


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
