"""The velocity of a score model's probability-flow ODE, with its derivatives.

Linear columns: D(x; σ) = c_skip x + c_out F and dx/dσ = (x − D)/σ. Angles diffuse on the circle,
score = n(σ) F and dθ/dσ = −σ n(σ) F. Derivatives with respect to x are carried forward beside the
values, d of them at once: exact, without autograd.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from msgen.models.score_net import ScoreNet, affine


class _Level(NamedTuple):
    """What a noise level has to say: c_in, its share of the first layer, and a, b of dx/dσ."""

    c_in: Tensor
    units: Tensor
    diagonal: Tensor
    factor: Tensor


class ScoreField:
    """dx/dσ = a x + b F(x, σ, c) of a frozen network; what a level costs is paid once.

    The label enters as its share of the first layer, `embed`, computed once for all steps.
    """

    def __init__(self, net: ScoreNet) -> None:
        self.net = net
        first = net.first.weight.detach()
        self._seen = first[:, : net.n_seen].T
        self._noise = first[:, net.n_seen : net.n_seen + net.n_level].T
        self._label = first[:, net.n_seen + net.n_level :].T
        self._inner = [(layer.weight.detach(), layer.bias.detach()) for layer in net.dense]
        self._levels: dict[float, _Level] = {}

    def embed(self, features: Tensor | None, n: int) -> Tensor:
        """The label's share of the first layer, with its bias, shape (n, width)."""
        net = self.net
        label = net.label(features, None, n, self._label)
        return label @ self._label + net.first.bias

    def denoise(self, x: Tensor, sigma: float, label: Tensor) -> Tensor:
        """D(x; σ) of the linear columns and x of the angles, shape (n, d)."""
        out: Tensor = x - sigma * self.velocity(x, sigma, label)
        out[:, self.net.angles] = x[:, self.net.angles]
        return out

    def velocity(self, x: Tensor, sigma: float, label: Tensor | None) -> Tensor:
        """dx/dσ, shape (n, d); `label` as `embed` made it."""
        level = self._at(sigma)
        h = functional.silu(self._first(x, level, label))
        for weight, bias in self._inner:
            h = h + functional.silu(functional.linear(h, weight, bias))
        out: Tensor = level.diagonal * x + level.factor * self.net.last(h)
        return out

    def velocity_and_jacobian(
        self, x: Tensor, sigma: float, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """dx/dσ and its Jacobian ∂(dx/dσ)_i/∂x_j, shapes (n, d) and (n, d, d)."""
        level, net = self._at(sigma), self.net
        pre = self._first(x, level, label)
        # tangents lie along the second axis: row j is a derivative by x_j
        tangent = x.new_zeros(len(x), x.shape[1], pre.shape[1])
        n_lin, n_ang = len(net.linear), len(net.angles)
        tangent[:, net.linear] = level.c_in * self._seen[:n_lin]
        if n_ang:
            angle = x[:, net.angles, None]
            sin, cos = self._seen[n_lin : n_lin + n_ang], self._seen[n_lin + n_ang :]
            tangent[:, net.angles] = torch.cos(angle) * sin - torch.sin(angle) * cos
        h, tangent = functional.silu(pre), _slope(pre)[:, None, :] * tangent
        for weight, bias in self._inner:
            pre = functional.linear(h, weight, bias)
            h = h + functional.silu(pre)
            tangent = tangent + _slope(pre)[:, None, :] * (tangent @ weight.T)
        value = level.diagonal * x + level.factor * net.last(h)
        tangent = level.factor * (tangent @ net.last.weight.T)
        return value, tangent.transpose(1, 2) + torch.diag(level.diagonal)

    def _first(self, x: Tensor, level: _Level, label: Tensor | None) -> Tensor:
        assert label is not None
        return self.net.seen(x, level.c_in) @ self._seen + (level.units + label)

    def _at(self, sigma: float) -> _Level:
        if sigma not in self._levels:
            net, level = self.net, self._seen.new_tensor([[sigma]])
            c_in = net.noise.precondition(level)[2]
            diagonal, factor = affine(net, level)
            units = net.level_features(level) @ self._noise
            self._levels[sigma] = _Level(c_in, units, diagonal[0], factor[0])
        return self._levels[sigma]


def _slope(pre: Tensor) -> Tensor:
    """Derivative of SiLU."""
    gate = torch.sigmoid(pre)
    return gate * (1 + pre * (1 - gate))
