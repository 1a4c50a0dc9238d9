"""Moves of a chain between states, and whether they balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.crossings import ends_of
from msgen.systems.base import Array

LEAST = 10.0
"""Accepted moves, expected, into every state and out of it before anything is said of balance."""
HARDLY = 0.02
"""Share of the samples below which a state need not be gone to by steered moves."""
OFF = 3.0
"""Standard errors by which the moves to and fro between two states may differ."""


@dataclass(frozen=True)
class Traffic:
    """Moves between states since they began to balance, or the present proposals came into use.

    Attributes
    ----------
    visits : Array, shape (K,)
        Local samples in each state.
    flow : Array, shape (K, K)
        Accepted moves from one to another, expected: Σ min(1, e^{−w}).
    square : Array, shape (K, K)
        Σ of its squares: the variance of `flow`.
    rounds : int
    """

    visits: Array
    flow: Array
    square: Array
    rounds: int = 0

    @classmethod
    def none(cls, states: int) -> Traffic:
        """Nothing seen yet."""
        return cls(np.zeros(states), np.zeros((states, states)), np.zeros((states, states)))

    def with_round(self, states: Partition, segments: Sequence[Segment], works: Works) -> Traffic:
        """With a round's samples and paths."""
        k = len(states)
        xi = np.concatenate([s.samples["cvs"] for s in segments if "cvs" in s.samples])
        visits = self.visits + np.bincount(states.assign(xi), minlength=k)
        flow, square = self.flow, self.square
        if len(works):
            source, target = ends_of(states, segments)
            arrived = target >= 0
            chance = np.exp(-np.clip(works["work"], 0.0, None))[arrived]
            pair = source[arrived] * k + target[arrived]
            flow = flow + np.bincount(pair, chance, k * k).reshape(k, k)
            square = square + np.bincount(pair, chance**2, k * k).reshape(k, k)
        return Traffic(visits, flow, square, self.rounds + 1)

    @property
    def settled(self) -> bool:
        """Whether at least two states are known, and moves between all of them balance."""
        if np.count_nonzero(self.visits) < 2:
            return False
        flow = self.flow - np.diag(np.diag(self.flow))
        through = np.minimum(flow.sum(axis=0), flow.sum(axis=1))
        busy = through[self.visits >= HARDLY * self.visits.sum()] >= LEAST
        return bool(busy.all() and self.balances(OFF) and flow.sum() >= 2.0 * LEAST)

    def balances(self, off: float) -> bool:
        """Whether moves to and fro differ by at most so many standard errors."""
        error = np.sqrt(self.square + self.square.T)
        return bool((np.abs(self.flow - self.flow.T) <= off * error).all())
