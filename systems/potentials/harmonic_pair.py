"""Two harmonic states with a known free-energy difference."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import log_ndtr

from msgen.systems.base import Array
from msgen.systems.potentials.two_dimensional import TorchSystem


class HarmonicPair(TorchSystem):
    """U = −kT ln(e^{−U_A/kT} + e^{−U_B/kT}), U_s = E_s + ½ Σ_i k_si (x_i − μ_si)².

    Each state is a Gaussian of weight ln Z_s = −E_s/kT + ½ Σ_i ln(2π kT/k_si), so that everything
    about the pair is known in closed form.

    Parameters
    ----------
    means : array_like, shape (2, D)
        μ of A and of B.
    stiffness : array_like, shape (2, D), (2,) or a number
        k of each state and coordinate.
    offsets : array_like, shape (2,)
        E of each state.
    kT : float
        Thermal energy, default 1.
    start : int
        0: a campaign starts at the mean of A; 1: of B.

    Attributes
    ----------
    log_z : float
        ln ∫ exp(−U/kT) dx = ln(Z_A + Z_B).
    log_z_states : Array, shape (2,)
        ln Z_A and ln Z_B.
    """

    def __init__(
        self,
        means: Array,
        stiffness: Array | float = 1.0,
        offsets: Array | tuple[float, float] = (0.0, 0.0),
        kT: float = 1.0,
        start: int = 0,
    ) -> None:
        self.means = np.array(means, dtype=np.float64)
        k = np.asarray(stiffness, dtype=np.float64)
        self.stiffness = np.broadcast_to(k[:, None] if k.ndim == 1 else k, self.means.shape).copy()
        self.offsets = np.array(offsets, dtype=np.float64)
        super().__init__(self.means[start], kT)
        gauss = 0.5 * np.log(2.0 * math.pi * kT / self.stiffness).sum(1)
        self.log_z_states: Array = gauss - self.offsets / kT
        self.log_z: float = float(np.logaddexp(*self.log_z_states))

    @property
    def delta_f(self) -> float:
        """F_B − F_A = ln Z_A − ln Z_B of the two harmonic states, in kT."""
        return float(self.log_z_states[0] - self.log_z_states[1])

    def log_z_sides(self, at: float, index: int = 0) -> tuple[float, float]:
        """ln ∫ exp(−U/kT) dx over x_index < at and over x_index ≥ at.

        Their difference is the ΔF of the two regions; unlike `delta_f` it counts what either state
        has on the other side.
        """
        width = np.sqrt(self._kT / self.stiffness[:, index])
        z = (at - self.means[:, index]) / width
        below = np.logaddexp.reduce(self.log_z_states + log_ndtr(z))
        above = np.logaddexp.reduce(self.log_z_states + log_ndtr(-z))
        return float(below), float(above)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        d = x[:, None] - torch.as_tensor(self.means)
        u = 0.5 * (torch.as_tensor(self.stiffness) * d**2).sum(-1) + torch.as_tensor(self.offsets)
        return -self._kT * torch.logsumexp(-u / self._kT, dim=-1)

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        return self.value_and_gradient(x)[0]

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, D)."""
        d = x[:, None] - self.means
        pull = self.stiffness * d
        logs = -(0.5 * np.einsum("nsd,nsd->ns", pull, d) + self.offsets) / self._kT
        top = logs.max(1)
        p = np.exp(logs - top[:, None])
        total = p.sum(1)
        u = -self._kT * (np.log(total) + top)
        return np.asarray(u), np.einsum("ns,nsd->nd", p / total[:, None], pull)
