"""Readings of what is watched, taken along an order beside its samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.systems.base import Array, Walkers

READINGS = 32
"""Of each replica in an order, at most: each costs one evaluation, of its energy."""


class Watch:
    """What is watched of the walkers of an order, at the ends of some of its blocks.

    It takes no random number and changes no walker: samples are the same as without it.

    Parameters
    ----------
    context : WorkerContext
    blocks : int
        Times that `look` will be called.
    """

    def __init__(self, context: WorkerContext, blocks: int) -> None:
        self._watched = context.watched
        self._every = max(1, math.ceil(blocks / READINGS))
        self._looks = 0
        self._values: list[Array] = []
        self._cvs: list[Array] = []
        self.evaluations = 0

    def look(self, walkers: Walkers, xi: Array) -> None:
        """Walkers at the end of a block, and their CVs, shape (n, C)."""
        self._looks += 1
        if self._looks % self._every:
            return
        self._values.append(self._watched(walkers))
        self._cvs.append(np.array(xi))
        self.evaluations += len(walkers)

    def columns(self, replicas: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Samples 'watched', with 'watched_cvs' and 'watched_replica' of the same frames.

        Replica after replica in the order of time, in single precision.
        """
        if not self._values:
            return {}
        values, cvs = (np.stack(part, axis=1) for part in (self._values, self._cvs))
        with np.errstate(over="ignore"):
            single = values.reshape(-1, values.shape[2]).astype(np.float32)
        return {
            "watched": single,
            "watched_cvs": cvs.reshape(-1, cvs.shape[2]).astype(np.float32),
            "watched_replica": np.repeat(replicas.astype(np.int32), values.shape[1]),
        }


def joined(watches: list[Watch], replicas: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Columns of walkers that went one after the other, a `Watch` each."""
    parts = [w.columns(replicas[i : i + 1]) for i, w in enumerate(watches)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
