"""The bias that flattens the local sampling, from what the adaptation has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.estimators.histogram import Grid
from msgen.systems.base import Array

PLAIN_SHARE = 0.5
"""Share of the time that λ is to be absent: these samples start the paths."""
KEEP = 6
"""Rounds of the adaptation that are remembered."""
MARGIN = 1.0
"""kT above the height asked for, so that the rim itself is seen."""


@dataclass(frozen=True)
class Flattener:
    """Histograms of one stratum over the last rounds, each under the bias of its time.

    Attributes
    ----------
    counts : Array, shape (rounds, bins)
    bias : Array, shape (rounds, bins)
        ln B at the centre of each bin, in that round.
    """

    counts: Array
    bias: Array

    @classmethod
    def empty(cls, bins: int) -> Flattener:
        """Nothing seen yet."""
        return cls(np.zeros((0, bins)), np.zeros((0, bins)))

    def with_round(self, counts: Array, bias: Array) -> Flattener:
        """With a round's histogram, shape (bins,), and its bias; the oldest is forgotten."""
        return Flattener(
            np.concatenate([self.counts, counts[None]])[-KEEP:],
            np.concatenate([self.bias, bias[None]])[-KEEP:],
        )

    def populations(self, iterations: int = 200) -> Array:
        """p_b ∝ Σ_r n_rb / Σ_r N_r B_rb / Z_r, shape (bins,), normalised in the stratum.

        Self-consistent, as in WHAM (Kumar et al., J. Comput. Chem. 13, 1011, 1992).
        """
        b = np.exp(self.bias)
        total = self.counts.sum(axis=1)
        seen = self.counts.sum(axis=0)
        p = np.asarray(seen / max(seen.sum(), 1.0))
        for _ in range(iterations):
            z = b @ p
            new = seen / np.maximum((total / z) @ b, 1e-300)
            new = np.asarray(new / new.sum())
            if np.abs(new - p).sum() < 1e-6:
                return new
            p = new
        return p


def bin_centres(grid: Grid) -> Array:
    """Centres of all bins, shape (bins, C), in C-order."""
    mesh = np.meshgrid(*grid.centres, indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=1)


def smear(p: Array, grid: Grid, g: Conditional) -> Array:
    """Σ_b p_b e^{−E(λ, ξ_b)} at every bin centre λ: the density of λ up to a factor, grid shape."""
    out = p.reshape(grid.shape)
    for c, centres in enumerate(grid.centres):
        d = centres[:, None] - centres[None, :]
        e = 2.0 * np.sin(0.5 * d) ** 2 if g.periodic[c] else 0.5 * d * d
        out = np.moveaxis(np.tensordot(np.exp(-g.kappa[c] * e), out, axes=(1, c)), 0, c)
    return np.asarray(out)


def make_ladder(
    p: Array, height: float, stratum: int, partition: Partition, grid: Grid, g: Conditional
) -> Ladder:
    """A ladder that makes λ uniform where F(λ) is less than `height` above the stratum's bottom.

    h_j = 1/max(p(λ_j), e^{−height} max p) for λ_j that g can reach from inside the stratum; h₀ such
    that λ is absent for about `PLAIN_SHARE` of the time.
    """
    density = smear(p, grid, g)
    floor = density.max() * np.exp(-(height + MARGIN))
    reach = partition.mass(bin_centres(grid), g, np.full(grid.size, stratum)).reshape(grid.shape)
    with np.errstate(divide="ignore"):
        log_h = np.where(reach > 0.02, -np.log(np.maximum(density, floor)), -np.inf)
    open_ended = Ladder(grid.centres, log_h, -np.inf, g)
    share = np.exp(open_ended.log_bias(bin_centres(grid))) @ p
    log_h0 = float(np.log(share * PLAIN_SHARE / (1.0 - PLAIN_SHARE)))
    # the factor common to all weights is free: h₀ = 1
    return Ladder(grid.centres, log_h - log_h0, 0.0, g)
