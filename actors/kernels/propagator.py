r"""Steps of a learnt dynamics, each held against its way back.

.. math:: a = \min\left(1, \frac{ρ(y′)\,q_τ(y|y′)}{ρ(y)\,q_τ(y′|y)}\right)

(Hastings, Biometrika 57, 97, 1970). ρ is the density in the model's coordinates, their volume at
both ends with it; the lag τ is drawn without regard to y, so that each lag is in balance by itself.
A perfect model of reversible dynamics is always accepted: acceptance by lag measures the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Density, Mask, log_uniform, metropolis
from msgen.models.base import Drawn
from msgen.systems.base import Array

Ints = NDArray[np.int64]


class Stepping(Protocol):
    """A conditional density that can be drawn from."""

    def sample(self, before: Array, lag: Array, rng: np.random.Generator) -> Array:
        """Shape (n, d) → (n, d)."""
        ...

    def log_prob(self, after: Array, before: Array, lag: Array) -> Array:
        """ln q(after|before), shape (n,)."""
        ...


class Stepped(NamedTuple):
    """One step of n walkers.

    Attributes
    ----------
    y : Array, shape (n, d)
    log_density : Array, shape (n,)
    drawn : Array, shape (n, d)
        Proposals.
    lag : int array, shape (n,)
        Which lag each was of.
    accepted, nonfinite : Mask, shape (n,)
    """

    y: Array
    log_density: Array
    drawn: Array
    lag: Ints
    accepted: Mask
    nonfinite: Mask


@dataclass(frozen=True)
class Propagate:
    """Exact for any model. One energy a proposal.

    Parameters
    ----------
    proposal : Stepping
        Of the very version recorded with the segment.
    lags : tuple of float
        One is drawn for each step, evenly.
    broad : Drawn
        What a share `epsilon` of proposals come from, wherever the walker is.
    epsilon : float
    """

    proposal: Stepping
    lags: tuple[float, ...]
    broad: Drawn
    epsilon: float

    def log_proposal(self, after: Array, before: Array, lag: Array) -> Array:
        """ln of the defended density of a proposal, shape (n,)."""
        model = np.log1p(-self.epsilon) + self.proposal.log_prob(after, before, lag)
        broad = np.log(self.epsilon) + self.broad.log_prob(after)
        return np.asarray(np.logaddexp(model, broad), dtype=np.float64)

    def step(
        self, target: Density, y: Array, log_density: Array, rng: np.random.Generator
    ) -> Stepped:
        """One proposal of each walker, whose ln ρ is `log_density`."""
        n = len(y)
        which = rng.integers(len(self.lags), size=n)
        lag = np.array(self.lags)[which]
        drawn = self.proposal.sample(y, lag, rng)
        wide = rng.random(n) < self.epsilon
        drawn[wide] = self.broad.sample(int(wide.sum()), rng)
        log_new = target.log_density(drawn)
        accepted, _, nonfinite = metropolis(
            log_new,
            log_density,
            self.log_proposal(drawn, y, lag),
            self.log_proposal(y, drawn, lag),
            log_uniform(rng, n),
        )
        kept = np.where(accepted[:, None], drawn, y)
        return Stepped(
            kept, np.where(accepted, log_new, log_density), drawn, which, accepted, nonfinite
        )
