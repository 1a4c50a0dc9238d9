"""The density of standardised variables around a bijection.

ln q(y|c) = ln q₀(z) + ln|∂z/∂v| − Σ_linear ln σ_i, with v = (y − μ)/σ on linear columns, v = y on
angles, z = T(v|c), and q₀ standard normal on linear columns, uniform on [−π, π) on angles.

Whitened, v = Wᵀ((y − μ)/σ)/s on linear columns with a constant matrix W, and the determinant gains
ln|det W| − Σ ln s_i.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array
from msgen.models.coupling.bijection import Bijection
from msgen.models.coupling.mixed_flow import angle_features
from msgen.models.coupling.splines import LINEAR_BOUND, wrap
from msgen.models.training.whitening import Whitening, principal_axes, white_within


class Standardised(nn.Module):
    """Shift and scale of data and context, kept with the weights; angles stay as they are.

    `whiten`: linear columns are also turned to their principal axes, or `within`: whitened by their
    covariance within modes; see `msgen.models.training.whitening`. Either way they are scaled
    there.
    """

    loc: Tensor
    scale: Tensor
    context_loc: Tensor
    context_scale: Tensor
    axes: Tensor
    spread: Tensor
    back: Tensor
    log_axes: Tensor

    def __init__(
        self,
        periodic: Sequence[bool],
        context_periodic: Sequence[bool],
        whiten: Whitening = False,
    ) -> None:
        super().__init__()
        self.whiten, self.within = bool(whiten), whiten == "within"
        self.linear, self.angles = columns(periodic)
        self.context_linear, self.context_angles = columns(context_periodic)
        for name, n in (("", len(periodic)), ("context_", len(context_periodic))):
            self.register_buffer(f"{name}loc", torch.zeros(n))
            self.register_buffer(f"{name}scale", torch.ones(n))
        if self.whiten:
            self.register_buffer("axes", torch.eye(len(self.linear)))
            self.register_buffer("spread", torch.ones(len(self.linear)))
        if self.within:
            self.register_buffer("back", torch.eye(len(self.linear)))
            self.register_buffer("log_axes", torch.zeros(()))

    def standardise(self, y: Array, weights: Array | None, context: Array | None) -> None:
        """Set μ and σ from the data, weighted, and the principal axes where it whitens."""
        loc, scale = moments(y, weights, self.angles.numpy())
        self.place(loc, scale)
        if self.whiten:
            linear = self.linear.numpy()
            v = ((y - loc) / scale)[:, linear]
            if self.within:
                axes, back, log_axes = white_within(v, weights)
                self.back.copy_(torch.as_tensor(back))
                self.log_axes.fill_(log_axes)
            else:
                axes = principal_axes(v, weights)
            self.axes.copy_(torch.as_tensor(axes))
            none = torch.zeros(0, dtype=torch.long).numpy()
            self.spread.copy_(torch.as_tensor(moments(v @ axes, weights, none)[1]))
        if context is not None:
            loc, scale = moments(context, weights, self.context_angles.numpy())
            self.context_loc.copy_(torch.as_tensor(loc))
            self.context_scale.copy_(torch.as_tensor(scale))

    def place(self, loc: Array, scale: Array) -> None:
        """Set μ and σ, shapes (d,); entries of angles are ignored. Principal axes are forgotten."""
        angles = self.angles.numpy()
        mu, sigma = np.array(loc, dtype=np.float64), np.array(scale, dtype=np.float64)
        mu[angles], sigma[angles] = 0.0, 1.0
        self.loc.copy_(torch.as_tensor(mu))
        self.scale.copy_(torch.as_tensor(sigma))
        self.turn_back()

    def turn_back(self) -> None:
        """Forget the principal axes: v is (y − μ)/σ."""
        if self.whiten:
            self.axes.copy_(torch.eye(len(self.linear)))
            self.spread.fill_(1.0)
        if self.within:
            self.back.copy_(torch.eye(len(self.linear)))
            self.log_axes.zero_()

    def fits(self, y: Array, weights: Array | None) -> bool:
        """Whether data (n, d) lie within what μ, σ and axes were made for."""
        with torch.no_grad():
            v = self.to_unit(torch.as_tensor(y)).numpy()
        loc, scale = moments(v, weights, self.angles.numpy())
        return bool(np.all(np.abs(loc) < 0.5) and np.all(np.abs(np.log(scale)) < np.log(1.5)))

    def to_unit(self, y: Tensor) -> Tensor:
        """v of y, shape (n, d)."""
        v = (y - self.loc) / self.scale
        if self.whiten:
            v[:, self.linear] = (v[:, self.linear] @ self.axes) / self.spread
        return v

    def from_unit(self, v: Tensor) -> Tensor:
        """y of v, shape (n, d); angles may lie in any turn."""
        if self.whiten:
            v, back = v.clone(), self.back if self.within else self.axes.T
            v[:, self.linear] = (v[:, self.linear] * self.spread) @ back
        return v * self.scale + self.loc

    @property
    def log_unit(self) -> Tensor:
        """ln|∂v/∂y|, the same everywhere."""
        out = -torch.log(self.scale).sum()
        if self.whiten:
            out = out - torch.log(self.spread).sum()
        return out + self.log_axes if self.within else out

    def context_features(self, context: Tensor | None) -> Tensor | None:
        """What a network sees: linear columns standardised, angles as sin and cos."""
        if context is None:
            return None
        scaled = (context - self.context_loc) / self.context_scale
        return angle_features(scaled, self.context_linear, self.context_angles)


class StandardisedDensity(Standardised):
    """ln q(y|c) around a bijection of standardised variables.

    `bijection(v, c)` returns (z, ln|∂z/∂v|), `bijection.inverse(z, c)` returns v and the same.
    """

    def __init__(
        self,
        bijection: Bijection,
        periodic: Sequence[bool],
        context_periodic: Sequence[bool],
        whiten: Whitening = False,
    ) -> None:
        super().__init__(periodic, context_periodic, whiten)
        self.bijection = bijection

    def forward(self, y: Tensor, context: Tensor | None) -> Tensor:
        """ln q(y|c), shape (n,)."""
        z, log_det = self.latent(y, context)
        return self.log_base(z) + log_det

    def log_base(self, z: Tensor) -> Tensor:
        """ln q₀(z), shape (n,), of angles in their range."""
        normal = z[:, self.linear]
        constant = 0.5 * len(self.linear) + len(self.angles)
        return -0.5 * (normal * normal).sum(dim=-1) - constant * math.log(2 * math.pi)

    def latent(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z of y and ln|∂z/∂y|, shapes (n, d) and (n,)."""
        z, log_det = self.bijection(self.to_unit(y), self.context_features(context))
        return z, log_det + self.log_unit

    def push(self, z: Tensor, context: Tensor | None) -> Tensor:
        """Base draws z to samples y, shape (n, d); angles in [−π, π)."""
        return self.pushed(z, context)[0]

    def pushed(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """`push`, and ln|∂z/∂y| there, shape (n,)."""
        features = self.context_features(context)
        v, log_det = self.bijection.inverse(z, features)
        y = self.from_unit(v)
        y[:, self.angles] = wrap(y[:, self.angles])
        return y, log_det + self.log_unit

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
