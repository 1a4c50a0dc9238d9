"""The conditional denoising loss of a score model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from msgen.models.nets.score_net import ScoreNet, affine
from msgen.models.score.noise import Noise
from msgen.models.score.wrapped_normal import scaled_score

REPEATS = 8
"""Noise draws per held-out sample."""
BOUND_LEVELS = 32
"""Noise levels, and draws, of the bound of one sample."""
_EVALUATION_SEED = 20220601


@dataclass(frozen=True)
class DenoisingLoss:
    """|F − target|² per sample, the mean over the columns, of the `Objective` of a fit.

    Linear columns: x = y + σε and λ(σ)|D − y|² = |F − (y − c_skip x)/c_out|². Angles:
    θ = θ₀ + σε on the circle and the target is the score of the wrapped normal over its own
    standard deviation. The mean over σ is that of `Noise.training_levels`.
    Source: Karras et al. (2022), eq. 8; Jing et al. (2022), eq. 4.

    Attributes
    ----------
    y : Tensor, shape (n, d)
        Standardised.
    context : Tensor, shape (n, k), or None
        Features.
    noise : Noise
    angles : Tensor
        Indices of the periodic columns.
    drop : float
        Probability that a sample is shown without its context.
    """

    y: Tensor
    context: Tensor | None
    noise: Noise
    angles: Tensor
    drop: float = 0.0

    def to(self, device: torch.device) -> DenoisingLoss:
        """The same with its data on `device`."""
        context = None if self.context is None else self.context.to(device)
        return replace(self, y=self.y.to(device), context=context)

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the samples `index`, shape (len(index),)."""
        if generator is not None:
            return self._loss(net, index, generator)
        # the same noise at every call, so that fits can be compared
        fixed = torch.Generator().manual_seed(_EVALUATION_SEED)
        return torch.stack([self._loss(net, index, fixed) for _ in range(REPEATS)]).mean(dim=0)

    def _loss(self, net: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        y = self.y[index]
        n = len(y)
        sigma = drawn_levels(self.noise, n, generator).to(y.device)
        eps = torch.randn(y.shape, generator=generator).to(y.device)
        x, target = noised(y, sigma, eps, self.noise, self.angles)
        keep: Tensor | None = None
        if self.drop:
            keep = (torch.rand(n, 1, generator=generator) >= self.drop).to(y)
        context = None if self.context is None else self.context[index]
        out: Tensor = ((net(x, sigma, context, keep) - target) ** 2).mean(dim=1)
        return out


def drawn_levels(noise: Noise, n: int, generator: torch.Generator) -> Tensor:
    """n training levels, shape (n,), one in each of n equal slices of their distribution.

    In any order; less noise than independent ones, the same mean.
    """
    slices = torch.randperm(n, generator=generator)
    u = (slices + torch.rand(n, generator=generator)) / n
    return noise.training_levels(u.clamp(1e-6, 1 - 1e-6))


def noised(
    y: Tensor, sigma: Tensor, eps: Tensor, noise: Noise, angles: Tensor
) -> tuple[Tensor, Tensor]:
    """x = y + σε and what F should be there on average, of the shape of y; σ of shape (n,)."""
    level = sigma.reshape(-1, *[1] * (y.ndim - 1))
    c_skip, c_out, _ = noise.precondition(level)
    # y and ε in place of x: (y − c_skip x)/c_out without cancellation
    target = ((1 - c_skip) * y - c_skip * level * eps) / c_out
    if len(angles):
        target[:, angles] = scaled_score((level * eps)[:, angles], level).to(y)
    return y + level * eps, target


def denoising_bound(
    net: ScoreNet, y: Tensor, context: Tensor | None, levels: int = BOUND_LEVELS
) -> Tensor:
    """A lower bound of ln p(y|c) in standardised variables, up to a constant, shape (n,).

    −∫ |b (F − target)|² d ln σ with b F the part of dx/dσ that the network makes, that is
    |D − y|²/σ² on linear columns; its expectation over y bounds the likelihood of the reverse SDE.
    `levels` draws a row, one in each of as many equal slices of ln σ, the same at every call.
    Source: Song et al., Maximum likelihood training of score-based diffusion models (2021),
    theorem 1; Kingma et al., Variational diffusion models (2021), eq. 17.
    """
    fixed = torch.Generator().manual_seed(_EVALUATION_SEED)
    low, high = math.log(net.noise.sigma_min), math.log(net.noise.start)
    total = y.new_zeros(len(y))
    for k in range(levels):
        u = torch.rand(len(y), generator=fixed, dtype=y.dtype)
        sigma = torch.exp(low + (high - low) * (k + u) / levels)
        eps = torch.randn(y.shape, generator=fixed, dtype=y.dtype)
        x, target = noised(y, sigma, eps, net.noise, net.angles)
        _, factor = affine(net, sigma[:, None])
        total = total + ((factor * (net(x, sigma, context) - target)) ** 2).sum(dim=1)
    return -total * (high - low) / levels
