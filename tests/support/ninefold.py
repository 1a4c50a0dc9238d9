"""Nine wells apart: a mixture of nine Gaussians whose barriers nothing crosses by itself."""

from __future__ import annotations

import torch

from msgen.systems.potentials.python import TorchPotential

PLACES, WIDTH = (-2.0, 0.0, 2.0), 0.2


def potential(scale: float = 1.0) -> TorchPotential:
    """U = s V(x) + s V(y), V = −ln Σ e^(−(x − c)²/2σ²): barriers of s · 12 kT, as at kT = 1/s."""
    centres = torch.tensor(PLACES, dtype=torch.float64)

    def one(x: torch.Tensor) -> torch.Tensor:
        return -torch.logsumexp(-0.5 * (x[:, None] - centres) ** 2 / WIDTH**2, dim=1)

    return TorchPotential(lambda q: scale * (one(q[:, 0]) + one(q[:, 1])), start=[-2.0, -2.0])
