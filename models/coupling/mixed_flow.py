"""A coupling flow for any mix of periodic and linear variables.

Each layer maps z_i = f_i(x_i | x_A, c): the variables A (half of them) by a spline of their own,
the others by a spline whose knots a network computes from A and the context. The network sees
angles as sin and cos only, angles are rotated by a learnt angle before their circular spline, and
so ln q has no seam at ±π. The base is uniform on the angles and standard normal on the rest.
Source: Rezende et al., Normalizing Flows on Tori and Spheres (2020); Durkan et al. (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.coupling.bijection import Bijection
from msgen.models.coupling.splines import (
    LINEAR_BOUND,
    circular_knots,
    linear_knots,
    spline,
    spline_inverse,
    wrap,
)


def angle_features(x: Tensor, linear: Tensor, periodic: Tensor) -> Tensor:
    """What a network may see of x (n, d): linear columns as they are, angles as sin and cos."""
    angles = x[:, periodic]
    return torch.cat((x[:, linear], torch.sin(angles), torch.cos(angles)), dim=-1)


def mlp(n_in: int, hidden: Sequence[int], n_out: int) -> nn.Sequential:
    """A smooth fully connected network whose last layer starts near zero."""
    layers: list[nn.Module] = []
    for before, after in zip((n_in, *hidden[:-1]), hidden, strict=True):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], n_out))


_FREE_SCALE = 10.0
"""Adam moves a lone parameter by its rate a step, a network's output much faster: this evens it."""


class _Knots(NamedTuple):
    """Splines of one group of variables: n rows, or one row that holds for all."""

    linear: tuple[Tensor, Tensor, Tensor]
    circular: tuple[Tensor, Tensor, Tensor]
    turn: Tensor


def _join(groups: Sequence[tuple[Tensor, Tensor, Tensor]], n: int) -> tuple[Tensor, Tensor, Tensor]:
    x, y, slopes = (
        torch.cat([part.expand(n, -1, -1) for part in parts], dim=1)
        for parts in zip(*groups, strict=True)
    )
    return x, y, slopes


