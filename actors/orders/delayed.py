"""Orders of replicas that move by a learnt energy and are tested by the system's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.systems.base import Array


@dataclass(frozen=True)
class Labelled:
    """Configurations whose energies have been calculated.

    Attributes
    ----------
    x : Array, shape (n, D)
    energy : Array, shape (n,)
        U/kT, finite.
    gradient : Array, shape (n, D)
        ∇U/kT.
    serial : int array, shape (n,)
        A number of its own for each, in the order in which they came.
    """

    x: Array
    energy: Array
    gradient: Array
    serial: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def none(cls, n_dof: int) -> Labelled:
        """Before anything was calculated."""
        empty = np.zeros((0, n_dof))
        return cls(empty, np.zeros(0), empty, np.zeros(0, dtype=np.int64))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Labelled:
        """Some of them."""
        return Labelled(self.x[rows], self.energy[rows], self.gradient[rows], self.serial[rows])

    def more(self, x: Array, energy: Array, gradient: Array, first: int) -> Labelled:
        """With others, numbered from `first` on."""
        serial = first + np.arange(len(x), dtype=np.int64)
        return Labelled(
            np.concatenate([self.x, x]),
            np.concatenate([self.energy, energy]),
            np.concatenate([self.gradient, gradient]),
            np.concatenate([self.serial, serial]),
        )


@dataclass(frozen=True)
class FlowWalks:
    """Walks whose first test is of a frozen model's proposals.

    Attributes
    ----------
    version : int
        Of the model, −1 for none yet.
    walks, moves : int
        In each stretch, and proposals of a walk.
    epsilon : float
        Share of the broad proposals.
    broad : BroadGaussian or None
        None before anything was seen.
    recent : int
        Configurations of each replica to hand to the next fit; 0 for none.
    draws : int
        Of the model for each replica and stretch, with the system's energy at each; 0 for none.
    """

    version: int
    walks: int
    moves: int
    epsilon: float
    broad: BroadGaussian | None
    recent: int
    draws: int = 0


@dataclass(frozen=True)
class DelayedPayload:
    """Stretches of walks; the order's model version is the surrogate, −1 for none yet.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    replicas : int array, shape (n,)
    blocks : int
        After each of them what is watched is read.
    walks : int
        In each, with a test by the system after each; the CVs are read then.
    moves : int
        Trajectories of a walk. Without a surrogate they are the system's own.
    leapfrog : int
    step_size : float
    flow : FlowWalks or None
        None where no model proposes.
    alone : Array, shape (n, D), or None
        Where walkers are that go by the surrogate alone, NaN for one that begins at a replica's;
        None for none.
    """

    kind: ClassVar[str] = "delayed"

    walkers: WalkerRows
    replicas: NDArray[np.int64]
    blocks: int
    walks: int
    moves: int
    leapfrog: int
    step_size: float
    flow: FlowWalks | None = None
    alone: Array | None = None


@dataclass(frozen=True)
class DelayedRecord:
    """Where the walkers ended; what was calculated is among the samples.

    Attributes
    ----------
    walkers : WalkerRows
    recent, recent_replica : Array, shape (m, d), and int array, shape (m,), or None
        What the next fit of the flow may learn from, in its variables, and whose it is.
    alone : Array, shape (n, D), or None
        Where those that go by the surrogate alone ended.
    """

    walkers: WalkerRows
    recent: Array | None = None
    recent_replica: NDArray[np.int64] | None = None
    alone: Array | None = None


@dataclass(frozen=True)
class FitSurrogatePayload:
    """A surrogate for what is known.

    Attributes
    ----------
    known : Labelled
    elements : tuple of str
        Of the atoms; () of a potential.
    settings : dict
        The section `strategy.surrogate`.
    """

    kind: ClassVar[str] = "fit_surrogate"

    known: Labelled
    elements: tuple[str, ...]
    settings: dict[str, float | int | str]


@dataclass(frozen=True)
class FitSurrogateRecord:
    """What has been learnt.

    Attributes
    ----------
    model : ModelState
    kept : int array
        Serial numbers of what is worth learning from again.
    before : int
        Those below it were looked at.
    """

    model: ModelState
    kept: NDArray[np.int64]
    before: int
