"""Configurations of identical particles in units that keep their symmetries.

y_i = c̄ + s_c c + s r_i: c the centre of mass, r_i what is left of it, one scale for each, the same
along every axis. They are orthogonal parts of R^(N·d), of d and of (N−1)d dimensions, so that a
standard normal in the unit coordinates v_i = c + r_i is an invariant Gaussian on the
centre-of-mass-free subspace times a Gaussian of the centre, both fitted to the data, and
ln|∂v/∂y| = −(N−1)d ln s − d ln s_c.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.continuous.model import Flowing, StandardBase
from msgen.models.nets.equivariant_net import PairNet

CHANGED = float(np.log(1.5))
"""Change of a scale, in ln, beyond which units no longer fit the data."""


class ParticleUnits(Flowing):
    """Mean of the centre and the two scales, beside the network and its base.

    ``loc`` is c̄ for each particle, ``scale`` s for each coordinate, ``centre_scale`` s_c.

    Parameters
    ----------
    net : PairNet
    """

    centre_scale: Tensor

    def __init__(self, net: PairNet) -> None:
        columns = (False,) * (net.particles * net.space)
        super().__init__(net, StandardBase(columns), columns, ())
        self.particles, self.space = net.particles, net.space
        self.register_buffer("centre_scale", torch.ones(1))

    def standardise(self, y: Array, weights: Array | None, context: Array | None) -> None:
        """Set c̄, s_c and s from the data, weighted."""
        mean, centre_scale, scale = self._moments(y, weights)
        self._set(mean, centre_scale, scale)

    def place(self, loc: Array, scale: Array) -> None:
        """Set c̄ to the mean of `loc` over particles and s, s_c to the quadratic mean of `scale`."""
        mean = np.asarray(loc, dtype=np.float64).reshape(self.particles, self.space).mean(axis=0)
        width = float(np.sqrt(np.mean(np.square(scale))))
        self._set(mean, width, width)

    def fits(self, y: Array, weights: Array | None) -> bool:
        """Whether c̄, s_c and s are still near to those of data (n, N·d)."""
        mean, centre_scale, scale = self._moments(y, weights)
        old, moved = float(self.centre_scale), mean - self.loc.numpy()[: self.space]
        changes = np.log([centre_scale / old, scale / float(self.scale[0])])
        return bool(np.all(np.abs(moved) < 0.5 * old) and np.all(np.abs(changes) < CHANGED))

    def to_unit(self, y: Tensor) -> Tensor:
        """v of y, shape (n, N·d)."""
        centre, rest = self._parts(y - self.loc)
        return (centre / self.centre_scale + rest / self.scale[0]).flatten(1)

    def from_unit(self, v: Tensor) -> Tensor:
        """y of v, shape (n, N·d)."""
        centre, rest = self._parts(v)
        return (centre * self.centre_scale + rest * self.scale[0]).flatten(1) + self.loc

    @property
    def log_unit(self) -> Tensor:
        """ln|∂v/∂y|."""
        rest = (self.particles - 1) * torch.log(self.scale[0])
        return -self.space * (rest + torch.log(self.centre_scale[0]))

    def _parts(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Centre (n, 1, d) and what is left (n, N, d)."""
        x = y.reshape(len(y), self.particles, self.space)
        centre = x.mean(dim=1, keepdim=True)
        return centre, x - centre

    def _moments(self, y: Array, weights: Array | None) -> tuple[Array, float, float]:
        w = np.full(len(y), 1 / len(y)) if weights is None else weights / weights.sum()
        x = y.reshape(len(y), self.particles, self.space)
        centre = x.mean(axis=1)
        mean = w @ centre
        # along a unit vector the centre of N particles moves √N times as far
        off = np.sqrt(self.particles * (w @ np.square(centre - mean)).mean())
        rest = w @ np.square(x - centre[:, None]).sum(axis=(1, 2))
        scale = np.sqrt(rest / ((self.particles - 1) * self.space))
        least = 1e-9 * (1 + np.abs(mean).max())
        return mean, max(float(off), least), max(float(scale), least)

    def _set(self, mean: Array, centre_scale: float, scale: float) -> None:
        self.loc.copy_(torch.as_tensor(np.tile(mean, self.particles)))
        self.centre_scale.fill_(centre_scale)
        self.scale.fill_(scale)
