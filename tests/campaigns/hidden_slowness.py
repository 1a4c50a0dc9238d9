"""A potential whose hidden variable is slow where no window looks."""

from __future__ import annotations

import torch

from msgen.systems.python import TorchPotential


def potential() -> TorchPotential:
    """The system, starting at s = 0.5."""
    return TorchPotential(energy, start=[0.5, -1.0])


def energy(x: torch.Tensor) -> torch.Tensor:
    """U/kT = b(s)(y² − 1)² + t(s) y + a wall in s, with s = x₀ in [0, 10] and y = x₁ hidden.

    The barrier b of y rises from 2 kT at s = 0 to 14 kT at s = 10, and the tilt t changes its sign
    on the way, so that who is dragged along s arrives on the wrong side and stays there.
    """
    s, y = x[:, 0], x[:, 1]
    barrier = 2.0 + 12.0 * torch.sigmoid(1.5 * (s - 4.0))
    tilt = 1.5 * torch.tanh(0.8 * (5.5 - s))
    out = torch.clamp(s - 10.0, min=0.0) - torch.clamp(-s, min=0.0)
    return barrier * (y * y - 1.0) ** 2 + tilt * y + 50.0 * out * out
