"""Every variable to a standard normal one by a map of its own, found without training.

The density of each variable is fitted by a mixture of normal ones, and z = Φ⁻¹(F(x)) is tabulated
as a monotone rational-quadratic spline through exact values and slopes (the probability integral
transform). Modes far apart along a variable are no obstacle to it. Sources: Chen and Gopinath,
Gaussianization (2000); Gregory and Delbourgo, Piecewise rational quadratic interpolation to
monotonic data (1982).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import log_ndtr, logsumexp, ndtri_exp
from torch import Tensor, nn
from torch.nn import functional

from msgen.models.base import Array
from msgen.models.coupling.normal_mixtures import NormalMixtures

REACH = 4.0
"""Knots lie where |z| is less; outside the map goes on as a straight line."""
_FINE = 1000


class Marginals(nn.Module):
    """z_i = f_i(x_i), each f_i a rational-quadratic spline, linear outside its knots.

    Parameters
    ----------
    dim : int
    bins : int
        Pieces of one spline.
    """

    x: Tensor
    z: Tensor
    slope: Tensor

    def __init__(self, dim: int, bins: int) -> None:
        super().__init__()
        even = torch.linspace(-REACH, REACH, bins + 1).expand(dim, -1)
        self.register_buffer("x", even.clone())
        self.register_buffer("z", even.clone())
        self.register_buffer("slope", torch.ones(dim, bins + 1))

    def place(self, mixtures: NormalMixtures) -> None:
        """Take the maps of these densities, one for each variable."""
        new = knots(mixtures, self.x.shape[1] - 1)
        for mine, values in zip((self.x, self.z, self.slope), new, strict=True):
            mine.copy_(torch.as_tensor(values))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        at, x0, x1, z0, z1, d0, d1 = self._pieces(x, self.x)
        s = (z1 - z0) / (x1 - x0)
        # the ends exactly where a value is drawn in to one
        t = torch.clamp((at - x0) / (x1 - x0), 0.0, 1.0)
        slope, rise = _slope(s, t, d0, d1)
        return z0 + (z1 - z0) * rise + (x - at) * slope, torch.log(slope).sum(dim=-1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        at, x0, x1, z0, z1, d0, d1 = self._pieces(z, self.z)
        s = (z1 - z0) / (x1 - x0)
        rise = torch.clamp((at - z0) / (z1 - z0), 0.0, 1.0)
        # the stable root of (s − b) t² + b t − s·rise = 0
        b = d0 - rise * (d0 + d1 - 2 * s)
        root = torch.sqrt(torch.clamp(b * b + 4 * (s - b) * s * rise, min=0.0))
        t = torch.clamp(2 * s * rise / (b + root), 0.0, 1.0)
        slope, _ = _slope(s, t, d0, d1)
        return x0 + t * (x1 - x0) + (z - at) / slope, torch.log(slope).sum(dim=-1)

    def _pieces(self, value: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
        """Values drawn in to the knots, and both ends of the piece each lies in, shapes (n, d)."""
        at = torch.maximum(torch.minimum(value, edges[:, -1]), edges[:, 0])
        dim, bins = edges.shape[0], edges.shape[1] - 1
        inner = edges[:, 1:-1].contiguous()
        piece = torch.searchsorted(inner, at.detach().T.contiguous(), right=True)
        ends = [
            knot[:, part]
            for knot in (self.x, self.z, self.slope)
            for part in (slice(0, -1), slice(1, None))
        ]
        table = torch.stack(ends, dim=-1).reshape(dim * bins, 6)
        row = piece.T + bins * torch.arange(dim, device=piece.device)
        return at, *functional.embedding(row, table).unbind(-1)


def _slope(s: Tensor, t: Tensor, d0: Tensor, d1: Tensor) -> tuple[Tensor, Tensor]:
    """dz/dx at t of a piece of mean slope s and end slopes d₀, d₁, and the share risen there."""
    u = t * (1 - t)
    below = s + (d0 + d1 - 2 * s) * u
    slope = s * s * (2 * s * u + d0 * (1 - t) ** 2 + d1 * t * t) / (below * below)
    return slope, (s * t * t + d0 * u) / below


def knots(mixtures: NormalMixtures, bins: int) -> tuple[Array, Array, Array]:
    """x, z = Φ⁻¹(F(x)) and dz/dx of each density at `bins` + 1 points, shapes (d, bins + 1).

    Half of the points are even in z, half follow how sharply ln dz/dx bends.
    """
    shape = (len(mixtures.weights), bins + 1)
    x, z, slope = np.empty(shape), np.empty(shape), np.empty(shape)
    for i in range(shape[0]):
        w, mean, std = mixtures.one(i)
        fine = np.linspace((mean - REACH * std).min(), (mean + REACH * std).max(), _FINE)
        z_fine, log_slope = _normal_score(fine, w, mean, std)
        inside = np.abs(z_fine) < REACH
        fine, z_fine, log_slope = fine[inside], z_fine[inside], log_slope[inside]
        parts = [np.diff(z_fine), np.abs(np.diff(log_slope)) + 1e-12]
        reached = np.concatenate([[0.0], np.cumsum(sum(part / part.sum() for part in parts))])
        x[i] = np.interp(np.linspace(0.0, reached[-1], bins + 1), reached, fine)
        z[i], log_d = _normal_score(x[i], w, mean, std)
        slope[i] = np.exp(log_d)
    return x, z, slope


def _normal_score(x: Array, w: Array, mean: Array, std: Array) -> tuple[Array, Array]:
    """z = Φ⁻¹(F(x)) and ln dz/dx of one mixture, without loss in either tail."""
    t = (x[:, None] - mean) / std
    below, above = (logsumexp(log_ndtr(side * t), axis=1, b=w) for side in (1, -1))
    z = np.where(below < above, ndtri_exp(below), -ndtri_exp(above))
    log_p = logsumexp(-0.5 * t * t, axis=1, b=w / std)
    return z, log_p + 0.5 * z * z
