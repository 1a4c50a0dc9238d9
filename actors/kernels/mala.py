"""Metropolis-adjusted Langevin algorithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.kernels.base import (
    KernelResult,
    Recorder,
    Target,
    all_finite,
    log_uniform,
    metropolis,
)
from msgen.actors.kernels.overdamped import check_step
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class Mala:
    """An Euler–Maruyama step as a proposal, and the Metropolis–Hastings test. Exact at any ∆t.

    .. math::
        q(x′|x) = N(x′;\\; x + D∆t\\,∇\\ln ρ^*(x),\\; 2D∆t), \\quad
        a = \\min\\left(1, \\frac{ρ^*(x′)\\,q(x|x′)}{ρ^*(x)\\,q(x′|x)}\\right)

    (Besag, J. R. Stat. Soc. B 56, 591, 1994; Roberts & Tweedie, Bernoulli 2, 341, 1996). The
    gradient of the present point is kept, so a step costs one gradient.

    Parameters
    ----------
    dt : float
        Time step ∆t; an acceptance near 0.574 is best in many dimensions.
    diffusion : float or Array, shape (D,)
        Diffusion coefficient D of every coordinate, in (unit of x)² per unit of ∆t.
    """

    dt: float
    diffusion: float | Array = 1.0

    def __post_init__(self) -> None:
        check_step(self.dt, self.diffusion)

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` steps; one gradient a step and one for the start."""
        x = np.array(walkers.positions, dtype=np.float64)
        n = len(x)
        recorder = Recorder(n_steps, record_every, x.shape)
        variance = np.broadcast_to(2.0 * self.dt * np.asarray(self.diffusion), x.shape)
        log_old, grad = target.log_density_and_gradient(x)
        # A start without a gradient diffuses freely until it finds one.
        grad = np.where(all_finite(grad)[:, None], grad, 0.0)
        accepted, probability, nonfinite = np.zeros(n), np.zeros(n), 0
        for step in range(n_steps):
            mean = x + 0.5 * variance * grad
            new = mean + np.sqrt(variance) * rng.standard_normal(x.shape)
            log_new, grad_new = target.log_density_and_gradient(new)
            usable = all_finite(grad_new)
            grad_new = np.where(usable[:, None], grad_new, 0.0)
            mean_back = new + 0.5 * variance * grad_new
            accept, ratio, bad = metropolis(
                np.where(usable, log_new, -np.inf),
                log_old,
                _log_normal(new, mean, variance),
                _log_normal(x, mean_back, variance),
                log_uniform(rng, n),
            )
            x = np.where(accept[:, None], new, x)
            grad = np.where(accept[:, None], grad_new, grad)
            log_old = np.where(accept, log_new, log_old)
            accepted += accept
            probability += np.exp(np.minimum(ratio, 0.0))
            nonfinite += int(bad.sum())
            recorder.note(step, x)
        return KernelResult(
            walkers.with_positions(x),
            accepted / n_steps,
            probability / n_steps,
            ratio,
            n * (n_steps + 1),
            nonfinite,
            recorder.frames,
        )


def _log_normal(x: Array, mean: Array, variance: Array) -> Array:
    """ln N(x; mean, variance) up to a constant that cancels in the ratio, shape (n,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(-0.5 * np.sum((x - mean) ** 2 / variance, axis=1), dtype=np.float64)
