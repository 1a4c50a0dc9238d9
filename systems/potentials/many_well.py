"""The many-well: independent asymmetric double wells, whose number of modes doubles with each."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss

from msgen.systems.base import Array
from msgen.systems.potentials.two_dimensional import TorchSystem

QUADRATIC, LINEAR = -6.0, -0.5
"""U₁(a) = a⁴ − 6a² − ½a, the deeper well on the right."""
WELLS = (-1.71082904, 1.75251986)
"""The minima of U₁; the maximum between them is at −0.0417."""
REACH = 8.0
"""|a| beyond which exp(−U₁) is below 1e-1600."""


class ManyWell(TorchSystem):
    """U = Σ_k [a_k⁴ − 6a_k² − ½a_k + ½b_k²], x = (a₁, b₁, a₂, b₂, …).

    H. Wu, J. Köhler and F. Noé, arXiv 2002.06707 (2020); as 32-D target L. I. Midgley et al., ICLR
    2023, arXiv 2208.01893. There are 2^{D/2} modes, with weights that are products of those of one
    double well.

    Parameters
    ----------
    dim : int
        D, even.
    kT : float
        Thermal energy, default 1.
    start : {'left', 'right'}
        The well that every a starts in.

    Attributes
    ----------
    log_z : float
        ln ∫ exp(−U/kT) dx, by quadrature.

    Raises
    ------
    ValueError
        If `dim` is not even and positive.
    """

    def __init__(self, dim: int = 32, kT: float = 1.0, start: str = "left") -> None:
        if dim < 2 or dim % 2:
            raise ValueError(f"dim={dim} must be even and at least 2")
        one = np.zeros(dim)
        one[0::2] = WELLS[0] if start == "left" else WELLS[1]
        super().__init__(one, kT)
        left, right = self._masses_of_wells()
        self.log_z: float = dim // 2 * (math.log(left + right) + 0.5 * math.log(2.0 * math.pi * kT))

    def _masses_of_wells(self, at: float = 0.0) -> tuple[float, float]:
        """∫ exp(−U₁/kT) below and above `at`."""
        nodes, weights = leggauss(400)
        parts = []
        for lo, hi in ((-REACH, at), (at, REACH)):
            a = 0.5 * (hi - lo) * nodes + 0.5 * (hi + lo)
            parts.append(0.5 * (hi - lo) * float(weights @ np.exp(-_well(a) / self._kT)))
        return parts[0], parts[1]

    def right_probability(self) -> float:
        """P(a_k > 0), the same for every k, by quadrature."""
        left, right = self._masses_of_wells()
        return right / (left + right)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        a, b = x[:, 0::2], x[:, 1::2]
        energy: torch.Tensor = (a**4 - 6 * a**2 - 0.5 * a + 0.5 * b**2).sum(-1)
        return energy

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        b = x[:, 1::2]
        return np.asarray(_well(x[:, 0::2]).sum(1) + 0.5 * np.einsum("nk,nk->n", b, b))

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, D)."""
        a = x[:, 0::2]
        g = np.array(x, dtype=np.float64)
        g[:, 0::2] = a * (4.0 * a * a + 2.0 * QUADRATIC) + LINEAR
        return self.value(x), g


def _well(a: Array) -> Array:
    return a * (a * (a * a + QUADRATIC) + LINEAR)
