"""Puckering of rings of five and six atoms by the coordinates of Cremer and Pople."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch

from msgen.systems.cvs.torch_cvs import points, wrap

Pucker = Literal["amplitude", "phase", "theta", "qx", "qy", "qz"]


@dataclass(frozen=True)
class PuckerWeights:
    """What atom j of N counts in the sums that the coordinates are made of.

    Attributes
    ----------
    sine, cosine : tuple of float
        sin and cos of 2π(j−1)/N: of the two vectors that span the mean plane.
    x, y : tuple of float
        √(2/N) cos and −√(2/N) sin of 4π(j−1)/N.
    z : tuple of float
        √(1/6) (−1)^(j−1); zeros of a ring of five.
    """

    sine: tuple[float, ...]
    cosine: tuple[float, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    z: tuple[float, ...]

    @classmethod
    def of(cls, size: int) -> PuckerWeights:
        """Those of a ring of this size."""
        once = [2.0 * math.pi * j / size for j in range(size)]
        root = math.sqrt(2.0 / size)
        return cls(
            tuple(math.sin(a) for a in once),
            tuple(math.cos(a) for a in once),
            tuple(root * math.cos(2.0 * a) for a in once),
            tuple(-root * math.sin(2.0 * a) for a in once),
            tuple((-1.0) ** j / math.sqrt(6.0) if size == 6 else 0.0 for j in range(size)),
        )


@dataclass(frozen=True, eq=False)
class RingPucker:
    """One puckering coordinate of a ring.

    .. math:: R' = \\sum_j R_j \\sin\\tfrac{2π(j-1)}{N}, \\quad
        R'' = \\sum_j R_j \\cos\\tfrac{2π(j-1)}{N}, \\quad
        n = \\frac{R' × R''}{|R' × R''|}, \\quad z_j = R_j·n

    .. math:: q_x + i q_y = \\sqrt{2/N} \\sum_j z_j e^{-4πi(j-1)/N}, \\quad
        q_z = \\sqrt{1/6} \\sum_j (-1)^{j-1} z_j

    The amplitude is Q = |(q_x, q_y, q_z)| in nm, the phase φ = atan2(q_y, q_x), and of six atoms
    θ = acos(q_z/Q), 0 and π of the two chairs (D. Cremer and J. A. Pople, J. Am. Chem. Soc. 97,
    1354 (1975)). All weights sum to nothing, so that the ring's centre need not be taken off.

    Attributes
    ----------
    atoms : tuple of int
        In the order of the ring.
    coordinate : {'amplitude', 'phase', 'theta', 'qx', 'qy', 'qz'}
    """

    name: str
    atoms: tuple[int, ...]
    coordinate: Pucker
    periodic: bool = field(init=False)
    unit: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "periodic", self.coordinate == "phase")
        angle = self.coordinate in ("phase", "theta")
        object.__setattr__(self, "unit", "rad" if angle else "nm")

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        p = points(x, self.atoms)
        weights = PuckerWeights.of(len(self.atoms))

        def total(w: tuple[float, ...]) -> torch.Tensor:
            return torch.einsum("a,nai->ni", torch.as_tensor(w, dtype=p.dtype), p)

        normal = torch.linalg.cross(total(weights.sine), total(weights.cosine))
        normal = normal / torch.linalg.vector_norm(normal, dim=-1, keepdim=True)
        qx, qy, qz = ((total(w) * normal).sum(-1) for w in (weights.x, weights.y, weights.z))
        if self.coordinate == "phase":
            return wrap(torch.atan2(qy, qx))
        if self.coordinate == "theta":
            return torch.atan2(torch.sqrt(qx**2 + qy**2), qz)
        if self.coordinate == "amplitude":
            return torch.sqrt(qx**2 + qy**2 + qz**2)
        one: torch.Tensor = {"qx": qx, "qy": qy, "qz": qz}[self.coordinate]
        return one
