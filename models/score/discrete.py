"""The variance-preserving process in 1,000 discrete steps, whose network learns the noise ε.

x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε with ᾱ_t = Π(1 − β_s) is s(x₀ + σε) with σ² = 1/ᾱ_t − 1, so that the
samplers of the continuous processes serve; Euler's step is DDIM's.
Source: Ho, Jain and Abbeel (2020); the scaled linear schedule is that of latent diffusion, the
cosine one of Nichol and Dhariwal, Improved denoising diffusion probabilistic models (2021), eq. 17.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.score.noise import Noise

STEPS = 1000
BETA_FIRST, BETA_LAST = 1e-4, 0.02
"""Of the linear schedules, for `STEPS` steps."""
OFFSET, BETA_MOST = 0.008, 0.999
"""Of the cosine one."""

Schedule = Literal["linear", "scaled_linear", "cosine"]


@dataclass(frozen=True)
class DiscreteNoise(Noise):
    """One schedule of β; its `kind` is that of a `Schedule`."""

    @classmethod
    def scheduled(cls, kind: str, most: float) -> DiscreteNoise:
        """The process; the way back starts at its last level of at most `most`."""
        sigmas = levels_of(kind)
        return cls(kind, *map(float, (sigmas[0], sigmas[-1], sigmas[sigmas <= most][-1])))

    @cached_property
    def sigmas(self) -> Array:
        """σ of every step, rising, shape (STEPS,)."""
        return levels_of(self.kind)

    def training_levels(self, u: Tensor) -> Tensor:
        """σ of uniform numbers u in (0, 1): every step alike."""
        return torch.as_tensor(self.sigmas).to(u)[(u * STEPS).long()]

    def levels(self, steps: int, begin: float = 1.0) -> Array:
        """steps + 1 values of σ from that at `begin` down to the first, nearest to even in σ^{1/ρ}.

        Even in the steps, samplers of second order hardly gain. Fewer where there are not as many.
        """
        wanted = torch.as_tensor(super().levels(steps, begin))
        chosen = torch.unique(torch.round(self.place(wanted)).long()).numpy()
        return np.asarray(self.sigmas[chosen[::-1]])

    def at(self, fraction: float) -> float:
        """σ at a fraction of the steps from the data, 0, to `start`, 1."""
        return float(self.sigmas[self._last(fraction)])

    def place(self, sigma: Tensor) -> Tensor:
        """The step of σ, from 0 to 999; between two of them by ln σ."""
        table = torch.log(torch.as_tensor(self.sigmas)).to(sigma)
        log = torch.log(sigma)
        right = torch.searchsorted(table, log.contiguous()).clamp(1, STEPS - 1)
        low, high = table[right - 1], table[right]
        return right - 1 + (log - low) / (high - low)

    def _last(self, fraction: float) -> int:
        start = int(np.searchsorted(self.sigmas, self.start))
        return max(1, round(fraction * start))


def levels_of(kind: str) -> Array:
    """σ = √(1/ᾱ − 1) of every step of a schedule, shape (STEPS,)."""
    if kind == "linear":
        beta = np.linspace(BETA_FIRST, BETA_LAST, STEPS)
    elif kind == "scaled_linear":
        beta = np.linspace(math.sqrt(BETA_FIRST), math.sqrt(BETA_LAST), STEPS) ** 2
    else:
        t = np.arange(STEPS + 1) / STEPS
        kept = np.cos((t + OFFSET) / (1 + OFFSET) * math.pi / 2) ** 2
        beta = np.minimum(1 - kept[1:] / kept[:-1], BETA_MOST)
    # ᾱ by its logarithm: 1/ᾱ − 1 without cancellation
    return np.asarray(np.sqrt(np.expm1(-np.cumsum(np.log1p(-beta)))))
