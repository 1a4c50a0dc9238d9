"""What another round of tuning costs, what it may save, and whether adaptation may spend it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.systems.base import Array

SHORTEST = 5
"""Rounds of the shortest production: before its first review it seldom ends."""

VAGUEST = 0.5
"""Relative error beyond which it is no error any more."""
ROOM = 2.0
"""By which the overlap shall exceed what is asked: its lower bound has to hold, of every pair."""


@dataclass(frozen=True)
class Spent:
    """Energy evaluations so far.

    Attributes
    ----------
    campaign : float
        Of all phases.
    adaptation : float
    """

    campaign: float = 0.0
    adaptation: float = 0.0

    def with_round(self, evaluations: int, adapting: bool) -> Spent:
        """With those of a round."""
        of_adaptation = evaluations if adapting else 0
        return Spent(self.campaign + evaluations, self.adaptation + of_adaptation)


@dataclass(frozen=True)
class TuningPrice:
    """Evaluations that adaptation may take, against those that its paths would save.

    Attributes
    ----------
    share : float
        Of what the campaign is expected to spend that adaptation may take.
    spent : Spent
    local : float
        Evaluations of the local sampling of a round of tuning.
    paths : float
        Paths of such a round.
    beside : float
        Evaluations of the local sampling that goes with each path of production.
    fewest : float
        Paths of the shortest production.
    of_error : float
        Paths that the error of the states asks for, against `PathTrials.per_crossing`.
    overlap : float
        Of forward and reverse work that is asked for where paths bridge states; 0 for none.
    """

    share: float
    spent: Spent
    local: float
    paths: float
    beside: float
    fewest: float
    of_error: float
    overlap: float = 0.0

    def production(self, length: Array, per_crossing: Array, spread: float = 0.0) -> Array:
        """Evaluations that production is expected to need.

        Paths that the error of the states asks for, after those that there are anyway, each with
        the local sampling beside it. A surface may ask for more, which paths do not spare. Works of
        too little overlap, 2a, are of no use however many there are: they cost more by the square
        of what is missing of `ROOM` times what is asked, so that a search leads to others.

        Parameters
        ----------
        length : Array
            Evaluations of a path.
        per_crossing : Array
            See `PathTrials.per_crossing`.
        spread : float
            Relative error of a, by which the overlap may be less; `VAGUEST` at most.
        """
        asked = ROOM * self.overlap / (1.0 - min(spread, VAGUEST))
        missing = np.maximum(1.0, asked * (per_crossing + 2.0) / 2.0) if asked > 0 else 1.0
        paths = self.of_error * per_crossing + self.fewest
        return np.asarray((length + self.beside) * paths * missing**2)

    @property
    def in_any_case(self) -> float:
        """Evaluations of the shortest production that no path spares."""
        return self.fewest * self.beside

    def round(self, lengths: Array) -> float:
        """Evaluations of a round that tries paths of these lengths."""
        return self.local + self.paths * float(np.mean(lengths))

    def allows(self, round_: float, production: float) -> bool:
        """Whether adaptation may spend another round, with so much expected of production."""
        whole = self.spent.campaign + round_ + production
        return self.spent.adaptation + round_ <= self.share * whole
