"""Which replicas are at work: a campaign may take on more while it produces, or let some rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Mask

Ints = NDArray[np.int64]

SETTLE_ROUNDS = 2
"""Rounds of a new replica that do not count: it starts as a copy of another."""


@dataclass(frozen=True)
class ReplicaPool:
    """Who rests, and who has yet to part from whom it is a copy of; R replicas in all.

    Attributes
    ----------
    resting : Mask, shape (R,), or None
        None: nobody does.
    settling : Ints, shape (R,), or None
        Rounds after which what a replica samples counts; None: all of them count.
    ancestor : Ints, shape (R,), or None
        The replica from whose walker each descends, itself for one that began with the campaign;
        None: nobody is a copy. In what is slow a copy stays what it was for any number of rounds:
        it is more of its ancestor, and no evidence of its own.
    """

    resting: Mask | None = None
    settling: Ints | None = None
    ancestor: Ints | None = None

    def at_work(self, total: int) -> Ints:
        """Ids of the replicas that sample in this round, of `total`; all unless some rest."""
        if self.resting is None:
            return np.arange(total)
        return np.flatnonzero(~self.resting)

    def counted(self, total: int) -> Mask:
        """Whether what a replica samples in this round counts, shape (total,)."""
        if self.settling is None:
            return np.ones(total, dtype=bool)
        return np.asarray(self.settling == 0, dtype=bool)

    def ancestors(self, total: int) -> Ints:
        """The replica that each descends from, shape (total,)."""
        return np.arange(total) if self.ancestor is None else self.ancestor

    def after_round(self) -> ReplicaPool:
        """The pool when a round of the new replicas is over."""
        if self.settling is None or self.resting is None:
            return self
        settling = np.maximum(self.settling - ~self.resting, 0)
        return ReplicaPool(self.resting, settling, self.ancestor)

    def resized(self, stratum: Ints, replicas: int, seed: int, rnd: int) -> Resized:
        """With `replicas` at work.

        Strata keep their shares. Those who rested are called back first; a new one starts as a copy
        of a walker of its stratum, which is distributed as it should be, and counts once it has
        parted from it. Who is sent to rest keeps its walker, and what it sampled stays.

        Parameters
        ----------
        stratum : Ints, shape (R,)
            Of every replica, at work or not.
        replicas : int
        seed, rnd : int
            Of the campaign, and the round.
        """
        resting = np.ones(len(stratum), dtype=bool)
        resting[self.at_work(len(stratum))] = False
        settling = self.settling
        if settling is None:
            settling = np.zeros(len(stratum), dtype=np.int64)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(83, rnd)))
        kinds = range(int(stratum.max()) + 1)
        idle = [np.flatnonzero(resting & (stratum == k)).tolist() for k in kinds]
        busy = [np.flatnonzero(~resting & (stratum == k)).tolist() for k in kinds]
        number = np.array([len(b) for b in busy])
        share = number / number.sum()
        born: list[int] = []
        while number.sum() < replicas:
            k = int(np.argmax(share * replicas - number))
            if idle[k]:
                resting[idle[k].pop(0)] = False
            else:
                born.append(k)
            number[k] += 1
        while number.sum() > max(replicas, np.count_nonzero(share)):
            # the last of a stratum stays: nobody could start paths from there
            k = int(np.argmax(np.where(number > 1, number - share * replicas, -np.inf)))
            resting[busy[k].pop()] = True
            number[k] -= 1
        parents = np.append(np.arange(len(stratum)), [int(rng.choice(busy[k])) for k in born])
        fresh = np.full(len(born), SETTLE_ROUNDS, dtype=np.int64)
        ancestors = self.ancestors(len(stratum))[parents] if born else self.ancestor
        return Resized(
            parents.astype(np.int64),
            np.append(stratum, np.array(born, dtype=np.int64)),
            ReplicaPool(
                np.append(resting, np.zeros(len(born), dtype=bool)),
                np.append(settling, fresh),
                ancestors,
            ),
        )


@dataclass(frozen=True)
class Resized:
    """Replicas after a change of their number.

    Attributes
    ----------
    parents : Ints, shape (R',)
        Of every replica now, the one before whose walker it has.
    stratum : Ints, shape (R',)
    pool : ReplicaPool
    """

    parents: Ints
    stratum: Ints
    pool: ReplicaPool
