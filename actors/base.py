"""What passes between the controller and the workers: orders out, segments back.

Nothing here knows of strategies, executors or disks, so that the roles can be written and tested
without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import CodecError, Shared, Tree, copy_tree, decode, encode

__all__ = [
    "FIT_DEVICE",
    "Array",
    "Begun",
    "CodecError",
    "OrderKey",
    "Payload",
    "Segment",
    "Shared",
    "Tree",
    "WorkOrder",
    "bare",
    "copy_tree",
    "decode",
    "encode",
    "stream",
]

Array = NDArray[np.float64]

T = TypeVar("T")

FIT_DEVICE = "MSGEN_FIT_DEVICE"
"""Environment variable: device of the fits, 'cpu' (bit-exact) unless the executor gave a GPU."""

OrderKey = tuple[int, str, int]
"""(round, kind, replica): names a work order and keys its random stream."""


def stream(seed: int, key: OrderKey) -> np.random.Generator:
    """The random stream of one work order, a function of the campaign's seed and the order only."""
    rnd, kind, replica = key
    # as a spawn key, with the length of the kind: no two orders can spell the same words
    words = (rnd, replica, len(kind), *kind.encode())
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))


class Payload(Protocol):
    """What an order tells its role: a frozen dataclass, see `msgen.actors.orders`."""

    kind: ClassVar[str]
    """Of the orders that carry it; keys their random streams and the paths of the store."""


def bare(kind: str) -> str:
    """An order kind without the strategy inside another one that it is of, see `Nest`."""
    return kind.rpartition(".")[2]


def _is_fit(kind: str) -> bool:
    return bare(kind) == "fit" or bare(kind).startswith("fit_")


@dataclass(frozen=True)
class Begun:
    """What an order had done when it was stopped, so that it goes on from there.

    Attributes
    ----------
    key : OrderKey
    log : Tree
        See `msgen.actors.slices`; {} where nothing is to be gone on with.
    evaluations : int
        That it has taken so far.
    wall_s : float
        Seconds that it has taken so far.
    """

    key: OrderKey
    log: Tree = field(default_factory=dict)
    evaluations: int = 0
    wall_s: float = 0.0


@dataclass(frozen=True)
class WorkOrder:
    """One piece of work for one interchangeable worker.

    Attributes
    ----------
    round, kind, replica
        The key. `kind` is 'sample', 'steer', 'explore', 'fit' …; see `msgen.actors.worker`.
    payload : Tree
        All the worker needs besides the campaign itself and the frozen models it was sent: a
        dataclass of `msgen.actors.orders`, encoded.
    model_version : int
        Version of the proposal model to use, −1 for none.
    cost_hint : float
        Expected energy evaluations; dear orders are handed out first.
    begun : Begun or None
        What was done of it before it was stopped; it goes on from there.
    """

    round: int
    kind: str
    replica: int
    payload: Tree = field(default_factory=dict)
    model_version: int = -1
    cost_hint: float = 1.0
    begun: Begun | None = None

    @classmethod
    def of(
        cls,
        rnd: int,
        payload: Payload,
        replica: int = 0,
        *,
        model_version: int = -1,
        cost_hint: float = 1.0,
        shared: Shared | None = None,
    ) -> WorkOrder:
        """The order of round `rnd` that tells its role `payload`; `shared` as in `encode`."""
        tree = encode(payload, shared)
        return cls(rnd, payload.kind, replica, tree, model_version, cost_hint)

    def read(self, kind: type[T]) -> T:
        """The payload, of type `kind`.

        Raises
        ------
        CodecError
            If it is of another type.
        """
        return decode(kind, self.payload)

    @property
    def key(self) -> OrderKey:
        return (self.round, self.kind, self.replica)

    @property
    def is_fit(self) -> bool:
        """Whether the trainer does it: kind 'fit', or 'fit_…' where there are several models."""
        return _is_fit(self.kind)


@dataclass(frozen=True)
class Segment:
    """What one work order produced.

    `samples` (equal first dimension per name group) goes to the store, `carry` is what the strategy
    needs of it, a record of `msgen.actors.orders`, encoded, and `counts` are summed into
    diagnostics.
    """

    key: OrderKey
    samples: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    carry: Tree = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    evaluations: int = 0
    model_version: int = -1
    wall_s: float = 0.0

    def read(self, kind: type[T]) -> T:
        """The record in `carry`, of type `kind`.

        Raises
        ------
        CodecError
            If it is of another type.
        """
        return decode(kind, self.carry)

    @property
    def is_fit(self) -> bool:
        """Whether a fit made it; its `counts['held_out_loss']` is shown."""
        return _is_fit(self.key[1])
