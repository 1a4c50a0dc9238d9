"""Flattened sampling along a few CVs at a time, so that no grid of λ holds all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT, Numbered
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.systems.base import Array


@dataclass(frozen=True)
class PartialLadders:
    """An expanded ensemble whose λ stands on one of several ladders, each of a few CVs.

    λ is absent (weight h₀), or on point j of ladder k, which restrains the CVs of k alone:

    .. math:: π(x) ∝ ρ^*(x) B(ξ(x)), \\quad
              B = h_0 + \\sum_k \\sum_{j ∈ k} h_{kj} e^{-E_k(λ_{kj}, ξ_k)}

    As with one ladder of all CVs, what is at hand when λ is absent is distributed as ρ* itself, and
    every sample counts with weight 1/B; but with as many points as the ladders have together.

    Attributes
    ----------
    parts : tuple of Ladder
        Each of its own CVs, with h₀ = 0.
    columns : tuple of int array
        These CVs.
    log_h0 : float
    g : Conditional
        Of all CVs; each ladder has its part of it.
    """

    parts: Annotated[tuple[Ladder, ...], Numbered("part")]
    columns: Annotated[tuple[NDArray[np.int64], ...], Numbered("columns")]
    log_h0: float
    g: Annotated[Conditional, FLAT]

    def _log_parts(self, xi: Array) -> Array:
        """ln of h₀ and of the sum over each ladder, shape (n, 1 + K)."""
        out = np.full((len(xi), 1 + len(self.parts)), self.log_h0)
        for k, (part, columns) in enumerate(zip(self.parts, self.columns, strict=True)):
            out[:, 1 + k] = part.log_bias(xi[:, columns])
        return out

    def log_bias(self, xi: Array) -> Array:
        """ln B(ξ), shape (n, C) → (n,)."""
        return np.asarray(np.logaddexp.reduce(self._log_parts(xi), axis=1))

    def draw(self, xi: Array, rng: np.random.Generator) -> tuple[Array, Mask]:
        """λ | ξ, λ of a free CV being NaN: which ladder first, then where on it; both exactly."""
        share = self._log_parts(xi)
        share = np.exp(share - share.max(axis=1, keepdims=True)).cumsum(axis=1)
        u = rng.random(len(xi)) * share[:, -1]
        which = np.minimum((u[:, None] >= share).sum(axis=1), len(self.parts)) - 1
        lam = np.full(xi.shape, np.nan)
        for k, columns in enumerate(self.columns):
            mine = np.flatnonzero(which == k)
            if len(mine):
                drawn = self.parts[k].draw(xi[np.ix_(mine, columns)], rng)[0]
                lam[np.ix_(mine, columns)] = drawn
        return lam, which >= 0
