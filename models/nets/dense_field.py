"""The velocity of a dense network, with its derivatives.

dx/dlevel = a x + b F(x, level, label). Derivatives with respect to x are carried forward beside the
values, d of them at once: exact, and without autograd, which may follow them to the weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from msgen.models.nets.dense_net import DenseNet


class _Level(NamedTuple):
    """What a level has to say: c_in, its share of the first layer, and a, b of the velocity."""

    c_in: Tensor
    units: Tensor
    diagonal: Tensor
    factor: Tensor


class DenseField:
    """Velocity and Jacobian of a network as it is now; what a level costs is paid once.

    The label enters as its share of the first layer, `embed`, computed once for all steps.
    """

    def __init__(self, net: DenseNet) -> None:
        self.net = net
        first = net.first.weight
        self._seen = first[:, : net.n_seen].T
        self._told = first[:, net.n_seen : net.n_seen + net.n_level].T
        self._label = first[:, net.n_seen + net.n_level :].T
        self._inner = [(layer.weight, layer.bias) for layer in net.dense]
        self._levels: dict[float, _Level] = {}

    def embed(self, features: Tensor | None, n: int) -> Tensor:
        """The label's share of the first layer, with its bias, shape (n, width)."""
        label = self.net.label_features(features, n)
        return label @ self._label + self.net.first.bias

    def velocity(self, x: Tensor, level: float, label: Tensor | None) -> Tensor:
        """dx/dlevel, shape (n, d); `label` as `embed` made it."""
        at = self._at(level)
        h = functional.silu(self._first(x, at, label))
        for weight, bias in self._inner:
            h = h + functional.silu(functional.linear(h, weight, bias))
        out: Tensor = at.diagonal * x + at.factor * self.net.last(h)
        return out

    def velocity_and_jacobian(
        self, x: Tensor, level: float, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """dx/dlevel and its Jacobian ∂(dx/dlevel)_i/∂x_j, shapes (n, d) and (n, d, d)."""
        at, net = self._at(level), self.net
        pre = self._first(x, at, label)
        # tangents lie along the second axis: row j is a derivative by x_j
        tangent = x.new_zeros(len(x), x.shape[1], pre.shape[1])
        n_lin, n_ang = len(net.linear), len(net.angles)
        tangent[:, net.linear] = at.c_in * self._seen[:n_lin]
        if n_ang:
            angle = x[:, net.angles, None]
            sin, cos = self._seen[n_lin : n_lin + n_ang], self._seen[n_lin + n_ang :]
            tangent[:, net.angles] = torch.cos(angle) * sin - torch.sin(angle) * cos
        h, tangent = functional.silu(pre), silu_slope(pre)[:, None, :] * tangent
        for weight, bias in self._inner:
            pre = functional.linear(h, weight, bias)
            h = h + functional.silu(pre)
            tangent = tangent + silu_slope(pre)[:, None, :] * (tangent @ weight.T)
        value = at.diagonal * x + at.factor * net.last(h)
        tangent = at.factor * (tangent @ net.last.weight.T)
        return value, tangent.transpose(1, 2) + torch.diag(at.diagonal)

    def _first(self, x: Tensor, at: _Level, label: Tensor | None) -> Tensor:
        assert label is not None
        return self.net.seen(x, at.c_in) @ self._seen + (at.units + label)

    def _at(self, level: float) -> _Level:
        if level not in self._levels:
            value = self._seen.new_tensor([[level]])
            c_in, diagonal, factor = self.net.affine(value)
            units = self.net.level_features(value) @ self._told
            self._levels[level] = _Level(c_in, units, diagonal[0], factor[0])
        return self._levels[level]


def silu_slope(pre: Tensor) -> Tensor:
    """Derivative of SiLU."""
    gate = torch.sigmoid(pre)
    return gate * (1 + pre * (1 - gate))
