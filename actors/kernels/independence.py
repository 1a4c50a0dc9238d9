"""Independence Metropolis–Hastings with a generative model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from msgen.actors.kernels.base import Density, KernelResult, Recorder, log_uniform, metropolis
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
        x = np.array(walkers.positions, dtype=np.float64)
        n, dim = x.shape
        recorder = Recorder(n_steps, record_every, x.shape)
        log_old, q_old = target.log_density(x), np.asarray(self.proposal.log_prob(x))
        accepted, probability, nonfinite = np.zeros(n), np.zeros(n), 0
        started, draws, proposed = _log_weight(log_old, q_old), [], []
        per_batch = max(1, self.batch // max(n, 1))
        for first in range(0, n_steps, per_batch):
            m = min(per_batch, n_steps - first)
            y, log_q = draw(self.proposal, m * n, rng)
            q_y = np.asarray(log_q, dtype=np.float64).reshape(m, n)
            log_y = target.log_density(y).reshape(m, n)
            log_y = np.where(np.isfinite(y).all(axis=1).reshape(m, n), log_y, -np.inf)
            y = y.reshape(m, n, dim)
            draws.append(y)
            proposed.append(_log_weight(log_y, q_y))
            log_u = log_uniform(rng, (m, n))
            for k in range(m):
                accept, ratio, bad = metropolis(log_y[k], log_old, q_y[k], q_old, log_u[k])
                x = np.where(accept[:, None], y[k], x)
                log_old = np.where(accept, log_y[k], log_old)
                q_old = np.where(accept, q_y[k], q_old)
                accepted += accept
                probability += np.exp(np.minimum(ratio, 0.0))
                nonfinite += int(bad.sum())
                recorder.note(first + k, x)
        return IndependenceResult(
            walkers.with_positions(x),
            accepted / n_steps,
            probability / n_steps,
            ratio,
            n * (n_steps + 1),
            nonfinite,
            recorder.frames,
            np.concatenate(draws),
            np.concatenate(proposed),
            started,
        )


def _log_weight(log_density: Array, log_q: Array) -> Array:
    """ln ρ* − ln q; −inf where ρ* = 0 or where either is not a number."""
    with np.errstate(invalid="ignore"):
        w = log_density - log_q
    return np.where(np.isneginf(log_density) | np.isnan(w), -np.inf, w)
