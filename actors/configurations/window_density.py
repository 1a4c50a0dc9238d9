"""Global moves inside an umbrella window, proposed by a model that is conditional on λ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.models.base import GenerativeModel
from msgen.systems.base import Array


@dataclass(frozen=True)
class AtWindow:
    """q(x|λ_i) for walker i: what `Independence` takes as its proposal.

    p(x|λ) ∝ ρ*(x) g(λ|ξ(x)) is what a model learns whose label λ is drawn from g at the
    configuration, and it is the density of the window at λ; so a good model is accepted always, and
    any model is exact by its own ln q.

    Attributes
    ----------
    model : GenerativeModel
        Of the whole configuration, frozen.
    label : Array, shape (n, c)
        λ of each walker, the biased CVs only.
    """

    model: GenerativeModel
    label: Array

    def _tiled(self, n: int) -> Array:
        return np.tile(self.label, (n // len(self.label), 1))

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, a multiple of the walkers, the walker's index running fastest."""
        return self.model.sample(n, rng, self._tiled(n))

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y|λ), rows in the order of `sample`."""
        return self.model.log_prob(y, self._tiled(len(y)))
