"""What passes between the controller, the strategies and the executors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Phase = Literal["explore", "adapt", "produce", "done", "exhausted"]

Tree = dict[str, Any]
"""Nested dict whose leaves are numpy arrays, str, int, float, bool, None or lists of these scalars."""

OrderKey = tuple[int, str, int]
"""(round, kind, replica): names a work order and keys its random stream."""


def stream(seed: int, key: OrderKey) -> np.random.Generator:
    """The random stream of one work order, a function of the campaign's seed and the order only."""
    rnd, kind, replica = key
    words = [seed, rnd, *kind.encode(), replica]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


@dataclass(frozen=True)
class WorkOrder:
    """One piece of work for one interchangeable worker.

    Attributes
    ----------
    round, kind, replica
        The key. `kind` is 'sample', 'steer', 'explore', 'fit' …; see `msgen.actors.worker`.
    payload : Tree
        All the worker needs besides the campaign itself and the frozen models it was sent.
    model_version : int
        Version of the proposal model to use, −1 for none.
    cost_hint : float
        Expected energy evaluations; dear orders are handed out first.
    """

    round: int
    kind: str
    replica: int
    payload: Tree = field(default_factory=dict)
    model_version: int = -1
    cost_hint: float = 1.0

    @property
    def key(self) -> OrderKey:
        return (self.round, self.kind, self.replica)


@dataclass(frozen=True)
class Segment:
    """What one work order produced.

    `samples` (equal first dimension per name group) goes to the store, `carry` is the walker state
    the next order needs, `counts` are summed into diagnostics.
    """

    key: OrderKey
    samples: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    carry: Tree = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    evaluations: int = 0
    model_version: int = -1
    wall_s: float = 0.0


@dataclass(frozen=True)
class Failure:
    """An order that did not come back: `retryable` for a lost worker, not for an error in the work."""

    key: OrderKey
    message: str
    retryable: bool


class Executor(Protocol):
    """Runs work orders somewhere. Results may come back in any order."""

    def publish(self, version: int, model: Tree) -> None:
        """Make a frozen model known to all workers, once per version."""
        ...

    def submit(self, orders: Sequence[WorkOrder]) -> None: ...

    def completed(self, timeout_s: float | None = None) -> Iterator[Segment | Failure]:
        """Yield what has come back; blocks up to `timeout_s` for the first, None for ever."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class StateEstimate:
    f_kT: float | None
    stderr_kT: float | None


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
        'ess', 'r_hat', 'round_trips', 'acceptance' (per move kind), 'overlap' … JSON-able.
    converged, unmet
        Whether every criterion of `converge:` holds, and which do not, in words.
    """

    axes: Mapping[str, Array]
    f_kT: Array
    stderr_kT: Array
    states: Mapping[str, StateEstimate]
    diagnostics: Mapping[str, Any]
    converged: bool
    unmet: tuple[str, ...]


@dataclass(frozen=True)
class StepPlan:
    """What a strategy wants next: orders to run this round, and fits to run beside them."""

    phase: Phase
    orders: tuple[WorkOrder, ...]
    fits: tuple[WorkOrder, ...] = ()


class Strategy(Protocol):
    """A pure state machine: no clock, no ray, no disk. `state` is a Tree and round-trips through disk."""

    name: str

    def start(self) -> Tree:
        """The state before round 0."""
        ...

    def decide(self, state: Tree) -> StepPlan:
        """The next round's orders; a pure function of `state`."""
        ...

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """The state after a round; `segments` are sorted by key. Includes fits that are due."""
        ...

    def estimate(self, state: Tree) -> Estimate: ...
