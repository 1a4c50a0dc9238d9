"""The dense network of a score model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from msgen.models.nets.dense_net import DenseNet
from msgen.models.score.noise import Noise
from msgen.models.score.wrapped_normal import score_norm

N_WAVES = 6
"""Fourier features of the noise level, sin and cos each."""


class ScoreNet(DenseNet):
    """F(x, σ, c) of a noise process.

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
        super().__init__(periodic, 1 + 2 * N_WAVES, n_context + int(droppable), layers, width)
        self.noise, self.droppable, self.n_context = noise, droppable, n_context

    def forward(
        self, x: Tensor, sigma: Tensor, context: Tensor | None, keep: Tensor | None = None
    ) -> Tensor:
        """F, shape (n, d), of x (n, d) at levels σ (n,) and context features (n, k).

        `keep`, shape (n, 1), is 1 where the context may be seen and 0 where it is left out.
        """
        level = sigma[:, None]
        seen = self.seen(x, self.noise.precondition(level)[2])
        return self.dense_forward(
            seen, self.level_features(level), self.label(context, keep, len(x), x)
        )

    def level_features(self, level: Tensor) -> Tensor:
        """c_noise = ln(σ)/4 and waves of it, shape (n, n_level), of σ (n, 1)."""
        level = torch.log(level) / 4
        k = torch.arange(1, N_WAVES + 1, dtype=level.dtype, device=level.device)
        waves = (math.pi / 3) * level * k
        return torch.cat((level, torch.sin(waves), torch.cos(waves)), dim=1)

    def label_features(self, context: Tensor | None, n: int) -> Tensor:
        """The features of the context, all seen, and whether there is one, n rows."""
        return self.label(context, None, n, self.first.weight)

    def label(self, context: Tensor | None, keep: Tensor | None, n: int, like: Tensor) -> Tensor:
        """The features of the context and whether there is one, n rows."""
        if keep is None:
            keep = like.new_full((n, 1), 0.0 if context is None else 1.0)
        shown = like.new_zeros(n, self.n_context) if context is None else keep * context
        return torch.cat((shown, keep), dim=1) if self.droppable else shown

    def affine(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c_in, and a and b in dx/dσ = a x + b F."""
        return (self.noise.precondition(level)[2], *affine(self, level))


def affine(net: ScoreNet, level: Tensor) -> tuple[Tensor, Tensor]:
    """a and b in dx/dσ = a x + b F at levels of shape (…, 1), shapes (…, d)."""
    of_x, of_net = net.noise.velocity_terms(level)
    shape = (*level.shape[:-1], len(net.linear) + len(net.angles))
    diagonal, factor = level.new_zeros(shape), level.new_zeros(shape)
    diagonal[..., net.linear] = of_x
    factor[..., net.linear] = of_net
    if len(net.angles):
        factor[..., net.angles] = -(level * score_norm(level)).to(level)
    return diagonal, factor
