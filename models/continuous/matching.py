"""The loss of flow matching: the velocity of paths between samples, by least squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array
from msgen.models.continuous.components import Coupling
from msgen.models.continuous.interpolants import Interpolant

REPEATS = 8
"""Draws of noise and time per held-out sample."""
_EVALUATION_SEED = 20221006


@dataclass(frozen=True)
class Paths:
    """Points of paths with their velocities, and the samples they lead to."""

    index: Tensor
    t: Tensor
    x: Tensor
    slope: Tensor


@dataclass(frozen=True)
class MatchingLoss:
    """|v(x_t, t, c) − ẋ_t|² per sample, the mean over the columns, of the `Objective` of a fit.

    Attributes
    ----------
    y : Tensor, shape (n, d)
        Samples at t = 1, standardised.
    context : Tensor, shape (n, k), or None
        Features.
    source : callable
        ``source(n, rng)``: n samples at t = 0, shape (n, d).
    interpolant : Interpolant
    coupling : Coupling
    angles : Tensor
        Indices of the periodic columns.
    """

    y: Tensor
    context: Tensor | None
    source: Callable[[int, np.random.Generator], Array]
    interpolant: Interpolant
    coupling: Coupling
    angles: Tensor
    _fixed: list[list[Paths]] = field(default_factory=list, init=False, repr=False)

    def to(self, device: torch.device) -> MatchingLoss:
        """The same with its data on `device`."""
        context = None if self.context is None else self.context.to(device)
        return replace(self, y=self.y.to(device), context=context)

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the samples `index`, shape (len(index),)."""
        if generator is not None:
            seed = int(torch.randint(2**62, (1,), generator=generator))
            return self._loss(net, self._paths(index, np.random.default_rng(seed)))
        # the same noise at every call, so that fits can be compared
        if not self._fixed or not torch.equal(self._fixed[0][0].index, index):
            rng = np.random.default_rng(_EVALUATION_SEED)
            self._fixed[:] = [[self._paths(index, rng) for _ in range(REPEATS)]]
        return torch.stack([self._loss(net, paths) for paths in self._fixed[0]]).mean(dim=0)

    def _loss(self, net: nn.Module, paths: Paths) -> Tensor:
        context = None if self.context is None else self.context[paths.index]
        out: Tensor = ((net(paths.x, paths.t, context) - paths.slope) ** 2).mean(dim=1)
        return out

    def _paths(self, index: Tensor, rng: np.random.Generator) -> Paths:
        x1 = self.y[index]
        n = len(x1)
        # one time in each of n equal slices: less noise, the same mean
        t = torch.as_tensor((rng.permutation(n) + rng.random(n)) / n).to(x1)
        x0 = self.coupling(self.source(n, rng), x1.cpu().double().numpy(), rng)
        zeta = None
        if self.interpolant.noise:
            zeta = torch.as_tensor(rng.standard_normal(x1.shape)).to(x1)
        start = torch.as_tensor(x0).to(x1)
        x, slope = self.interpolant.between(start, x1, t[:, None], self.angles, zeta)
        return Paths(index, t, x, slope)
