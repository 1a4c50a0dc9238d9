"""Samplers of a score model that have no density of their own.

They approach the density of the probability-flow ODE as their steps grow, and serve where no
Metropolis test follows. All of them work on σ and dx/dσ = (x − D(x; σ))/σ, so that
∇ln p(x; σ) = −(dx/dσ)/σ, on linear columns and on angles alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.score.noise import Noise
from msgen.systems.pause import pause

CHURN_LEVELS = (0.05, 10.0)
"""Noise is added back between these levels; Karras' S_tmin and S_tmax for unit variance."""
MOST_CHURN = math.sqrt(2) - 1


class Velocity(Protocol):
    """dx/dσ of the probability-flow ODE; x of shape (n, …)."""

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor: ...


class Normals(Protocol):
    """Where a sampler's noise comes from: one generator for all rows, or one a row."""

    def standard_normal(self, size: tuple[int, ...]) -> Array: ...


Step = Callable[[Velocity, Tensor, Tensor | None, float, float], Tensor]
"""From x at one level to x at a lower one, given the context."""


class Guided:
    """Classifier-free guidance, v = v(∅) + w (v(c) − v(∅)); w = 1 is the model itself.

    For any other w what is sampled has no known normalised density.
    Source: Ho and Salimans, Classifier-free diffusion guidance (2022).
    """

    def __init__(self, field: Velocity, strength: float, unlabelled: Tensor) -> None:
        self.field, self.strength, self.unlabelled = field, strength, unlabelled

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        """dx/dσ, shape (n, d)."""
        free = self.field.velocity(x, sigma, self.unlabelled)
        return free + self.strength * (self.field.velocity(x, sigma, context) - free)


def euler_step(
    field: Velocity, x: Tensor, context: Tensor | None, start: float, end: float
) -> Tensor:
    """Euler's step from one level to a lower one; of a variance-preserving process DDIM's."""
    return x + (end - start) * field.velocity(x, start, context)


def heun_step(
    field: Velocity, x: Tensor, context: Tensor | None, start: float, end: float
) -> Tensor:
    """Heun's step, of second order, at twice the price."""
    first = field.velocity(x, start, context)
    second = field.velocity(x + (end - start) * first, end, context)
    return x + 0.5 * (end - start) * (first + second)


def dpm_solver_3_step(
    field: Velocity, x: Tensor, context: Tensor | None, start: float, end: float
) -> Tensor:
    """The step of DPM-Solver-3, of third order in ln σ, at three times the price of Euler's.

    The velocity is taken for a parabola in ln σ, and its integral over σ is exact. It is made for
    levels that are even in ln σ, and for networks whose output varies little where σ is small.
    Source: Lu et al., DPM-Solver (2022), algorithm 2 (order 3, r₁ = 1/3, r₂ = 2/3), for x/α.
    """
    h = math.log(start / end)
    first = field.velocity(x, start, context)
    near, far = start * math.exp(-h / 3), start * math.exp(-2 * h / 3)
    second = field.velocity(x + (near - start) * first, near, context) - first
    bend = far * (math.expm1(2 * h / 3) / (2 * h / 3) - 1)
    third = field.velocity(x + (far - start) * first - 2 * bend * second, far, context) - first
    return x + (end - start) * first - 1.5 * end * (math.expm1(h) / h - 1) * third


def descend(
    step: Step,
    field: Velocity,
    x: Tensor,
    context: Tensor | None,
    levels: Array,
    normals: Normals,
    churn: float = 0.0,
) -> Tensor:
    """Step after step down to σ = 0, with noise added back and taken away again.

    Parameters
    ----------
    step : callable
        `euler_step`, `heun_step` or `dpm_solver_3_step`.
    x : Tensor, shape (n, …)
        At the first level.
    levels : Array, shape (steps + 1,)
        σ, decreasing to above 0; one more step, of Euler's method, leads from the last to 0.
    churn : float
        Noise added back in all, Karras' S_churn; 0 makes x a function of where it started.

    Notes
    -----
    Source: Karras et al. (2022), algorithms 1 and 2, with S_noise = 1.
    """
    gamma = min(churn / (len(levels) - 1), MOST_CHURN)
    for sigma, end in pairwise(map(float, levels)):
        pause()
        start = sigma
        if gamma > 0 and CHURN_LEVELS[0] <= sigma <= CHURN_LEVELS[1]:
            start = sigma * (1 + gamma)
            x = x + math.sqrt(start**2 - sigma**2) * normal(x, normals)
        x = step(field, x, context, start, end)
    last = float(levels[-1])
    return x - last * field.velocity(x, last, context)


def reverse_sde(
    field: Velocity,
    x: Tensor,
    context: Tensor | None,
    noise: Noise,
    steps: int,
    normals: Normals,
) -> Tensor:
    """The reverse SDE by Euler–Maruyama, from the process's end to its start.

    dx = [ṡ/s x − 2 s² σ̇ σ ∇ln p(x; t)] dt + s √(2 σ̇ σ) dw, backwards in t.

    Parameters
    ----------
    x : Tensor, shape (n, d)
        s x̂ at the last time, that is with the process's scale on linear columns.

    Returns
    -------
    Tensor, shape (n, d)
        x/s at the first time, where the noise is σ_min.

    Notes
    -----
    Source: Song et al. (2021), eq. 6, in the notation of Karras et al. (2022), eq. 103.
    """
    scale = 1.0
    for now, then in pairwise(map(float, noise.times(steps))):
        pause()
        scale, sigma, shrink, growth = noise.scale_and_level(now)
        # scores of x/s are s times those of x
        score = -field.velocity(x / scale, sigma, context) / sigma
        drift = shrink * x - 2 * scale * growth * score
        x = x + (then - now) * drift
        x = x + scale * math.sqrt(2 * growth * (now - then)) * normal(x, normals)
        scale = noise.scale_and_level(then)[0]
    return x / scale


def normal(x: Tensor, normals: Normals) -> Tensor:
    """Standard normal numbers of the shape of x."""
    return torch.as_tensor(normals.standard_normal(tuple(x.shape)), device=x.device)
