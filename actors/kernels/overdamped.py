"""Overdamped Langevin dynamics without a Metropolis test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from msgen.actors.kernels.base import Mask, Target, all_finite
from msgen.actors.kernels.chain import Outcome, SteppedKernel
from msgen.systems.base import Array


class OverdampedState(NamedTuple):
    """Positions and ∇ ln ρ* there, both (n, D)."""

    x: Array
    gradient: Array


@dataclass(frozen=True)
class Overdamped(SteppedKernel[OverdampedState]):
    """Euler–Maruyama steps of overdamped Langevin dynamics. **Approximate.**

    .. math:: x_{t+1} = x_t + D\\,∆t\\,∇\\ln ρ^*(x_t) + \\sqrt{2 D ∆t}\\,η_t, \\quad η_t ∼ N(0, 1)

    The chain's stationary density differs from ρ* by O(∆t) (Roberts & Tweedie, Bernoulli 2, 341,
    1996): in a harmonic well of curvature k its variance is 1/(k(1 − Dk∆t/2)). Use it to relax, or
    inside moves that are tested as a whole; `Mala` is the same step made exact.

    A step to where density or gradient is not finite is not taken; such steps are counted.

    Parameters
    ----------
    dt : float
        Time step ∆t.
    diffusion : float or Array, shape (D,)
        Diffusion coefficient D of every coordinate, in (unit of x)² per unit of ∆t.
    """

    dt: float
    diffusion: float | Array = 1.0

    def __post_init__(self) -> None:
        check_step(self.dt, self.diffusion)

    def init(self, target: Target, x: Array, rng: np.random.Generator) -> OverdampedState:
        """The gradient at the start; a walker that has none stays."""
        return OverdampedState(x, target.log_density_and_gradient(x)[1])

    def step(
        self, target: Target, state: OverdampedState, rng: np.random.Generator
    ) -> tuple[OverdampedState, Outcome]:
        """One step, not tested."""
        x, grad = state
        spread = np.sqrt(2.0 * self.dt * np.asarray(self.diffusion))
        with np.errstate(all="ignore"):
            new = x + 0.5 * spread**2 * grad + spread * rng.standard_normal(x.shape)
            log_new, grad_new = target.log_density_and_gradient(new)
        good = np.isfinite(log_new) & all_finite(grad_new) & all_finite(new)
        here = good[:, None]
        moved = OverdampedState(np.where(here, new, x), np.where(here, grad_new, grad))
        return moved, untested(good)


def check_step(dt: float | Array, scale: float | Array) -> None:
    """Refuse a time step or a scale that is not finite and positive with a ValueError."""
    if not (np.all(np.isfinite(dt)) and np.all(np.asarray(dt) > 0.0)):
        raise ValueError(f"time step {dt} must be finite and positive")
    if not (np.all(np.isfinite(scale)) and np.all(np.asarray(scale) > 0.0)):
        raise ValueError(f"{scale} must be finite and positive")


def untested(moved: Mask) -> Outcome:
    """Of a step that is taken wherever it can be: refused only for not being finite."""
    return Outcome(moved, np.where(moved, 0.0, -np.inf), ~moved)