class MixedCoupling(nn.Module):
    """One layer. `first` are the variables A, transformed without looking at the others."""

    def __init__(
        self,
        periodic: Sequence[bool],
        first: Sequence[int],
        n_context_features: int,
        hidden: Sequence[int],
        bins: int,
    ) -> None:
        super().__init__()
        second = [i for i in range(len(periodic)) if i not in set(first)]
        self.bins = bins
        self.groups = tuple(
            (
                torch.tensor([i for i in group if not periodic[i]], dtype=torch.long),
                torch.tensor([i for i in group if periodic[i]], dtype=torch.long),
            )
            for group in (first, second)
        )
        n_params = [
            len(linear) * (3 * bins - 1) + len(angles) * (3 * bins + 1)
            for linear, angles in self.groups
        ]
        self.free = nn.Parameter(torch.zeros(1, n_params[0]))
        self.first_net = (
            mlp(n_context_features, hidden, n_params[0]) if n_context_features else None
        )
        n_seen = len(self.groups[0][0]) + 2 * len(self.groups[0][1]) + n_context_features
        self.second_net = mlp(n_seen, hidden, n_params[1]) if second else None

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        knots = [self._knots(0, self._first(context))]
        if self.second_net is not None:
            knots.append(self._knots(1, self._second(x, context)))
        # both groups go through the spline together: half the calls in the direction that is fitted
        linear = torch.cat([self.groups[g][0] for g in range(len(knots))])
        angles = torch.cat([self.groups[g][1] for g in range(len(knots))])
        z = torch.empty_like(x)
        log_det = x.new_zeros(len(x))
        if len(linear):
            v = x[:, linear]
            inside = torch.abs(v) < LINEAR_BOUND
            merged = _join([k.linear for k in knots], len(x))
            mapped, log_slope = spline(torch.where(inside, v, 0.0), *merged)
            z[:, linear] = torch.where(inside, mapped, v)
            log_det = log_det + torch.where(inside, log_slope, 0.0).sum(dim=-1)
        if len(angles):
            turn = torch.cat([k.turn.expand(len(x), -1) for k in knots], dim=1)
            merged = _join([k.circular for k in knots], len(x))
            z[:, angles], log_slope = spline(wrap(x[:, angles] + turn), *merged)
            log_det = log_det + log_slope.sum(dim=-1)
        return z, log_det

    def inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        x, log_det = self._undo(z, 0, self._knots(0, self._first(context)), torch.empty_like(z))
        if self.second_net is None:
            return x, log_det
        x, part = self._undo(z, 1, self._knots(1, self._second(x, context)), x)
        return x, log_det + part

    def _first(self, context: Tensor | None) -> Tensor:
        # without a context these are the same for all rows, and stay one row
        if self.first_net is None or context is None:
            return _FREE_SCALE * self.free
        out: Tensor = _FREE_SCALE * self.free + self.first_net(context)
        return out

    def _second(self, x: Tensor, context: Tensor | None) -> Tensor:
        assert self.second_net is not None
        seen = angle_features(x, *self.groups[0])
        out: Tensor = self.second_net(
            seen if context is None else torch.cat((seen, context), dim=-1)
        )
        return out

    def _knots(self, group: int, raw: Tensor) -> _Knots:
        n_linear, n_angles = (len(index) for index in self.groups[group])
        per_linear, per_angle = 3 * self.bins - 1, 3 * self.bins + 1
        linear = raw[:, : n_linear * per_linear]
        angles = raw[:, n_linear * per_linear :].reshape(len(raw), n_angles, per_angle)
        return _Knots(
            linear_knots(linear.reshape(len(raw), n_linear, per_linear), self.bins),
            circular_knots(angles[..., 1:], self.bins),
            angles[..., 0],
        )

    def _undo(self, z: Tensor, group: int, knots: _Knots, x: Tensor) -> tuple[Tensor, Tensor]:
        linear, angles = self.groups[group]
        log_det = z.new_zeros(len(z))
        if len(linear):
            v = z[:, linear]
            inside = torch.abs(v) < LINEAR_BOUND
            merged = _join([knots.linear], len(z))
            back, log_slope = spline_inverse(torch.where(inside, v, 0.0), *merged)
            x[:, linear] = torch.where(inside, back, v)
            log_det = log_det + torch.where(inside, log_slope, 0.0).sum(dim=-1)
        if len(angles):
            merged = _join([knots.circular], len(z))
            back, log_slope = spline_inverse(wrap(z[:, angles]), *merged)
            x[:, angles] = wrap(back - knots.turn)
            log_det = log_det + log_slope.sum(dim=-1)
        return x, log_det


class MixedBijection(Bijection):
    """`transforms` coupling layers; the split alternates, and is reshuffled every second layer."""

    def __init__(
        self,
        periodic: Sequence[bool],
        n_context_features: int,
        transforms: int,
        hidden: Sequence[int],
        bins: int,
    ) -> None:
        super().__init__()
        dim = len(periodic)
        order = np.arange(dim)
        shuffle = np.random.default_rng(0)
        layers = []
        for i in range(transforms):
            if i and i % 2 == 0:
                order = shuffle.permutation(dim)
            # the larger half comes first in turn, and a single variable is always in it
            first = order[: (dim + 1) // 2] if i % 2 == 0 else order[(dim + 1) // 2 :]
            chosen = [int(j) for j in first] or [0]
            layers.append(MixedCoupling(periodic, chosen, n_context_features, hidden, bins))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        log_det = x.new_zeros(len(x))
        for layer in self.layers:
            x, part = layer(x, context)
            log_det = log_det + part
        return x, log_det

    def inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        log_det = z.new_zeros(len(z))
        for layer in reversed(self.layers):
            assert isinstance(layer, MixedCoupling)
            z, part = layer.inverse(z, context)
            log_det = log_det + part
        return z, log_det
