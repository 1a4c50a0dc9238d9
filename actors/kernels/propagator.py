r"""Steps of a learnt dynamics, each held against its way back.

.. math:: a = \min\left(1, \frac{ρ(y′)\,q_τ(y|y′)}{ρ(y)\,q_τ(y′|y)}\right)

(Hastings, Biometrika 57, 97, 1970). ρ is the density in the model's coordinates, their volume at
both ends with it; the lag τ is drawn without regard to y, so that each lag is in balance by itself.
A perfect model of reversible dynamics is always accepted: acceptance by lag measures the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Density, Mask, log_uniform, metropolis
from msgen.models.defended_steps import DefendedSteps
from msgen.systems.base import Array

Ints = NDArray[np.int64]


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
class Propagate(DefendedSteps):
    """Exact for any model. One energy a proposal."""

    def step(
        self, target: Density, y: Array, log_density: Array, rng: np.random.Generator
    ) -> Stepped:
        """One proposal of each walker, whose ln ρ is `log_density`."""
        drawn, which = self.draw(y, rng)
        lag, log_new = self.lag(which), target.log_density(drawn)
        accepted, _, nonfinite = metropolis(
            log_new,
            log_density,
            self.log_proposal(drawn, y, lag),
            self.log_proposal(y, drawn, lag),
            log_uniform(rng, len(y)),
        )
        kept = np.where(accepted[:, None], drawn, y)
        return Stepped(
            kept, np.where(accepted, log_new, log_density), drawn, which, accepted, nonfinite
        )
