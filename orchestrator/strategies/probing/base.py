"""What a strategy that is probed can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import DefendedSpec
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

S = TypeVar("S")
T = TypeVar("T", contravariant=True)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Finds:
    """Basins that production never visited.

    Attributes
    ----------
    walkers : WalkerRows
        One in each, without velocities.
    xi : Array, shape (k, C)
        Their CVs.
    trail : Array, shape (k, m, C)
        CVs that were read there, at the campaign's temperature.
    """

    walkers: WalkerRows
    xi: Array
    trail: Array

    @classmethod
    def none(cls, walkers: WalkerRows, dim: int) -> Finds:
        """No basin; of the kind of `walkers`, in `dim` CVs."""
        nobody = walkers.without_velocities().take(np.zeros(0, dtype=np.int64))
        return cls(nobody, np.zeros((0, dim)), np.zeros((0, 1, dim)))

    def __len__(self) -> int:
        return len(self.xi)

    def put_among(self, walkers: WalkerRows, to: Ints) -> WalkerRows:
        """`walkers`, but a copy of find `to`[i] in place of i where that is not −1."""
        every = WalkerRows.join([walkers.without_velocities(), self.walkers])
        own = np.arange(len(walkers))
        return every.take(np.where(to < 0, own, len(walkers) + to))

    def pooled(
        self, walkers: WalkerRows, xi: Array, descent: Ints | None, states: Partition
    ) -> Pool:
        """Walkers to share out anew, with as many copies of a find as there are in its state.

        Parameters
        ----------
        walkers : WalkerRows
            n of production.
        xi : Array, shape (n, C)
            Their CVs; NaN where they are not known.
        descent : Ints, shape (n,), or None
            Starts that they come from.
        states : Partition
        """
        known = np.asarray(np.isfinite(xi).all(axis=1))
        where = np.where(known, states.assign(np.where(known[:, None], xi, 0.0)), -1)
        own = np.zeros(len(walkers), np.int64) if descent is None else descent
        there = states.assign(self.xi)
        copies = np.array([max(1, int((where == k).sum())) for k in there.tolist()], np.int64)
        of = np.repeat(np.arange(len(self)), copies)
        label = np.concatenate([where, there[of]])
        return Pool(
            WalkerRows.join([walkers.without_velocities(), self.walkers.take(of)]),
            np.concatenate([np.where(known[:, None], xi, 0.0), self.xi[of]]),
            # what lies in no state that is sampled starts no replica
            np.where(label < len(states), label, -1),
            np.concatenate([own, int(own.max(initial=0)) + 1 + of]),
        )


@dataclass(frozen=True)
class Pool:
    """Walkers to begin again from.

    Attributes
    ----------
    walkers : WalkerRows
        Without velocities.
    xi : Array, shape (n, C)
    where : Ints, shape (n,)
        The state of each, −1 for none.
    descent : Ints, shape (n,)
        The start that each comes from.
    """

    walkers: WalkerRows
    xi: Array
    where: Ints
    descent: Ints

    def missing(self, states: Partition) -> tuple[str, ...]:
        """States that no walker is in."""
        return tuple(n for k, n in enumerate(states.names) if not (self.where == k).any())


@runtime_checkable
class Proposes(Protocol[T]):
    """A strategy whose moves propose whole configurations of a frozen density."""

    def proposal(self, state: T) -> DefendedSpec | None:
        """That of production; None while there is none."""
        ...


@runtime_checkable
class OfStates(Protocol):
    """A state of a strategy that knows which states of the system there are.

    Attributes
    ----------
    states : Partition or None
        None while nothing is known of them.
    """

    @property
    def states(self) -> Partition | None: ...


@runtime_checkable
class Learner(Protocol[S]):
    """A strategy that probes may start from, and that can go back and learn what they find."""

    def at_hand(self, state: S) -> WalkerRows | None:
        """Walkers that production goes on with; None while nothing counts."""
        ...

    def begin_again(self, state: S, finds: Finds) -> S:
        """Back to learning, some walkers now in the basins that were found; nothing that counted
        so far is kept."""
        ...
