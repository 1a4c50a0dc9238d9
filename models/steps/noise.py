"""The variance-preserving process of continuous time as models of steps have it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.score.noise import BETA_DELTA, BETA_MIN, Noise

Even = Literal["log_snr", "time"]
Predicts = Literal["noise", "velocity"]


@dataclass(frozen=True, kw_only=True)
class StepNoise(Noise):
    """β from 0.1 to 20, from pure noise at time 1 on.

    Attributes
    ----------
    even : {'log_snr', 'time'}
        What training levels are even in. The published code draws ln(SNR), the paper the time.
    """

    even: Even

    @classmethod
    def learnt_by(cls, predicts: Predicts, even: Even) -> StepNoise:
        """The process, whose net makes the noise ε, as published, or EDM's mix of it and the data.

        Where there is hardly anything but noise, ε is what the net is given, and an error of it is
        multiplied by σ, up to 152.
        """
        vp = Noise.of("vp")
        kind = "vp" if predicts == "noise" else "edm"
        return cls(kind, vp.sigma_min, vp.sigma_max, vp.sigma_max, even=even)

    def training_levels(self, u: Tensor) -> Tensor:
        """σ of uniform numbers u in (0, 1)."""
        if self.even == "time":
            return Noise.of("vp").training_levels(u)
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        return torch.exp(low + (high - low) * u)

    def levels(self, steps: int, begin: float = 1.0) -> Array:
        """steps + 1 values of σ from that at `begin` down to sigma_min, even in ln σ."""
        return np.geomspace(self.at(begin), self.sigma_min, steps + 1)

    def at(self, fraction: float) -> float:
        """σ at a fraction of the way from the data, 0, to `start`, 1."""
        return float(self.sigma_min * (self.start / self.sigma_min) ** fraction)

    def time(self, sigma: Tensor) -> Tensor:
        """The time at which the noise is σ, in [0, 1]."""
        # ln(1 + σ²) = β_d t²/2 + β_min t
        total = torch.log1p(sigma * sigma)
        root = torch.sqrt(BETA_MIN**2 + 2 * BETA_DELTA * total)
        return (root - BETA_MIN) / BETA_DELTA
