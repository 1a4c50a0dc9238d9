"""Sums of few replicas by stretch of time, so that their errors rest on more than their number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from msgen.actors.codec import FLAT
from msgen.orchestrator.estimators.units import Units, stretches
from msgen.orchestrator.strategies.common.stretches import Stretches
from msgen.systems.base import Array

MOST_STRETCHES = 8
"""Stretches of time that a run is cut into; twice as many become so many."""
MOST_BLOCKS = 16
"""With more there are units enough without stretches, which would weigh in every checkpoint."""


@dataclass(frozen=True)
class ReplicaStretches:
    """Weight of each label in each stretch and block; over stretches they sum to the blocks'.

    Attributes
    ----------
    time : Stretches
    sums : Array, shape (S, B, L)
        Labels are the bins of the surface, and then the states.
    """

    time: Annotated[Stretches, FLAT]
    sums: Array

    @classmethod
    def empty(cls, blocks: int, labels: int) -> ReplicaStretches:
        """Nothing yet."""
        return cls(Stretches.empty(), np.zeros((0, blocks, labels)))

    def grown(self, blocks: int) -> ReplicaStretches | None:
        """With room for `blocks`; None where they are too many."""
        if blocks > MOST_BLOCKS:
            return None
        s, b, labels = self.sums.shape
        more = np.zeros((s, blocks - b, labels))
        return replace(self, sums=np.concatenate([self.sums, more], axis=1))

    def with_round(self, added: Array, readings: int) -> ReplicaStretches:
        """And a round more of sums (B, L), of so many readings of each replica."""
        time, full = self.time.with_round(readings, MOST_STRETCHES)
        sums = np.concatenate([self.sums, added[None]])
        if full:
            sums = sums.reshape(MOST_STRETCHES, 2, *sums.shape[1:]).sum(axis=1)
        return ReplicaStretches(time, sums)

    def units(self, effective: float) -> tuple[Units, Array]:
        """Units, and their sums (U, L); of blocks that have sampled.

        `effective`: samples of all replicas, see `estimators.units.stretches`.
        """
        busy = np.any(self.sums, axis=(0, 2))
        blocks = int(np.count_nonzero(busy))
        each = np.bincount(self.time.stretches, self.time.readings).astype(np.int64)
        joined, shares = stretches(blocks, effective, each)
        sums = np.zeros((len(shares), blocks, self.sums.shape[2]))
        np.add.at(sums, joined, self.sums[:, busy])
        return Units.stretched(blocks, shares, effective), np.concatenate(sums)
