"""Normalised densities with known mode weights: the Gaussian mixture and the Gaussian tunnel.

Both give U = −kT ln p with p normalised, so that −U/kT is the exact log-density.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.potentials.two_dimensional import TorchSystem

_LOG_2PI = math.log(2.0 * math.pi)


class GaussianMixture(TorchSystem):
    """U = −kT ln Σ_k w_k Π_i N(x_i; μ_ki, s_ki²), diagonal components in any dimension.

    Parameters
    ----------
    means : array_like, shape (K, D)
    scales : array_like, shape (K,) or (K, D), or a float
        Standard deviations.
    weights : array_like, shape (K,)
        Normalised here.
    kT : float
        Only scales the energy: the density is the mixture at any kT.
    start : int
        The component whose mean a campaign starts from.
    """

    log_z = 0.0

    def __init__(
        self,
        means: Array,
        scales: Array | float,
        weights: Array,
        kT: float = 1.0,
        start: int = 0,
    ) -> None:
        self.means = np.array(means, dtype=np.float64)
        k, d = self.means.shape
        s = np.asarray(scales, dtype=np.float64)
        self.scales = np.broadcast_to(s[:, None] if s.ndim == 1 else s, (k, d)).copy()
        w = np.asarray(weights, dtype=np.float64)
        self.weights = w / w.sum()
        # one constant a component: its log weight and normaliser
        self._log_c = np.log(self.weights) - np.log(self.scales).sum(1) - 0.5 * d * _LOG_2PI
        super().__init__(self.means[start], kT)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        z = (x[:, None] - torch.as_tensor(self.means)) / torch.as_tensor(self.scales)
        logs = torch.as_tensor(self._log_c) - 0.5 * (z**2).sum(-1)
        return -self._kT * torch.logsumexp(logs, dim=-1)

    def _terms(self, x: Array) -> tuple[Array, Array, Array]:
        z = (x[:, None] - self.means) / self.scales
        logs = self._log_c - 0.5 * np.einsum("nkd,nkd->nk", z, z)
        top = logs.max(1)
        p = np.exp(logs - top[:, None])
        return z, p, top

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        _, p, top = self._terms(x)
        return np.asarray(-self._kT * (np.log(p.sum(1)) + top))

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, D)."""
        z, p, top = self._terms(x)
        total = p.sum(1)
        g = self._kT * np.einsum("nk,nkd->nd", p / total[:, None], z / self.scales)
        return np.asarray(-self._kT * (np.log(total) + top)), g


class GaussianTunnel(TorchSystem):
    """Two modes joined by a bent, widening tunnel; D = 20, the slow coordinate z is number 0.

    z ~ 0.3 N(0, 1) + 0.7 N(10, 1) and x_i | z ~ N(5 cos(πz/10), σ_i²) for i = 1 … 19 with the
    standard deviations σ = linspace(0.5, 5, 19). U = −kT ln p, kT = 1, p normalised.

    Parameters
    ----------
    start : {0, 10}
        The mode a campaign starts in.
    """

    log_z = 0.0
    weights = np.array([0.3, 0.7])
    centres = np.array([0.0, 10.0])
    sigma = np.linspace(0.5, 5.0, 19)

    def __init__(self, start: float = 0.0) -> None:
        z = 10.0 if start == 10 else 0.0
        # cos(0) = 1 and cos(π) = −1 at the two modes
        super().__init__(np.concatenate([[z], np.full(19, 5.0 if z == 0 else -5.0)]), 1.0)
        self._log_c = -np.log(self.sigma).sum() - 10.0 * _LOG_2PI

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        z = x[:, 0]
        log_w = torch.as_tensor(np.log(self.weights))
        modes = log_w - 0.5 * (z[:, None] - torch.as_tensor(self.centres)) ** 2
        r = (x[:, 1:] - 5 * torch.cos(math.pi * z / 10)[:, None]) / torch.as_tensor(self.sigma)
        log_p: torch.Tensor = torch.logsumexp(modes, -1) - 0.5 * (r**2).sum(-1) + self._log_c
        return -log_p

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        return self.value_and_gradient(x)[0]

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, 20)."""
        z = x[:, 0]
        a, b = math.log(0.3) - 0.5 * z * z, math.log(0.7) - 0.5 * (z - 10.0) ** 2
        log_z = np.logaddexp(a, b)
        angle = math.pi * z / 10
        r = (x[:, 1:] - 5 * np.cos(angle)[:, None]) / self.sigma
        u = -log_z + 0.5 * np.einsum("nd,nd->n", r, r) - self._log_c
        g = np.empty_like(x, dtype=np.float64)
        g[:, 1:] = r / self.sigma
        # the mean moves with z: d(−5 cos)/dz = 5 sin · π/10
        g[:, 0] = z - 10.0 * np.exp(b - log_z) + g[:, 1:].sum(1) * 0.5 * math.pi * np.sin(angle)
        return np.asarray(u), g
