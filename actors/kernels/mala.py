"""Metropolis-adjusted Langevin algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from msgen.actors.kernels.base import Target, all_finite, log_uniform, metropolis
from msgen.actors.kernels.chain import Outcome, SteppedKernel
from msgen.actors.kernels.overdamped import check_step
from msgen.systems.base import Array


class MalaState(NamedTuple):
    """Positions (n, D), ln ρ* there (n,), and its gradient (n, D)."""

    x: Array
    log_density: Array
    gradient: Array


@dataclass(frozen=True)
class Mala(SteppedKernel[MalaState]):
    """An Euler–Maruyama step as a proposal, and the Metropolis–Hastings test. Exact at any ∆t.

    .. math::
        q(x′|x) = N(x′;\\; x + D∆t\\,∇\\ln ρ^*(x),\\; 2D∆t), \\quad
        a = \\min\\left(1, \\frac{ρ^*(x′)\\,q(x|x′)}{ρ^*(x)\\,q(x′|x)}\\right)

    (Besag, J. R. Stat. Soc. B 56, 591, 1994; Roberts & Tweedie, Bernoulli 2, 341, 1996). The
    gradient of the present point is kept, so a step costs one gradient.

    Parameters
    ----------
    dt : float or Array, shape (n, 1)
        Time step ∆t, or that of each walker; an acceptance near 0.574 is best in many dimensions.
    diffusion : float or Array, shape (D,)
        Diffusion coefficient D of every coordinate, in (unit of x)² per unit of ∆t.
    """

    dt: float | Array
    diffusion: float | Array = 1.0

    def __post_init__(self) -> None:
        check_step(self.dt, self.diffusion)

    def init(self, target: Target, x: Array, rng: np.random.Generator) -> MalaState:
        """Density and gradient at the start, which diffuses freely where it has no gradient."""
        log_density, grad = target.log_density_and_gradient(x)
        return MalaState(x, log_density, np.where(all_finite(grad)[:, None], grad, 0.0))

    def step(
        self, target: Target, state: MalaState, rng: np.random.Generator
    ) -> tuple[MalaState, Outcome]:
        """One proposal, tested."""
        x, log_old, grad = state
        variance = 2.0 * self.dt * np.asarray(self.diffusion)
        mean = x + 0.5 * variance * grad
        new = mean + np.sqrt(variance) * rng.standard_normal(x.shape)
        log_new, grad_new = target.log_density_and_gradient(new)
        usable = all_finite(grad_new)
        grad_new = np.where(usable[:, None], grad_new, 0.0)
        mean_back = new + 0.5 * variance * grad_new
        outcome = Outcome(
            *metropolis(
                np.where(usable, log_new, -np.inf),
                log_old,
                _log_normal(new, mean, variance),
                _log_normal(x, mean_back, variance),
                log_uniform(rng, len(x)),
            )
        )
        here = outcome.accepted[:, None]
        state = MalaState(
            np.where(here, new, x),
            np.where(outcome.accepted, log_new, log_old),
            np.where(here, grad_new, grad),
        )
        return state, outcome


def _log_normal(x: Array, mean: Array, variance: Array) -> Array:
    """ln N(x; mean, variance) up to a constant that cancels in the ratio, shape (n,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(-0.5 * np.sum((x - mean) ** 2 / variance, axis=1), dtype=np.float64)
