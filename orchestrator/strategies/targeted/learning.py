"""What the models of the states have learnt, and whether another fit is worth its while."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.orders.fit import FitRecord
from msgen.orchestrator.strategies.targeted.schema import FIT_ROUNDS
from msgen.systems.base import Array

Ints = NDArray[np.int64]

Number = TypeVar("Number", np.int64, np.float64)

MOST_LEARNT = 20_000
"""The most, and the latest, that a fit sees of one state."""
LITTLE = 0.02
"""Nats by which a fit has to beat the one before it for another to be worth its while, beside a
per cent of the variables."""


@dataclass(frozen=True)
class Learning:
    """What the states' models have learnt.

    Attributes
    ----------
    versions : Ints, shape (K,)
        Of each state's model in use, −1 for none; no two states share one.
    transports : Ints, shape (K,)
        Of the interpolant from the first state to each, −1 for none.
    losses : Array, shape (K,)
        Mean −ln q on held-out samples of the newest model of each; NaN before there is one.
    gains : Array, shape (K,)
        Nats by which the last fit beat the model before it; NaN before the second.
    newest : int
    inhabited : bool array, shape (K,)
        Where there are replicas.
    data : dict of int to Array
        Configurations to learn from, in the models' variables.
    rounds : int
        Of the adaptation.
    """

    versions: Ints
    transports: Ints
    losses: Array
    gains: Array
    inhabited: NDArray[np.bool_]
    newest: int = -1
    rounds: int = 0
    data: dict[int, Array] = field(default_factory=dict)

    @classmethod
    def start(cls, stratum: Ints, n_states: int) -> Learning:
        """Nothing yet, for replicas kept in `stratum` (R,)."""
        none = np.full(n_states, np.nan)
        inhabited = np.isin(np.arange(n_states), stratum)
        no_model = np.full(n_states, -1, dtype=np.int64)
        return cls(no_model, no_model.copy(), none, none.copy(), inhabited)

    def with_configurations(self, state: int, configurations: Array) -> Learning:
        """And what a round saw of a state."""
        known = [self.data[state]] if state in self.data else []
        seen = np.concatenate([*known, configurations])[-MOST_LEARNT:]
        return replace(self, data={**self.data, state: seen})

    def with_map(self, state: int) -> Learning:
        """And a new interpolant to a state."""
        new = self.newest + 1
        return replace(self, newest=new, transports=_with(self.transports, state, new))

    def with_fit(self, state: int, fit: Segment) -> Learning:
        """And what came of a fit of a state's model, a version more where it was accepted."""
        made = replace(self, gains=_with(self.gains, state, fit.counts["gain"]))
        if not fit.read(FitRecord).accepted:
            return made
        new = self.newest + 1
        losses = _with(self.losses, state, fit.counts["held_out_loss"])
        return replace(made, newest=new, versions=_with(self.versions, state, new), losses=losses)

    def done(self, joined: bool) -> bool:
        """Whether every state has a model (and, if `joined`, an interpolant), and another fit is
        not worth its while."""
        learnt = self.versions[self.inhabited] >= 0
        if not learnt.all() or (joined and not (self.transports[self.ends] >= 0).all()):
            return False
        dim = next(iter(self.data.values())).shape[1]
        enough = max(LITTLE, 0.01 * dim)
        flat = bool((self.gains[self.inhabited] < enough).all())
        # the last fits are absorbed a lag after they began
        return flat or self.rounds > 2 * FIT_ROUNDS[-1] - FIT_ROUNDS[-2]

    @property
    def ends(self) -> Ints:
        """States that an interpolant is wanted to: the others, where there is the first."""
        return np.flatnonzero(self.inhabited)[1:] if self.inhabited[0] else np.zeros(0, np.int64)


def _with(values: NDArray[Number], index: int, value: float) -> NDArray[Number]:
    """A copy in which one value is another."""
    out = values.copy()
    out[index] = value
    return out
