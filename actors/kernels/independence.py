"""Independence Metropolis–Hastings with a generative model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from msgen.actors.kernels.base import Density, KernelResult, log_uniform, metropolis
from msgen.actors.kernels.chain import Outcome, run_chain
from msgen.models.base import Drawn
from msgen.models.defensive_mixture import draw
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class IndependenceResult(KernelResult):
    """And the weights ln ρ*(x) − ln q(x), whose two distributions tell ln Z by Bennett's estimator.

    Attributes
    ----------
    draws : Array, shape (n_steps, n, D)
        The proposals: independent draws of q.
    proposed : Array, shape (n_steps, n)
        At the proposals; −inf where ρ*(x) = 0.
    started : Array, shape (n,)
        Where the walkers stood at the start; +inf where q(x) = 0.
    """

    draws: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    proposed: Array = field(default_factory=lambda: np.zeros((0, 0)))
    started: Array = field(default_factory=lambda: np.zeros(0))


class IndependenceState(NamedTuple):
    """Positions (n, D), and ln ρ* and ln q there, both (n,)."""

    x: Array
    log_density: Array
    log_q: Array


class Proposals(NamedTuple):
    """Of n walkers in m steps: draws (m, n, D), ln ρ*, ln q and ln of uniform draws, all (m, n)."""

    x: Array
    log_density: Array
    log_q: Array
    log_u: Array

    def each(self) -> Iterator[Proposals]:
        """Those of one step after the other, without the first axis."""
        return (Proposals(*step) for step in zip(*self, strict=True))


@dataclass(frozen=True)
class Independence:
    """Global moves proposed by a frozen model of the whole configuration. Exact for any model.

    .. math:: a = \\min\\left(1, \\frac{ρ^*(x′)\\,q(x)}{ρ^*(x)\\,q(x′)}\\right)

    (Tierney, Ann. Stat. 22, 1701, 1994). The proposals of all walkers and steps do not depend on
    where the walkers are, so they are drawn and evaluated as one batch and then scanned.

    A walker that stands where q(x) = 0 while ρ*(x) > 0 can accept no proposal: that is the exact
    answer, other moves (or a defended q, which is nowhere zero) have to carry it away. A proposal
    with q(x′) = 0 or with a density that is not finite is refused and counted.

    Parameters
    ----------
    proposal : Drawn
        The model, of the very version recorded with the segment.
    batch : int
        Largest number of configurations drawn and evaluated at a time; it changes which random
        numbers are used, so it belongs to the settings.
    """

    proposal: Drawn
    batch: int = 65536

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch={self.batch} must be at least 1")

    def __call__(
        self,
        target: Density,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> IndependenceResult:
        """Take `n_steps` proposals; one energy each and one for the start."""
        start = self.init(target, np.array(walkers.positions, dtype=np.float64))
        n = len(start.x)
        per_batch = max(1, self.batch // max(n, 1))
        sizes = [min(per_batch, n_steps - first) for first in range(0, n_steps, per_batch)]
        batches = [self.propose(target, m, n, rng) for m in sizes]
        proposals = (each for batch in batches for each in batch.each())
        done = run_chain(
            start,
            lambda state: self.step(state, next(proposals)),
            walkers,
            n_steps=n_steps,
            record_every=record_every,
        )
        return IndependenceResult(
            done.walkers,
            done.accepted,
            done.probability,
            done.log_ratio,
            done.evaluations,
            done.nonfinite,
            done.trajectory,
            np.concatenate([b.x for b in batches]),
            np.concatenate([_log_weight(b.log_density, b.log_q) for b in batches]),
            _log_weight(start.log_density, start.log_q),
        )

    def init(self, target: Density, x: Array) -> IndependenceState:
        """Both densities at the start."""
        return IndependenceState(x, target.log_density(x), np.asarray(self.proposal.log_prob(x)))

    def propose(self, target: Density, m: int, n: int, rng: np.random.Generator) -> Proposals:
        """Draws of n walkers in m steps, and all that their tests need."""
        y, log_q = draw(self.proposal, m * n, rng)
        log_y = target.log_density(y).reshape(m, n)
        log_y = np.where(np.isfinite(y).all(axis=1).reshape(m, n), log_y, -np.inf)
        q_y = np.asarray(log_q, dtype=np.float64).reshape(m, n)
        return Proposals(y.reshape(m, n, -1), log_y, q_y, log_uniform(rng, (m, n)))

    def step(self, state: IndependenceState, new: Proposals) -> tuple[IndependenceState, Outcome]:
        """The test of one proposal a walker."""
        outcome = Outcome(
            *metropolis(new.log_density, state.log_density, new.log_q, state.log_q, new.log_u)
        )
        accept = outcome.accepted
        state = IndependenceState(
            np.where(accept[:, None], new.x, state.x),
            np.where(accept, new.log_density, state.log_density),
            np.where(accept, new.log_q, state.log_q),
        )
        return state, outcome


def _log_weight(log_density: Array, log_q: Array) -> Array:
    """ln ρ* − ln q; −inf where ρ* = 0 or where either is not a number."""
    with np.errstate(invalid="ignore"):
        w = log_density - log_q
    return np.where(np.isneginf(log_density) | np.isnan(w), -np.inf, w)
