"""The system `ring`: a particle near a circle in the plane, with two wells along it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from msgen.orchestrator.schema.system_section import SystemSection
from msgen.systems.kinds import SystemKind, SystemSite

if TYPE_CHECKING:
    from msgen.systems import System


class RingSection(SystemSection):
    """A particle near a circle of radius 1: U/kT = ½k(r − 1)² + h sin²θ − a cos θ."""

    kind: Literal["ring"]
    stiffness: float = Field(default=50.0, gt=0)
    """k."""
    barrier: float = Field(default=3.0, ge=0)
    """h: of the barriers at θ = ±90°."""
    tilt: float = 0.5
    """a: half of what the well at θ = 0 lies lower than that at 180°."""


def _build(site: SystemSite, *, stiffness: float, barrier: float, tilt: float) -> System:
    import torch

    from msgen.systems.potentials.two_dimensional import TorchSystem

    class Ring(TorchSystem):
        def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
            r = torch.linalg.vector_norm(x, dim=1)
            cos, sin = x[:, 0] / r, x[:, 1] / r
            u: torch.Tensor = 0.5 * stiffness * (r - 1) ** 2 + barrier * sin**2 - tilt * cos
            return u

    return Ring(np.array([1.0, 0.0]), kT=1.0)


KIND = SystemKind("ring", _build, section=RingSection)
