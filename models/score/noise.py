"""Noise processes of score models, and how a network's input and output are scaled at each level.

All three are written as x(t) = s(t)(x₀ + σ(t)ε) with one denoiser D(x; σ) ≈ E[x₀ | x₀ + σε = x],
so that ∇ln p(x; σ) = (D(x; σ) − x)/σ². They differ in s(t), σ(t), in the levels they are trained at
and in the preconditioning D = c_skip x + c_out F(c_in x, c_noise).
Source: Karras et al., Elucidating the design space of diffusion-based generative models (2022),
table 1, here with data of unit variance. Two departures: c_in keeps the input at unit variance, and
c_noise, which dense networks are told, is ln(σ)/4 for all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array

RHO = 7.0
"""Karras' exponent: levels are spaced evenly in σ^{1/ρ}."""
P_MEAN, P_STD = -0.5, 1.2
"""ln σ of EDM's training levels; Karras' −1.2 is for data of standard deviation 0.5."""
BETA_MIN, BETA_DELTA = 0.1, 19.9
"""β(t) = β_min + β_d t of the variance-preserving process, t in [ε, 1]."""
VP_EPS = 1e-4
SIGMA_MIN, SIGMA_MAX = 0.005, 20.0
"""Beyond, data of unit variance around its own mean is a Gaussian: its variance is off by 1/400."""
TORUS_MAX = 5.0
"""Leaves e^{−12.5} of the first harmonic."""


@dataclass(frozen=True)
class Noise:
    """One noise process.

    Attributes
    ----------
    kind : str
        'edm' (s = 1, σ = t), 've' (s = 1, σ = √t) or 'vp' (s = 1/√(1 + σ²), linear β).
    sigma_min, sigma_max : float
        The levels it runs between, in units of the standardised data.
    start : float
        The level that the way back to the data starts from.
    middle, spread : float
        Mean and standard deviation of ln σ at EDM's training levels.
    """

    kind: str
    sigma_min: float
    sigma_max: float
    start: float
    middle: float = P_MEAN
    spread: float = P_STD

    @classmethod
    def of(cls, kind: str, on_torus: bool = False) -> Noise:
        """The process with its usual levels; on a torus noise of `TORUS_MAX` rad is uniform."""
        if kind == "vp":
            # its own σ(1) is 152
            return cls(kind, _vp_sigma(VP_EPS), _vp_sigma(1.0), SIGMA_MAX)
        most = TORUS_MAX if on_torus else SIGMA_MAX
        return cls(kind, SIGMA_MIN, most, most)

    def training_levels(self, u: Tensor) -> Tensor:
        """σ of uniform numbers u in (0, 1): what the process is trained at, by inversion."""
        if self.kind == "edm":
            return torch.exp(self.middle + self.spread * torch.special.ndtri(u))
        if self.kind == "ve":
            low, high = math.log(self.sigma_min), math.log(self.sigma_max)
            return torch.exp(low + (high - low) * u)
        t = VP_EPS + (1 - VP_EPS) * u
        return torch.sqrt(torch.expm1(0.5 * BETA_DELTA * t * t + BETA_MIN * t))

    def precondition(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c_skip, c_out and c_in at σ.

        Every loss weight λ(σ) of table 1 is 1/c_out², so that F is fitted by plain least squares
        to a target of unit variance at EDM, to ±ε at VP and VE.
        """
        total = 1 + sigma * sigma
        if self.kind == "edm":
            return 1 / total, sigma / torch.sqrt(total), torch.rsqrt(total)
        sign = 1.0 if self.kind == "ve" else -1.0
        return torch.ones_like(sigma), sign * sigma, torch.rsqrt(total)

    def velocity_terms(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """a and b in dx/dσ = a x + b F at σ."""
        c_skip, c_out, _ = self.precondition(sigma)
        # 1 − c_skip without cancellation where σ is small
        rest = sigma**2 / (1 + sigma**2) if self.kind == "edm" else 1 - c_skip
        return rest / sigma, -c_out / sigma

    def levels(self, steps: int, begin: float = 1.0) -> Array:
        """steps + 1 values of σ from that at `begin` down to sigma_min, even in σ^{1/ρ}."""
        low, high = self.sigma_min ** (1 / RHO), self.at(begin) ** (1 / RHO)
        return np.asarray(np.linspace(high, low, steps + 1) ** RHO, dtype=np.float64)

    def at(self, fraction: float) -> float:
        """σ at a fraction of the way from the data, 0, to `start`, 1."""
        if fraction == 1:
            return self.start
        low, high = self.sigma_min ** (1 / RHO), self.start ** (1 / RHO)
        return float((low + fraction * (high - low)) ** RHO)

    def place(self, sigma: Tensor) -> Tensor:
        """Where among the levels σ is, from 0 at sigma_min to 1000 at `start`."""
        low, high = math.log(self.sigma_min), math.log(self.start)
        return 1000 * (torch.log(sigma) - low) / (high - low)

    def times(self, steps: int) -> Array:
        """steps + 1 times from the process's end to its start, spaced as table 1 has it."""
        if self.kind == "vp":
            return np.linspace(1.0, VP_EPS, steps + 1)
        if self.kind == "ve":
            return np.geomspace(self.sigma_max**2, self.sigma_min**2, steps + 1)
        return self.levels(steps)

    def scale_and_level(self, t: float) -> tuple[float, float, float, float]:
        """s, σ, ṡ/s and σ̇ σ at time t."""
        if self.kind == "edm":
            return 1.0, t, 0.0, t
        if self.kind == "ve":
            return 1.0, math.sqrt(t), 0.0, 0.5
        sigma, beta = _vp_sigma(t), BETA_MIN + BETA_DELTA * t
        # σ² = e^B − 1 and s = e^{−B/2} with Ḃ = β
        return 1 / math.sqrt(1 + sigma**2), sigma, -0.5 * beta, 0.5 * beta * (1 + sigma**2)


def _vp_sigma(t: float) -> float:
    return math.sqrt(math.expm1(0.5 * BETA_DELTA * t * t + BETA_MIN * t))
