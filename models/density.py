"""The density of standardised variables around a bijection.

ln q(y|c) = ln q₀(z) + ln|∂z/∂v| − Σ_linear ln σ_i, with v = (y − μ)/σ on linear columns, v = y on
angles, z = T(v|c), and q₀ standard normal on linear columns, uniform on [−π, π) on angles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array
from msgen.models.mixed_flow import angle_features
from msgen.models.splines import LINEAR_BOUND, wrap


class Standardised(nn.Module):
    """Shift and scale of data and context, kept with the weights; angles stay as they are."""

    loc: Tensor
    scale: Tensor
    context_loc: Tensor
    context_scale: Tensor

    def __init__(self, periodic: Sequence[bool], context_periodic: Sequence[bool]) -> None:
        super().__init__()
        self.linear, self.angles = columns(periodic)
        self.context_linear, self.context_angles = columns(context_periodic)
        for name, n in (("", len(periodic)), ("context_", len(context_periodic))):
            self.register_buffer(f"{name}loc", torch.zeros(n))
            self.register_buffer(f"{name}scale", torch.ones(n))

    def standardise(self, y: Array, weights: Array | None, context: Array | None) -> None:
        """Set μ and σ from the data, weighted."""
        loc, scale = moments(y, weights, self.angles.numpy())
        self.loc.copy_(torch.as_tensor(loc))
        self.scale.copy_(torch.as_tensor(scale))
        if context is not None:
            loc, scale = moments(context, weights, self.context_angles.numpy())
            self.context_loc.copy_(torch.as_tensor(loc))
            self.context_scale.copy_(torch.as_tensor(scale))

    def context_features(self, context: Tensor | None) -> Tensor | None:
        """What a network sees: linear columns standardised, angles as sin and cos."""
        if context is None:
            return None
        scaled = (context - self.context_loc) / self.context_scale
        return angle_features(scaled, self.context_linear, self.context_angles)


class StandardisedDensity(Standardised):
    """ln q(y|c) around a bijection of standardised variables.

    `bijection(v, c)` returns (z, ln|∂z/∂v|), `bijection.inverse(z, c)` returns v.
    """

    def __init__(
        self, bijection: nn.Module, periodic: Sequence[bool], context_periodic: Sequence[bool]
    ) -> None:
        super().__init__(periodic, context_periodic)
        self.bijection = bijection

    def forward(self, y: Tensor, context: Tensor | None) -> Tensor:
        """ln q(y|c), shape (n,)."""
        v = (y - self.loc) / self.scale
        z, log_det = self.bijection(v, self.context_features(context))
        normal = z[:, self.linear]
        log_base = -0.5 * (normal * normal).sum(dim=-1)
        constant = 0.5 * len(self.linear) + len(self.angles)
        out: Tensor = (
            log_base + log_det - torch.log(self.scale).sum() - constant * math.log(2 * math.pi)
        )
        return out

    def push(self, z: Tensor, context: Tensor | None) -> Tensor:
        """Base draws z to samples y, shape (n, d); angles in [−π, π)."""
        v = self.bijection.inverse(z, self.context_features(context))  # type: ignore[operator]
        y: Tensor = v * self.scale + self.loc
        y[:, self.angles] = wrap(y[:, self.angles])
        return y

    def base(self, n: int, rng: np.random.Generator) -> Tensor:
        """n draws from the base, shape (n, d)."""
        z = np.empty((n, len(self.loc)))
        z[:, self.linear.numpy()] = rng.standard_normal((n, len(self.linear)))
        z[:, self.angles.numpy()] = rng.uniform(-np.pi, np.pi, (n, len(self.angles)))
        return torch.as_tensor(z)


def columns(periodic: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Indices of the linear and of the periodic columns."""
    mask = torch.tensor(list(periodic), dtype=torch.bool)
    return (~mask).nonzero().squeeze(-1), mask.nonzero().squeeze(-1)


def moments(y: Array, weights: Array | None, angles: Array) -> tuple[Array, Array]:
    """μ and σ per column, shape (d,); 0 and 1 for angles.

    σ is the standard deviation, or more where that would leave 0.1 % of the samples beyond 4 σ:
    splines act on [−5, 5] only, and a small second state must fall inside.
    """
    w = np.full(len(y), 1 / len(y)) if weights is None else weights / weights.sum()
    loc = w @ y
    spread = np.sqrt(w @ (y - loc) ** 2)
    seen = np.abs(y - loc) if weights is None else np.abs(y - loc)[weights > 0]
    reach = np.quantile(seen, 0.999, axis=0) / (LINEAR_BOUND - 1)
    # a column that does not vary keeps a finite density
    scale = np.maximum(np.maximum(spread, reach), 1e-9 * (1 + np.abs(loc)))
    loc[angles], scale[angles] = 0.0, 1.0
    return loc, scale
