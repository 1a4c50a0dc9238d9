"""Two slow–fast systems of E. R. Crabtree, J. M. Bello-Rivas, I. G. Kevrekidis (arXiv 2312.05715).

A slow variable x₁ tilts the double well V(x₁, x₂) of a fast one. The fast variable of the paper,
dx₂ = −∂V/∂x₂ dt + a₃ dB, has the stationary density exp(−2V/a₃²); so U/kT = 2V/a₃², and kT = 1.
Of the paper's dynamics itself see `slow_fast_paths`.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.potentials.two_dimensional import TorchSystem

Number = TypeVar("Number", float, Array, torch.Tensor)

SLOW_MASS = 2.0e3
"""At friction 1 diffusion over a range of 10 takes 10² m/2 = 1e5 units of time, as long as the
paper's drift; relaxation within a well of the fast variable takes about 0.1."""


class SlowFast(TorchSystem):
    """Density exp(−2V(x₁, x₂)/a₃²) between soft walls in x₁; configurations (x₁, x₂).

    .. math:: U(x) = \\frac{2}{a_3^2} V(k(x_1), x_2) + \\tfrac12 w\\,d(x_1)^2, \\quad
              k = 0.2\\,x_1 - 1

    with d the distance of x₁ from `range`. A subclass gives V as a function of the tilt k, which
    vanishes at x₁ = 5, the middle of the default range.

    Parameters
    ----------
    a3 : float
        Noise of the fast variable. With the printed 0.1 the density is exp(−200 V), and no
        trajectory ever crosses; the published figures correspond to 1.
    range : (float, float)
        Where x₁ is free.
    wall : float
        Stiffness w of the walls in kT; at 100 x₁ leaves the range by about 0.1.
    slow_mass : float
        Mass of x₁; that of x₂ is 1.
    start : {'left', 'right'}
        The well of x₂ a campaign starts in, at the middle of the range.
    """

    def __init__(
        self,
        a3: float = 1.0,
        range: tuple[float, float] = (0.0, 10.0),
        wall: float = 100.0,
        slow_mass: float = SLOW_MASS,
        start: Literal["left", "right"] = "left",
    ) -> None:
        self.a3, self.wall = float(a3), float(wall)
        self.range = (float(range[0]), float(range[1]))
        middle = 0.5 * (self.range[0] + self.range[1])
        minima = self.minima(middle)
        where = minima[0] if start == "left" else minima[-1]
        super().__init__(np.array([middle, where]), 1.0, np.array([slow_mass, 1.0]))

    def potential(self, k: Number, x: Number) -> Number:
        """V of the fast variable x at tilt k, elementwise; floats, numpy and torch alike."""
        raise NotImplementedError

    def slope(self, k: Number, x: Number) -> Number:
        """∂V/∂x, elementwise."""
        raise NotImplementedError

    def tilting(self, k: Number, x: Number) -> Number:
        """∂V/∂k, elementwise."""
        raise NotImplementedError

    @staticmethod
    def tilt(x1: Number) -> Number:
        """The tilt k = 0.2 x₁ − 1."""
        return 0.2 * x1 - 1.0

    @property
    def bounds(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Box outside of which the density is below 1e-17 of its maximum."""
        beyond = np.sqrt(80.0 / self.wall)
        k = self.tilt(np.array([self.range[0] - beyond, self.range[1] + beyond]))
        x = np.linspace(0.0, 20.0, 4001)
        u = [2.0 / self.a3**2 * self.potential(k[:, None], s * x) for s in (-1.0, 1.0)]
        deepest = np.min(u, axis=(0, 2))[:, None]
        # high at both ends of the range is high between: V is linear in k
        high = (np.minimum(*u) - deepest > 40.0).all(axis=0)
        inside = np.flatnonzero(~high)
        edge = float(x[min(inside[-1] + 1, len(x) - 1)])
        return (self.range[0] - beyond, self.range[1] + beyond), (-edge, edge)

    def minima(self, x1: float) -> Array:
        """Positions of the minima of the fast variable at x₁, ascending."""
        k, x = float(self.tilt(x1)), np.linspace(-3.0, 3.0, 6001)
        slope = self.slope(np.full_like(x, k), x)
        at = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0))
        share = slope[at] / (slope[at] - slope[at + 1])
        return np.asarray(x[at] + share * (x[at + 1] - x[at]))

    def conditional(self, x1: float, edges: Array) -> Array:
        """P(bin of x₂ | x₁) for ascending bin edges, by quadrature, shape (len(edges) − 1,).

        What lies outside of the edges is left out, so the sum may be below 1.
        """
        low, high = self.bounds[1]
        fine = np.linspace(min(low, edges[0]), max(high, edges[-1]), 40_001)
        k = np.full_like(fine, self.tilt(x1))
        u = 2.0 / self.a3**2 * self.potential(k, fine)
        p = np.exp(u.min() - u)
        step = 0.5 * np.diff(fine) * (p[1:] + p[:-1])
        cdf = np.concatenate([[0.0], np.cumsum(step)])
        return np.diff(np.interp(edges, fine, cdf / cdf[-1]))

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        slow, fast = x[:, 0], x[:, 1]
        low, high = self.range
        out = torch.clamp(slow - high, min=0.0) - torch.clamp(low - slow, min=0.0)
        v = self.potential(self.tilt(slow), fast)
        return 2.0 / self.a3**2 * v + 0.5 * self.wall * out**2

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        slow, fast = x[:, 0], x[:, 1]
        v = self.potential(self.tilt(slow), fast)
        return np.asarray(2.0 / self.a3**2 * v + 0.5 * self.wall * self._out(slow) ** 2)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, 2)."""
        slow, fast = x[:, 0], x[:, 1]
        k = self.tilt(slow)
        g = np.empty_like(x, dtype=np.float64)
        g[:, 0] = 0.4 / self.a3**2 * self.tilting(k, fast) + self.wall * self._out(slow)
        g[:, 1] = 2.0 / self.a3**2 * self.slope(k, fast)
        return self.value(x), g

    def _out(self, slow: Array) -> Array:
        return np.asarray(slow - np.clip(slow, *self.range))


class EvolvingDoubleWell(SlowFast):
    """V = (x₂² − 1)² + (0.2 x₁ − 1) x₂ (paper, eq. 6 and 7)."""

    def potential(self, k: Number, x: Number) -> Number:
        """V = (x² − 1)² + kx."""
        return (x * x - 1.0) ** 2 + k * x

    def slope(self, k: Number, x: Number) -> Number:
        """∂V/∂x = 4x(x² − 1) + k."""
        return 4.0 * x * (x * x - 1.0) + k

    def tilting(self, k: Number, x: Number) -> Number:
        """∂V/∂k = x."""
        return x + 0.0 * k


class VariableBarrier(SlowFast):
    """V = (1+x)²[x⁴ + (¾k−2)x³ + (h−k+1)x² − 2hx + h], x = x₂ (paper, eq. 8 and 9).

    Its slope factorises, ∂V/∂x = x(x²−1)(6x² + 15kx/4 + 4h + 2k − 2): the minima stay at x = −1
    (V = 0) and 1 (V = −k) and the maximum between at 0 (V = h), for every k with
    (15k/4)² < 24(4h + 2k − 2); V confines for all k. The paper's slow variable is k itself; here
    k = 0.2 x₁ − 1, the tilt of the other system, so that k = 0, V = (x²−1)²(x²+h), sits at x₁ = 5.

    Parameters
    ----------
    h : float
        The barrier is 2h/a₃² in kT; the paper's label is 2h.
    **options
        As of `SlowFast`.

    Raises
    ------
    ValueError
        Where there are not just two wells all over the range.
    """

    def __init__(
        self,
        h: float = 4.0,
        a3: float = 1.0,
        range: tuple[float, float] = (0.0, 10.0),
        wall: float = 100.0,
        slow_mass: float = SLOW_MASS,
        start: Literal["left", "right"] = "left",
    ) -> None:
        self.h = float(h)
        for x1 in range:
            k = self.tilt(float(x1))
            if (3.75 * k) ** 2 >= 24.0 * (4.0 * self.h + 2.0 * k - 2.0):
                raise ValueError(f"h = {h:g} is too low for two wells at x1 = {x1:g}")
        super().__init__(a3, range, wall, slow_mass, start)

    def potential(self, k: Number, x: Number) -> Number:
        """V, see above."""
        h = self.h
        inner = (((x + (0.75 * k - 2.0)) * x + (h + 1.0 - k)) * x - 2.0 * h) * x + h
        return (1.0 + x) ** 2 * inner

    def slope(self, k: Number, x: Number) -> Number:
        """∂V/∂x = x(x²−1)(6x² + 15kx/4 + 4h + 2k − 2)."""
        xx = x * x
        return x * (xx - 1.0) * (6.0 * xx + 3.75 * k * x + (4.0 * self.h - 2.0) + 2.0 * k)

    def tilting(self, k: Number, x: Number) -> Number:
        """∂V/∂k = (1+x)²(¾x³ − x²)."""
        return (1.0 + x) ** 2 * (0.75 * x - 1.0) * x * x + 0.0 * k
