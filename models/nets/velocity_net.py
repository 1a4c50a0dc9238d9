"""The dense velocity of a continuous flow."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from msgen.models.continuous.components import Velocity
from msgen.models.nets.dense_field import DenseField
from msgen.models.nets.dense_net import DenseNet

N_WAVES = 4
"""Fourier features of the time, sin and cos each."""


class VelocityNet(DenseNet, Velocity):
    """v(x, t, c) of standardised variables: F itself, without preconditioning.

    Parameters
    ----------
    periodic : sequence of bool, length d
    n_context : int
        Features of the context, angles counted twice.
    layers, width : int
    """

    def __init__(self, periodic: Sequence[bool], n_context: int, layers: int, width: int) -> None:
        super().__init__(periodic, 1 + 2 * N_WAVES, n_context, layers, width)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        """v, shape (n, d), of x (n, d) at times t (n,) and context features (n, k)."""
        seen = self.seen(x, x.new_ones(1))
        label = self.label_features(context, len(x))
        return self.dense_forward(seen, self.level_features(t[:, None]), label)

    def field(self) -> DenseField:
        """The same with its Jacobian."""
        return DenseField(self)

    def level_features(self, level: Tensor) -> Tensor:
        """t and waves of it, shape (n, n_level), of t (n, 1)."""
        k = torch.arange(1, N_WAVES + 1, dtype=level.dtype, device=level.device)
        waves = math.pi * level * k
        return torch.cat((level, torch.sin(waves), torch.cos(waves)), dim=1)

    def label_features(self, context: Tensor | None, n: int) -> Tensor:
        """The features of the context, n rows."""
        return self.first.weight.new_zeros(n, 0) if context is None else context

    def affine(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """v = F."""
        one = level.new_ones(1, self.last.out_features)
        return level.new_ones(1, 1), torch.zeros_like(one), one
