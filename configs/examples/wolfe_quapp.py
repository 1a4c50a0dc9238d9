"""The Wolfe–Quapp surface and a tilted CV, as a user would bring them in."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, radians, sin

import torch

from msgen.systems.potentials.python import TorchPotential


def potential(scale: float = 2.0) -> TorchPotential:
    """U = scale · (x⁴ + y⁴ − 2x² − 4y² + xy + 0.3x + 0.1y), in kT."""

    def energy(x: torch.Tensor) -> torch.Tensor:
        a, b = x[:, 0], x[:, 1]
        a2, b2 = a * a, b * b
        return scale * (a2 * (a2 - 2.0) + b2 * (b2 - 4.0) + a * (b + 0.3) + 0.1 * b)

    return TorchPotential(energy, start=[-1.1, 1.5])


def along(angle: float = 0.0) -> Callable[[torch.Tensor], torch.Tensor]:
    """y cos(angle) − x sin(angle): the slow coordinate; `angle` in degrees."""
    c, s = cos(radians(angle)), sin(radians(angle))
    return lambda x: c * x[:, 1] - s * x[:, 0]
