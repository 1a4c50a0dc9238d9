"""The probability-flow ODE as a map with an exact density.

Samples go from noise to data in fixed steps of the classical fourth-order Runge–Kutta method. Each
step Φ_i is a smooth invertible map, so the density of what comes out is known exactly, whatever its
error against the ODE:
ln q(y) = ln q₀(z) − Σ_i ln|det ∂Φ_i|, z = Φ₁⁻¹ ∘ … ∘ Φ_N⁻¹(y). Inverses are solved row by row, so
that no row's density depends on the rows beside it, as it does with an adaptive solver.
The step down is the one taken explicitly: with D the mean of x₀ given x, ∂D/∂x is a covariance and
a step is increasing in x wherever σ shrinks by less than half, however high the barriers.
Source: Song et al., Score-based generative modeling through stochastic differential equations
(2021), eq. 13 and 39.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.score.samplers import Velocity

CHORD, NEWTON = 12, 40
"""Most iterations with a Jacobian at hand, and most with fresh ones for rows that need them."""
TOLERANCE = 1e-6
"""Last correction of an inverse, in units of 1 + σ; costs about 1e-5 nats of a log-density."""

_STAGES = ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6))
"""How far along the step each slope is taken, and its weight."""


class Differentiable(Velocity, Protocol):
    """dx/dσ with its derivatives; x of shape (n, d), context features of shape (n, k)."""

    def velocity_and_jacobian(
        self, x: Tensor, sigma: float, context: Tensor | None
    ) -> tuple[Tensor, Tensor]: ...


class RungeKutta:
    """Steps of a velocity down a list of noise levels.

    Parameters
    ----------
    field : Velocity
    levels : Array, shape (steps + 1,)
        σ, decreasing.
    """

    def __init__(self, field: Velocity, levels: Array) -> None:
        self.field = field
        self.pairs = [(float(a), float(b)) for a, b in pairwise(levels)]

    def push(self, z: Tensor, context: Tensor | None) -> Tensor:
        """Noise at the first level to data at the last, shape (n, d)."""
        for high, low in self.pairs:
            z = self._step(z, high, low, context)
        return z

    def _step(self, x: Tensor, start: float, end: float, context: Tensor | None) -> Tensor:
        h, slope, total = end - start, torch.zeros_like(x), torch.zeros_like(x)
        for reach, weight in _STAGES:
            slope = self.field.velocity(x + reach * h * slope, start + reach * h, context)
            total = total + weight * slope
        return x + h * total


class ProbabilityFlow(RungeKutta):
    """The same with a way back and its Jacobian.

    Parameters
    ----------
    field : Differentiable
    levels : Array, shape (steps + 1,)
    """

    field: Differentiable

    def __init__(self, field: Differentiable, levels: Array) -> None:
        super().__init__(field, levels)

    def push_with_log_det(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `push` makes of z, and ln|det ∂y/∂z|; shapes (n, d) and (n,)."""
        log_det = z.new_zeros(len(z))
        for high, low in self.pairs:
            z, jacobian = self._step_and_jacobian(z, high, low, context)
            log_det = log_det + torch.linalg.slogdet(jacobian).logabsdet
        return z, log_det

    def pull(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The noise z that `push` takes to y, and ln|det ∂y/∂z|; shapes (n, d) and (n,).

        Rows that no noise leads to come back as NaN.
        """
        log_det = y.new_zeros(len(y))
        jacobian: Tensor | None = None
        for high, low in reversed(self.pairs):
            y, jacobian = self._invert(y, high, low, context, jacobian)
            log_det = log_det + torch.linalg.slogdet(jacobian).logabsdet
        return y, log_det

    def _step_and_jacobian(
        self, x: Tensor, start: float, end: float, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        h, slope, total = end - start, torch.zeros_like(x), torch.zeros_like(x)
        one = torch.eye(x.shape[1], dtype=x.dtype).expand(len(x), -1, -1)
        inner, jacobian = torch.zeros_like(one), torch.zeros_like(one)
        for reach, weight in _STAGES:
            slope, outer = self.field.velocity_and_jacobian(
                x + reach * h * slope, start + reach * h, context
            )
            inner = outer @ (one + reach * h * inner)
            total, jacobian = total + weight * slope, jacobian + weight * inner
        return x + h * total, one + h * jacobian

    def _invert(
        self, y: Tensor, high: float, low: float, context: Tensor | None, near: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """x with Φ(x) = y, and ∂Φ/∂x there; `near` is the Jacobian of the step before."""
        tolerance = TOLERANCE * (1 + high)
        x = self._step(y, low, high, context)
        if near is None:
            _, near = self._step_and_jacobian(x, high, low, context)
        rows = torch.arange(len(y))
        for _ in range(CHORD):
            part = None if context is None else context[rows]
            off = y[rows] - self._step(x[rows], high, low, part)
            move = _solve(near[rows], off)
            x[rows] = x[rows] + move
            rows = rows[~(move.abs().amax(dim=-1) < tolerance)]
            if not len(rows):
                break
        reached, jacobian = self._step_and_jacobian(x, high, low, context)
        move = _solve(jacobian, y - reached)
        x = x + move
        rows = (~(move.abs().amax(dim=-1) < tolerance)).nonzero().squeeze(-1)
        if len(rows):
            part = None if context is None else context[rows]
            x[rows], jacobian[rows] = self._search(y[rows], high, low, part, tolerance)
        return x, jacobian

    def _search(
        self, y: Tensor, high: float, low: float, context: Tensor | None, tolerance: float
    ) -> tuple[Tensor, Tensor]:
        """The same by Newton steps that are halved until the residual falls."""
        x = self._step(y, low, high, context)
        x = torch.where(torch.isfinite(x), x, y)
        done = torch.zeros(len(y), dtype=torch.bool)
        for _ in range(NEWTON):
            reached, jacobian = self._step_and_jacobian(x, high, low, context)
            move = _solve(jacobian, y - reached)
            done = move.abs().amax(dim=-1) < tolerance
            if bool(done.all()):
                break
            residual, best = (y - reached).norm(dim=-1), x
            for half in range(12):
                trial = x + move * 0.5**half
                there = (y - self._step(trial, high, low, context)).norm(dim=-1)
                better = (there < residual)[:, None]
                best = torch.where(better, trial, best)
                residual = torch.minimum(residual, there)
                if bool(better.all()):
                    break
            x = best
        return torch.where(done[:, None], x, torch.nan), jacobian


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Rows of matrix⁻¹ right; NaN where a matrix is singular."""
    solution, info = torch.linalg.solve_ex(matrix, right)
    return torch.where((info == 0)[:, None], solution, torch.nan)
