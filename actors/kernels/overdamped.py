"""Overdamped Langevin dynamics without a Metropolis test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.kernels.base import KernelResult, Recorder, Target, all_finite
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class Overdamped:
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
        recorder = Recorder(n_steps, record_every, x.shape)
        spread = np.sqrt(2.0 * self.dt * np.asarray(self.diffusion))
        _, grad = target.log_density_and_gradient(x)
        moved = np.zeros(len(x))
        for step in range(n_steps):
            with np.errstate(all="ignore"):
                new = x + 0.5 * spread**2 * grad + spread * rng.standard_normal(x.shape)
                log_new, grad_new = target.log_density_and_gradient(new)
            good = np.isfinite(log_new) & all_finite(grad_new) & all_finite(new)
            x = np.where(good[:, None], new, x)
            grad = np.where(good[:, None], grad_new, grad)
            moved += good
            recorder.note(step, x)
        return KernelResult(
            walkers.with_positions(x),
            moved / n_steps,
            moved / n_steps,
            np.where(good, 0.0, -np.inf),
            len(x) * (n_steps + 1),
            int(len(x) * n_steps - moved.sum()),
            recorder.frames,
        )


def check_step(dt: float, scale: float | Array) -> None:
    """Refuse a time step or a scale that is not finite and positive with a ValueError."""
    if not (np.isfinite(dt) and dt > 0.0):
        raise ValueError(f"time step {dt} must be finite and positive")
    if not (np.all(np.isfinite(scale)) and np.all(np.asarray(scale) > 0.0)):
        raise ValueError(f"{scale} must be finite and positive")
