"""Defended steps: (1−ε)·q_τ(y′|y) + ε·broad(y′), of a dynamics that was learnt.

The broad part reaches what no step does, from wherever one is; the lag τ is drawn evenly, without
regard to y, so that the steps of each lag can be held against their way back by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import Array, Drawn


class Stepping(Protocol):
    """A conditional density that can be drawn from."""

    def sample(self, before: Array, lag: Array, rng: np.random.Generator) -> Array:
        """Shape (n, d) → (n, d)."""
        ...

    def log_prob(self, after: Array, before: Array, lag: Array) -> Array:
        """ln q(after|before), shape (n,)."""
        ...


@dataclass(frozen=True)
class DefendedSteps:
    """See the module.

    Attributes
    ----------
    proposal : Stepping
        Of the very version recorded with the segment.
    lags : tuple of float
        One is drawn for each step, evenly.
    broad : Drawn
        What a share `epsilon` of proposals come from, wherever one is.
    epsilon : float
    """

    proposal: Stepping
    lags: tuple[float, ...]
    broad: Drawn
    epsilon: float

    def draw(self, before: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
        """One step from each of (n, d), and which lag it is of, shapes (n, d) and (n,)."""
        n = len(before)
        which = rng.integers(len(self.lags), size=n)
        drawn = self.proposal.sample(before, self.lag(which), rng)
        wide = rng.random(n) < self.epsilon
        drawn[wide] = self.broad.sample(int(wide.sum()), rng)
        return drawn, which

    def lag(self, which: NDArray[np.int64]) -> Array:
        """The lags of these numbers."""
        return np.asarray(np.array(self.lags)[which])

    def log_proposal(self, after: Array, before: Array, lag: Array) -> Array:
        """ln of the defended density of a step, shape (n,)."""
        with np.errstate(divide="ignore"):
            model = np.log1p(-self.epsilon) + self.proposal.log_prob(after, before, lag)
            broad = np.log(self.epsilon) + self.broad.log_prob(after)
        return np.asarray(np.logaddexp(model, broad), dtype=np.float64)
