"""What is kept of the probes between rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.orders.probe import ProbePayload
from msgen.actors.orders.visits import energies_of, visits_of
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.estimators.completeness.features import Features
from msgen.orchestrator.estimators.completeness.region import Region, place, thinned

Rows = NDArray[np.float32]

S = TypeVar("S")

KEPT = 1024
"""Configurations of one round that are looked at, evenly over all of them."""


def _none() -> Rows:
    return np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class Visits:
    """Where production has been.

    Attributes
    ----------
    rows : float32 array, shape (n, columns)
        See `Features.flat`.
    energies, energy : int and float
        Energies that were read, and their mean, U/kT.
    """

    rows: Rows = field(default_factory=_none)
    energies: int = 0
    energy: float = 0.0

    def with_round(self, features: Features, segments: Sequence[Segment]) -> Visits:
        """And a round's."""
        told = [rows for s in segments if (rows := visits_of(s)) is not None and len(rows)]
        if not told:
            return self
        new = features.flat(np.concatenate(told))
        new = new[:: max(1, -(-len(new) // KEPT))]
        new = new[np.isfinite(new).all(axis=1)]
        rows = thinned(np.concatenate([self.rows, new]) if len(self.rows) else new)
        u = np.concatenate([energies_of(s) for s in segments]).astype(np.float64)
        u = u[np.isfinite(u)]
        n = self.energies + len(u)
        mean = (self.energies * self.energy + float(u.sum())) / n if n else 0.0
        return Visits(rows, n, mean)

    def region(self, features: Features) -> Region | None:
        """What they cover; None while too little was seen."""
        return Region.of(features, self.rows) if len(self.rows) else None


@dataclass(frozen=True)
class Candidate:
    """A probe that ended where production has not been.

    Attributes
    ----------
    walkers : WalkerRows
        One.
    run : float32 array, shape (m, columns)
        What was read, see `Features.flat`.
    times : int
        Probes that ended with it.
    shown : tuple of int
        Features by which it is told from what is known.
    stayed : bool
        Whether it was looked at again, for longer.
    """

    walkers: WalkerRows
    run: Rows
    times: int = 1
    shown: tuple[int, ...] = ()
    stayed: bool = False

    def place(self, features: Features) -> str:
        """Where it is, in words."""
        return place(features, self.run, self.shown)


@dataclass(frozen=True)
class Basin:
    """One that production did not know when a probe came to it.

    Attributes
    ----------
    run : float32 array, shape (m, columns)
        What was read in it.
    place : str
        Where it is, in words.
    times : int
        Probes that it has caught so far.
    learnt : bool
        Whether the campaign went back for it.
    """

    run: Rows
    place: str
    times: int
    learnt: bool


@dataclass(frozen=True)
class Probes:
    """All probes of a campaign so far.

    Attributes
    ----------
    made, broken : int
        Probes that have come to rest somewhere, and those that have not.
    isomers : dict of str to int
        How often each was met and left out.
    high : int
        Probes that ended in basins too high in energy to weigh anything.
    spent, of : int
        Evaluations of probes, and of the whole campaign with them.
    visits : Visits
        Of this production.
    waiting : tuple of Candidate
    basins : tuple of Basin
    returns : int
        How often the campaign went back.
    blind : bool
        Whether what counts tells nothing that probes could be compared with.
    """

    made: int = 0
    broken: int = 0
    isomers: dict[str, int] = field(default_factory=dict)
    high: int = 0
    spent: int = 0
    of: int = 0
    visits: Visits = field(default_factory=Visits)
    waiting: tuple[Candidate, ...] = ()
    basins: tuple[Basin, ...] = ()
    returns: int = 0
    blind: bool = False

    def after(self, segments: Sequence[Segment]) -> Probes:
        """With a round's evaluations booked."""
        own = [s.evaluations for s in segments if s.key[1] == ProbePayload.kind]
        every = sum(s.evaluations for s in segments)
        return replace(self, spent=self.spent + sum(own), of=self.of + every)


@dataclass(frozen=True)
class ProbedState(Generic[S]):
    """The state of a strategy, and that of the probes beside it.

    Attributes
    ----------
    round : int
        The one that comes next.
    strategy : S
    probes : Probes
    """

    round: int
    strategy: S
    probes: Probes
