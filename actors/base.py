"""What passes between the controller and the workers: orders out, segments back.

Nothing here knows of strategies, executors or disks, so that the roles can be written and tested
without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Tree = dict[str, Any]
"""Nested dict; leaves are numpy arrays, str, int, float, bool, None or lists of these scalars."""

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


def _is_fit(kind: str) -> bool:
    return kind == "fit" or kind.startswith("fit_")


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

    @property
    def is_fit(self) -> bool:
        """Whether the trainer does it: kind 'fit', or 'fit_…' where there are several models."""
        return _is_fit(self.kind)


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

    @property
    def is_fit(self) -> bool:
        """Whether a fit made it; its `counts['held_out_loss']` is shown."""
        return _is_fit(self.key[1])


def copy_tree(tree: Any) -> Any:
    """A deep copy whose arrays are C-contiguous and writable, as they come back from disk.

    Memory order decides the order of floating-point sums; without it a state that went through a
    checkpoint, or an order that went through another process, could differ in its last bits.
    """
    if isinstance(tree, np.ndarray):
        return np.array(tree, order="C", copy=True)
    if isinstance(tree, Mapping):
        return {name: copy_tree(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [copy_tree(value) for value in tree]
    return tree
