"""Sums of few replicas by stretch of time, so that their errors rest on more than their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT
from msgen.orchestrator.estimators.units import Units, stretches
from msgen.orchestrator.strategies.common.stretches import Stretches
from msgen.systems.base import Array

Ints = NDArray[np.int64]

MOST_STRETCHES = 8
"""Stretches of time that a run is cut into; twice as many become so many."""
MOST_BLOCKS = 16
"""With more there are units enough without stretches, which would weigh in every checkpoint."""
MOST_VALUES = 8_000_000
"""Of the sums; fine surfaces of many replicas have more, 64 MB in every checkpoint."""


@dataclass(frozen=True)
class ReplicaStretches:
    """Weight of each label in each stretch and block; over stretches they sum to the blocks'.

    Attributes
    ----------
    time : Stretches
    sums : Array, shape (S, B, L)
        Labels are the bins of the surface, and then the states.
    paths : int array, shape (rounds,), or None
        Works that each round added; None in a run that did not count them, where none join strata.
    """

    time: Annotated[Stretches, FLAT]
    sums: Array
    paths: Ints | None = None

    @classmethod
    def empty(cls, blocks: int, labels: int) -> ReplicaStretches:
        """Nothing yet."""
        none = np.zeros(0, dtype=np.int64)
        return cls(Stretches.empty(), np.zeros((0, blocks, labels)), none)

    def grown(self, blocks: int) -> ReplicaStretches | None:
        """With room for `blocks`; None where they are too many."""
        s, b, labels = self.sums.shape
        if blocks > MOST_BLOCKS or 2 * MOST_STRETCHES * blocks * labels > MOST_VALUES:
            return None
        more = np.zeros((s, blocks - b, labels))
        return replace(self, sums=np.concatenate([self.sums, more], axis=1))

    def with_round(self, added: Array, readings: int, paths: int) -> ReplicaStretches:
        """And a round more of sums (B, L), of so many readings of each replica and paths of all."""
        time, full = self.time.with_round(readings, MOST_STRETCHES)
        sums = np.concatenate([self.sums, added[None]])
        if full:
            sums = sums.reshape(MOST_STRETCHES, 2, *sums.shape[1:]).sum(axis=1)
        return ReplicaStretches(
            time, sums, None if self.paths is None else np.append(self.paths, paths)
        )

    def units(self, owner: Ints, effective: Mapping[int, float]) -> tuple[Units, Ints]:
        """Units, and the number of that which each block (B,) is in each stretch, shape (S, B).

        Parameters
        ----------
        owner : int array, shape (B,)
            Stratum of each block.
        effective : Mapping of stratum to float
            Samples of all its replicas, see `estimators.units.stretches`.

        Blocks that have not sampled are no units: −1.
        """
        each = np.bincount(self.time.stretches, self.time.readings).astype(np.int64)
        busy = np.any(self.sums, axis=(0, 2))
        number, parts, first = np.full(self.sums.shape[:2], -1), dict[int, Units](), 0
        for s in np.unique(owner[busy]).tolist():
            mine = np.flatnonzero(busy & (owner == s))
            joined, shares = stretches(len(mine), effective[s], each)
            number[:, mine] = first + np.arange(len(mine)) + len(mine) * joined[:, None]
            parts[s] = Units.stretched(len(mine), shares, effective[s])
            first += len(mine) * len(shares)
        return Units.grouped(parts), number

    def works(self, number: Ints, block: Ints) -> Ints:
        """The unit of every work, shape (n,); `block`, shape (n,), of those that started them.

        Raises
        ------
        ValueError
            Where works were not counted.
        """
        if self.paths is None:
            raise ValueError("it is not known which round each work is of")
        return number[np.repeat(self.time.stretches, self.paths), block]

    def by_unit(self, owner: Ints, number: Ints, strata: int) -> Array:
        """The sums of every unit in its stratum, shape (strata, U, L)."""
        out = np.zeros((strata, int(number.max(initial=-1)) + 1, self.sums.shape[2]))
        for b in np.flatnonzero(number.max(axis=0, initial=-1) >= 0).tolist():
            np.add.at(out[owner[b]], number[:, b], self.sums[:, b])
        return out
