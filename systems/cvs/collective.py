"""Collective variables of analytic systems that look at many coordinates at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from msgen.systems.potentials.clusters import Particles
from msgen.systems.potentials.two_dimensional import TorchSystem

Statistic = Literal["mean", "rms", "smallest", "largest", "short"]


@dataclass(frozen=True, eq=False)
class MeanCoordinate:
    """`scale` times the mean of the coordinates `indices`; of all of them where that is None.

    Of N coordinates √N times the mean is the first coefficient of their Haar transform.
    """

    name: str
    indices: tuple[int, ...] | None = None
    scale: float = 1.0
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        chosen = x if self.indices is None else x[:, list(self.indices)]
        return self.scale * chosen.mean(-1)


@dataclass(frozen=True, eq=False)
class PairDistances:
    """One number of all distances between the particles of a cluster.

    Attributes
    ----------
    statistic : str
        'mean'; 'rms', which is √(2n/(n−1)) times the radius of gyration; 'smallest'; 'largest';
        'short', the number of pairs closer than `r0`, smoothly: Σ 1/(1 + (r/r₀)¹²).
    r0 : float
        Of 'short' only.
    """

    name: str
    system: Particles
    statistic: Statistic = "mean"
    r0: float = 1.0
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        r2 = self.system.torch_squared_distances(x)
        if self.statistic == "mean":
            return torch.sqrt(r2).mean(-1)
        if self.statistic == "rms":
            return torch.sqrt(r2.mean(-1))
        if self.statistic == "short":
            return (1.0 / (1.0 + (r2 / self.r0**2) ** 6)).sum(-1)
        extreme = r2.amin(-1) if self.statistic == "smallest" else r2.amax(-1)
        return torch.sqrt(extreme)


@dataclass(frozen=True, eq=False)
class PotentialEnergy:
    """U(x) itself, in the system's own unit."""

    name: str
    system: TorchSystem
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return self.system.torch_energy(x)
