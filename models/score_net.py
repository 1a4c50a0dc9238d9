"""The dense network of a score model, and the velocity of its probability-flow ODE.

Linear columns: D(x; σ) = c_skip x + c_out F and dx/dσ = (x − D)/σ. Angles diffuse on the circle,
score = n(σ) F and dθ/dσ = −σ n(σ) F; the network sees them as sin and cos only. Derivatives with
respect to x are carried forward beside the values, d of them at once: exact, without autograd.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from msgen.models.density import columns
from msgen.models.noise import Noise
from msgen.models.wrapped import score_norm

N_WAVES = 6
"""Fourier features of the noise level, sin and cos each."""


class ScoreNet(nn.Module):
    """F(x, σ, c): `layers` dense layers with SiLU, and a skip around each inner one.

    Parameters
    ----------
    periodic : sequence of bool, length d
    n_context : int
        Features of the context, angles counted twice.
    layers, width : int
    noise : Noise
    droppable : bool
        Whether the context may be left out; the network is then told whether it was.
    """

    def __init__(
        self,
        periodic: Sequence[bool],
        n_context: int,
        layers: int,
        width: int,
        noise: Noise,
        droppable: bool = False,
    ) -> None:
        super().__init__()
        self.noise, self.droppable, self.n_context = noise, droppable, n_context
        self.linear, self.angles = columns(periodic)
        n_lin, n_ang, d = len(self.linear), len(self.angles), len(periodic)
        self.n_seen = n_lin + 2 * n_ang
        n_in = self.n_seen + 1 + 2 * N_WAVES + n_context + int(droppable)
        self.first = nn.Linear(n_in, width)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(layers - 2))
        self.last = nn.Linear(width, d)

    def forward(
        self, x: Tensor, sigma: Tensor, context: Tensor | None, keep: Tensor | None = None
    ) -> Tensor:
        """F, shape (n, d), of x (n, d) at levels σ (n,) or (1,) and context features (n, k).

        `keep`, shape (n, 1), is 1 where the context may be seen and 0 where it is left out.
        """
        h = functional.silu(self.first(self._features(x, sigma, context, keep)))
        for layer in self.inner:
            h = h + functional.silu(layer(h))
        out: Tensor = self.last(h)
        return out

    def denoise(self, x: Tensor, sigma: Tensor, context: Tensor | None) -> Tensor:
        """D(x; σ) of the linear columns, shape (n, number of them)."""
        c_skip, c_out, _ = self.noise.precondition(sigma[:, None])
        out: Tensor = c_skip * x[:, self.linear] + c_out * self(x, sigma, context)[:, self.linear]
        return out

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        """dx/dσ of the probability-flow ODE, shape (n, d)."""
        level = x.new_tensor([sigma])
        diagonal, factor = self.affine(level)
        out: Tensor = diagonal * x + factor * self(x, level, context)
        return out

    def velocity_and_jacobian(
        self, x: Tensor, sigma: float, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """dx/dσ and its Jacobian ∂(dx/dσ)_i/∂x_j, shapes (n, d) and (n, d, d)."""
        level = x.new_tensor([sigma])
        value, tangent = self._with_tangents(x, level, context)
        diagonal, factor = self.affine(level)
        # tangents lie along the second axis: row j is ∂F/∂x_j
        jacobian = (factor * tangent).transpose(1, 2) + torch.diag(diagonal)
        return diagonal * x + factor * value, jacobian

    def _with_tangents(
        self, x: Tensor, sigma: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        pre = self.first(self._features(x, sigma, context))
        n_lin, n_ang = len(self.linear), len(self.angles)
        weight = self.first.weight[:, : self.n_seen].T
        tangent = x.new_zeros(len(x), x.shape[1], pre.shape[1])
        tangent[:, self.linear] = self.noise.precondition(sigma)[2] * weight[:n_lin]
        if n_ang:
            angle = x[:, self.angles, None]
            sin, cos = weight[n_lin : n_lin + n_ang], weight[n_lin + n_ang :]
            tangent[:, self.angles] = torch.cos(angle) * sin - torch.sin(angle) * cos
        h, tangent = functional.silu(pre), _slope(pre)[:, None, :] * tangent
        for layer in self.inner:
            pre = layer(h)
            h = h + functional.silu(pre)
            assert isinstance(layer, nn.Linear)
            tangent = tangent + _slope(pre)[:, None, :] * (tangent @ layer.weight.T)
        return self.last(h), tangent @ self.last.weight.T

    def affine(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """a and b in dx/dσ = a x + b F at levels of shape (…, 1), shapes (…, d)."""
        c_skip, c_out, _ = self.noise.precondition(level)
        shape = (*level.shape[:-1], len(self.linear) + len(self.angles))
        diagonal, factor = level.new_zeros(shape), level.new_zeros(shape)
        # 1 − c_skip without cancellation where σ is small
        rest = level**2 / (1 + level**2) if self.noise.kind == "edm" else 1 - c_skip
        diagonal[..., self.linear] = rest / level
        factor[..., self.linear] = -c_out / level
        if len(self.angles):
            factor[..., self.angles] = -(level * score_norm(level)).to(level)
        return diagonal, factor

    def _features(
        self, x: Tensor, sigma: Tensor, context: Tensor | None, keep: Tensor | None = None
    ) -> Tensor:
        n = len(x)
        c_in = self.noise.precondition(sigma[:, None])[2]
        angles = x[:, self.angles]
        level = torch.log(sigma)[:, None] / 4
        waves = (math.pi / 3) * level * self._frequencies(x)
        parts = [c_in * x[:, self.linear], torch.sin(angles), torch.cos(angles)]
        parts += [f.expand(n, -1) for f in (level, torch.sin(waves), torch.cos(waves))]
        if keep is None:
            keep = x.new_full((n, 1), 0.0 if context is None else 1.0)
        if self.n_context:
            parts.append(x.new_zeros(n, self.n_context) if context is None else keep * context)
        if self.droppable:
            parts.append(keep)
        return torch.cat(parts, dim=1)

    def _frequencies(self, x: Tensor) -> Tensor:
        return torch.arange(1, N_WAVES + 1, dtype=x.dtype, device=x.device)


def _slope(pre: Tensor) -> Tensor:
    """Derivative of SiLU."""
    gate = torch.sigmoid(pre)
    return gate * (1 + pre * (1 - gate))
