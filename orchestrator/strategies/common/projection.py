"""Another surface of a production that is there, from the samples it has counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.histogram import Surface, block_sums
from msgen.orchestrator.estimators.marginals import Marginal
from msgen.orchestrator.strategies.common.production import Production
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Samples that count.

    Attributes
    ----------
    xi : Array, shape (n, C)
    log_bias : Array, shape (n,)
        Of the density that each was drawn from.
    replica, round : int array, shape (n,)
    """

    xi: Array
    log_bias: Array
    replica: Ints
    round: Ints

    def is_what(self, production: Production, tolerance: float) -> bool:
        """Whether a production has counted these and no others, of replicas that are joined."""
        rounds = np.unique(self.round)
        if len(rounds) != production.rounds or self.replica.max() >= len(production.block):
            return False
        blocks = len(production.bins)
        mine = np.bincount(production.block[self.replica], np.exp(-self.log_bias), blocks)
        theirs = production.states.sum(axis=1)
        here = mine > 0
        return bool(np.all(np.abs(mine - theirs)[here] <= tolerance * theirs[here]))


def projected(
    production: Production,
    marginal: Marginal,
    drawn: Drawn,
    periodic: tuple[bool, ...],
    *,
    stratified: bool,
) -> Surface:
    """The surface over some CVs, by the estimator and the blocks of a production.

    Parameters
    ----------
    production : Production
        That has counted `drawn`.
    marginal : Marginal
    drawn : Drawn
    periodic : tuple of bool
        Of all CVs.
    stratified : bool
        Whether replicas are kept in strata that works join.
    """
    size, blocks = marginal.grid.size, len(production.bins)
    block, weight = production.block[drawn.replica], np.exp(-drawn.log_bias)
    index = marginal.index(drawn.xi)
    apart = production.apart
    if apart is not None:
        stretch = apart.time.stretches[np.unique(drawn.round, return_inverse=True)[1]]
        number, stretches = stretch * blocks + block, len(apart.sums)
        sums = block_sums(index, size, number, stretches * blocks, weight)
        states = apart.sums[:, :, -production.states.shape[1] :]
        by_stretch = np.concatenate([sums.reshape(stretches, blocks, size), states], axis=2)
        apart = replace(apart, sums=by_stretch)
    bins = block_sums(index, size, block, blocks, weight)
    made = replace(production, bins=bins, apart=apart)
    return made.populations((size,), periodic, stratified=stratified)[0].surface(
        marginal.grid.shape
    )
