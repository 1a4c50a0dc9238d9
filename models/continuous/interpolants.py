"""Paths between two samples, and which samples they join.

x_t = α(t) x₀ + β(t) x₁ + γ(t) ζ with α(0) = β(1) = 1, α(1) = β(0) = 0 and Gaussian ζ. The velocity
of a continuous flow from the density of x₀ to that of x₁ is v(x, t) = E[ẋ_t | x_t = x], a plain
regression. Angles go along the shorter arc.
Source: Albergo and Vanden-Eijnden, Building normalizing flows with stochastic interpolants (2023);
Lipman et al., Flow matching for generative modeling (2023); on the torus Chen and Lipman, Flow
matching on general geometries (2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from msgen.models.base import Array
from msgen.models.continuous.components import Coupling
from msgen.models.coupling.splines import wrap

BLOCK = 128
"""Most pairs that are assigned at once: 256 take four times as long and shorten paths by 2 %."""


@dataclass(frozen=True)
class Interpolant:
    """One family of paths.

    Attributes
    ----------
    kind : str
        'linear': α = 1 − t, β = t. 'trigonometric': α = cos(πt/2), β = sin(πt/2), which keeps the
        variance where both ends have the same; angles then go as sin²(πt/2).
    noise : float
        g in γ = g sin²(πt): width of the noise half way, which smooths v where the data are few.
    """

    kind: str = "linear"
    noise: float = 0.0

    def between(
        self, x0: Tensor, x1: Tensor, t: Tensor, angles: Tensor, zeta: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """x_t and ẋ_t, shapes (n, d), at times t (n, 1); `zeta` (n, d) is ζ, None for none."""
        if self.kind == "linear":
            x, slope = (1 - t) * x0 + t * x1, x1 - x0
            share, rate = t, torch.ones_like(t)
        else:
            half = 0.5 * math.pi
            sin, cos = torch.sin(half * t), torch.cos(half * t)
            x, slope = cos * x0 + sin * x1, half * (cos * x1 - sin * x0)
            share, rate = sin * sin, 2 * half * sin * cos
        if len(angles):
            arc = wrap(x1[:, angles] - x0[:, angles])
            x[:, angles], slope[:, angles] = x0[:, angles] + share * arc, rate * arc
        if zeta is not None and self.noise:
            x = x + self.noise * torch.sin(math.pi * t) ** 2 * zeta
            slope = slope + self.noise * math.pi * torch.sin(2 * math.pi * t) * zeta
        return x, slope


def independent(x0: Array, x1: Array, rng: np.random.Generator) -> Array:
    """x₀ as it is."""
    return x0


def optimal_transport(angles: Array) -> Coupling:
    """x₀ in the order that minimises Σ|x₀ − x₁|² within the batch, arcs on angles.

    Paths then cross less, and v is straighter in time. In blocks of at most `BLOCK` rows.
    Source: Tong et al., Improving and generalizing flow-based generative models with minibatch
    optimal transport (2024).

    Parameters
    ----------
    angles : Array of int
        Columns that are periodic.
    """

    def couple(x0: Array, x1: Array, rng: np.random.Generator) -> Array:
        out = np.empty_like(x0)
        for start in range(0, len(x0), BLOCK):
            rows = slice(start, start + BLOCK)
            off = squares(x0[rows], x1[rows], angles)
            out[rows] = x0[rows][linear_sum_assignment(off.T)[1]]
        return out

    return couple


def squares(x0: Array, x1: Array, angles: Array) -> Array:
    """Squared distances of all pairs of rows, shape (n0, n1)."""
    linear = np.setdiff1d(np.arange(x0.shape[1]), angles)
    a, b = x0[:, linear], x1[:, linear]
    out: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    for k in angles:
        arc = np.mod(x0[:, k, None] - x1[:, k] + np.pi, 2 * np.pi) - np.pi
        out += arc * arc
    return out
