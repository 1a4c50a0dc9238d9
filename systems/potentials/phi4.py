"""The φ⁴ field on a one-dimensional lattice with fixed ends, and its exact answers.

Being a chain with nearest-neighbour coupling it has a transfer operator, which gives the partition
function and the distribution of the mean field to many digits.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.potentials.two_dimensional import TorchSystem

_NEGLIGIBLE = 90.0
"""−ln of a site's weight, beyond which the transfer operator's grid ends."""
_SPACING, _HIGHEST = 0.5, 110.0
"""Points of the characteristic function of the mean field."""


class Phi4(TorchSystem):
    """U = Σᵢ (1 − xᵢ²)²/(4aN) + (aN/2) Σᵢ (xᵢ₊₁ − xᵢ)² − (h/N) Σᵢ xᵢ, x₀ = x_{N+1} = 0.

    The lattice form of ∫₀¹ [a|∂φ|²/2 + (1 − φ²)²/4a − hφ] ds, whose two metastable states have φ
    near +1 and near −1 (M. Gabrié, G. M. Rotskoff and E. Vanden-Eijnden, PNAS 119, e2109420119,
    2022). The density is exp(−βU), β = 1/kT. A positive field favours the positive state; without
    it P(mean > 0) = ½ by symmetry.

    Parameters
    ----------
    n : int
        N, the number of sites that are free.
    a : float
        Coupling, about the width of a domain wall.
    beta : float
        β = 1/kT.
    field : float
        h.
    start : {'negative', 'positive'}
        The state a campaign starts in.

    Attributes
    ----------
    log_z : float
        ln ∫ exp(−βU) dx, by the transfer operator.
    """

    def __init__(
        self,
        n: int = 64,
        a: float = 0.1,
        beta: float = 20.0,
        field: float = 0.0,
        start: str = "positive",
    ) -> None:
        self.n, self.a, self.beta, self.field = n, a, beta, field
        self._site = 1.0 / (4.0 * a * n)
        self._bond = 0.5 * a * n
        s = np.arange(1, n + 1) / (n + 1)
        # a kink leaves either end within √2 a
        kink = np.tanh(s / (math.sqrt(2.0) * a)) * np.tanh((1.0 - s) / (math.sqrt(2.0) * a))
        super().__init__(kink if start == "positive" else -kink, 1.0 / beta)
        self.log_z: float = float(self._log_chain(np.zeros(1)).real[0])

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        site = self._site * ((1 - x**2) ** 2).sum(-1) - self.field / self.n * x.sum(-1)
        bond = ((x[:, 1:] - x[:, :-1]) ** 2).sum(-1) + x[:, 0] ** 2 + x[:, -1] ** 2
        energy: torch.Tensor = site + self._bond * bond
        return energy

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        return self.value_and_gradient(x)[0]

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, N)."""
        well = 1.0 - x * x
        step = np.diff(x, axis=1, prepend=0.0, append=0.0)
        u = self._site * np.einsum("ni,ni->n", well, well)
        u += self._bond * np.einsum("ni,ni->n", step, step)
        g = (-4.0 * self._site) * x * well
        g -= (2.0 * self._bond) * np.diff(step, axis=1)
        if self.field:
            u -= self.field / self.n * x.sum(1)
            g -= self.field / self.n
        return u, g

    def gaussian_precision(self, mass: float = 1.0) -> Array:
        """Precision of the Gaussian part, β[aN·L + mass/(aN)·1], shape (N, N).

        L is the lattice Laplacian with zero ends. With `mass` 1 it is the informed base of Gabrié
        et al.; 0 is the coupling alone, 2 the curvature of the wells at φ = ±1. Coordinates
        y = Cᵀx with C Cᵀ the precision are white under it.
        """
        laplacian = 2.0 * np.eye(self.n) - np.eye(self.n, k=1) - np.eye(self.n, k=-1)
        precision = self.a * self.n * laplacian + mass / (self.a * self.n) * np.eye(self.n)
        return np.asarray(self.beta * precision)

    def positive_probability(self) -> float:
        """P(mean of x > 0), exact to about 1e-6."""
        # Gil-Pelaez: P(M > 0) = ½ + (1/π) ∫ Im χ(t)/t dt over t > 0
        t, chi = self._characteristic()
        return float(0.5 + _SPACING / math.pi * (chi.imag / t).sum())

    def mean_density(self, m: Array) -> Array:
        """Density of the mean field M = Σᵢ xᵢ/N, by inverting its characteristic function.

        Parameters
        ----------
        m : Array, shape (K,)
            Within |m| < 5, beyond which the inversion repeats itself.

        Returns
        -------
        Array, shape (K,)
        """
        t, chi = self._characteristic()
        phase = np.exp(-1j * np.asarray(m, dtype=np.float64)[:, None] * t)
        return np.asarray(_SPACING / math.pi * (phase * chi).real.sum(1))

    def _characteristic(self) -> tuple[Array, NDArray[np.complex128]]:
        """Points t > 0 for a midpoint rule, and E[exp(i t M)] there."""
        t = np.arange(0.5 * _SPACING, _HIGHEST, _SPACING)
        return t, np.exp(self._log_chain(t) - self.log_z)

    def _log_chain(self, t: Array) -> NDArray[np.complex128]:
        """ln ∫ exp(−βU + i t M) dx for every t: site after site, normalised on the way."""
        reach = math.sqrt(1.0 + math.sqrt(_NEGLIGIBLE / (self.beta * self._site)))
        width = 1.0 / math.sqrt(2.0 * self.beta * self._bond)
        # the trapezium rule converges exponentially: 4 points a bond width give 14 digits
        x, h = np.linspace(-reach, reach, int(8.0 * reach / width) + 1, retstep=True)
        log_site = -self.beta * (self._site * (1.0 - x**2) ** 2 - self.field / self.n * x)
        site = np.exp(log_site[:, None] + 1j * t * x[:, None] / self.n)
        bond = h * np.exp(-self.beta * self._bond * (x[:, None] - x[None, :]) ** 2)
        edge = np.exp(-self.beta * self._bond * x**2)[:, None]
        v, log_z = edge * site, np.zeros(len(t))
        for _ in range(self.n - 1):
            v = site * (bond @ v.real + 1j * (bond @ v.imag))
            size = np.abs(v).max(0)
            v, log_z = v / size, log_z + np.log(size)
        return np.asarray(log_z + np.log(h * (edge * v).sum(0)))
