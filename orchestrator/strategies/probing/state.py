"""What is kept of the probes between rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.actors.base import Segment
from msgen.actors.orders.probe import ProbePayload
from msgen.actors.orders.visits import energies_of, log_weights_of, proposals_of, visits_of
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.estimators.completeness.features import Features
from msgen.orchestrator.estimators.completeness.region import Region, place, thinned

Rows = NDArray[np.float32]

S = TypeVar("S")

KEPT = 1024
"""Configurations of one round that are looked at, evenly over all of them."""


MOST_WEIGHTS, LEAST_WEIGHTS = 8192, 100
"""Log weights of walkers that are kept, and below which too few are known."""
LIGHT = 0.01
"""Mass of a basin from which on it matters."""


def _none() -> Rows:
    return np.zeros((0, 0), dtype=np.float32)


def _unweighted() -> Rows:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class Visits:
    """Where production has been.

    Attributes
    ----------
    rows : float32 array, shape (n, columns)
        See `Features.flat`.
    energies, energy : int and float
        Energies that were read, and their mean, U/kT.
    spent : int
        Evaluations of production.
    proposals : float
        Whole configurations that a frozen q has proposed.
    log_weights : float32 array, shape (m,)
        ln ρ* − ln q at walkers.
    """

    rows: Rows = field(default_factory=_none)
    energies: int = 0
    energy: float = 0.0
    spent: int = 0
    proposals: float = 0.0
    log_weights: Rows = field(default_factory=_unweighted)

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
        weights = np.concatenate([self.log_weights, *(log_weights_of(s) for s in segments)])
        while len(weights) > MOST_WEIGHTS:
            weights = weights[::2]
        spent = self.spent + sum(s.evaluations for s in segments)
        proposals = self.proposals + sum(map(proposals_of, segments))
        return Visits(rows, n, mean, spent, proposals, weights)

    @property
    def heaviest(self) -> float:
        """ln ρ* − ln q that basins of `LIGHT` have which were never proposed; −∞ where unknown.

        Of those that a basin of mass m catches, a share m·E[q/p | there] of the proposals, none is
        missed by chance if they are three or more (95 %). 1/Z is the mean of q/ρ* over walkers.
        """
        n = len(self.log_weights)
        if n < LEAST_WEIGHTS or not self.proposals:
            return -np.inf
        log_z = np.log(n) - logsumexp(-self.log_weights.astype(np.float64))
        return float(log_z + np.log(LIGHT * self.proposals / 3.0))

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
    looks : int
        How often it was looked at again.
    length : float
        Evaluations for which it then stayed.
    moved : bool
        Whether it is elsewhere than in the look before.
    stayed : bool
        Whether that is long enough for a basin.
    log_weight : float or None
        ln ρ* − ln q where it was then; None without a frozen q.
    """

    walkers: WalkerRows
    run: Rows
    times: int = 1
    shown: tuple[int, ...] = ()
    looks: int = 0
    length: float = 0.0
    moved: bool = False
    stayed: bool = False
    log_weight: float | None = None

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
        Whether the campaign went back for it; of a run that an older version began it may not have.
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
    proposed : int
        Those that ended where production never was, but goes as often as it weighs.
    released : int
        Those that ended where production never was, and came away by themselves.
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
    proposed: int = 0
    released: int = 0
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
