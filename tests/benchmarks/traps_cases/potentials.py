"""Energies of the traps, as a user would bring them in; kT = 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from msgen.systems.potentials.python import TorchPotential

Tensor = torch.Tensor


def hidden(height: float = 10.0, barrier: float = 5.0, tilt: float = 0.7, coupling: float = 1.0,
           start: Sequence[float] = (-1.0, -1.0)) -> TorchPotential:  # fmt: skip
    """U = barrier (x²−1)² + height (y²−1)² − tilt y + coupling xy."""

    def energy(q: Tensor) -> Tensor:
        x, y = q[:, 0], q[:, 1]
        wells = barrier * (x * x - 1.0) ** 2 + height * (y * y - 1.0) ** 2
        return wells - tilt * y + coupling * x * y

    return TorchPotential(energy, start=list(start))


def rotated(height: float = 6.0, angle: float = 45.0, tilt: float = 0.5) -> TorchPotential:
    """A double well along u with a soft v across; (x, y) are (u, v) turned by `angle` degrees."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def energy(q: Tensor) -> Tensor:
        u, v = c * q[:, 0] + s * q[:, 1], c * q[:, 1] - s * q[:, 0]
        return height * (u * u - 1.0) ** 2 + tilt * u + 2.0 * v * v

    return TorchPotential(energy, start=[-c, -s])


def tilted(height: float = 6.0, slope: float = 6.0, start: float = -1.0) -> TorchPotential:
    """U = height (x²−1)² + slope·s(x) + ½y², s rising from 0 at −1 to 1 before x = 0."""

    def energy(q: Tensor) -> Tensor:
        x = q[:, 0]
        wells = height * (x * x - 1.0) ** 2
        return wells + slope * torch.sigmoid(12.0 * (x + 0.5)) + 0.5 * q[:, 1] ** 2

    return TorchPotential(energy, start=[start, 0.0])


def rooms(offset: float = 0.0, gap: float = 0.1, wall: float = 200.0) -> TorchPotential:
    """Two square rooms of side 2 at x = ∓2 and a corridor 2·gap wide between; soft walls.

    `offset` is the energy of the right room, reached along the corridor's left half.
    """

    def energy(q: Tensor) -> Tensor:
        x, y = q[:, 0], q[:, 1]
        # half the width open at x: 1 inside the rooms, `gap` between
        open_ = gap + (1.0 - gap) * torch.sigmoid(20.0 * (x.abs() - 1.0))
        out = torch.clamp(y.abs() - open_, min=0.0)
        end = torch.clamp(x.abs() - 3.0, min=0.0)
        return wall * (out**2 + end**2) + offset * torch.sigmoid(12.0 * (x + 0.5))

    return TorchPotential(energy, start=[-2.0, 0.0])


def nine_wells(height: float = 5.0, tilt: float = 0.35) -> TorchPotential:
    """3 × 3 wells at −2, 0, 2 of both axes, U = V(x) + V(y); V is a cosine between steep ends."""

    def one(x: Tensor) -> Tensor:
        end = torch.clamp(x.abs() - 2.0, min=0.0)
        inside = 0.5 * height * (1.0 - torch.cos(math.pi * torch.clamp(x, -2.0, 2.0)))
        return inside + 6.0 * end**2 + tilt * x

    return TorchPotential(lambda q: one(q[:, 0]) + one(q[:, 1]) * 0.9, start=[-2.0, -2.0])


def three_wells(third: float = 0.0, aside: float = 0.0) -> TorchPotential:
    """Wells at x = −2, 0, 2; the last lies at y = `aside` and `third` kT higher."""
    centres = torch.tensor([[-2.0, 0.0], [0.0, 0.0], [2.0, aside]], dtype=torch.float64)
    offsets = torch.tensor([0.0, 0.5, third], dtype=torch.float64)

    def energy(q: Tensor) -> Tensor:
        r2 = ((q[:, None] - centres) ** 2).sum(-1)
        return -torch.logsumexp(-0.5 * r2 / 0.3**2 - offsets, dim=1)

    return TorchPotential(energy, start=[-2.0, 0.0])


def degenerate(folds: int = 3, height: float = 6.0) -> TorchPotential:
    """`folds` equal wells on a ring of radius 1.5, the barriers `height` kT."""

    def energy(q: Tensor) -> Tensor:
        x, y = q[:, 0], q[:, 1]
        r, angle = torch.sqrt(x * x + y * y + 1e-12), torch.atan2(y, x)
        return 30.0 * (r - 1.5) ** 2 + 0.5 * height * (1.0 - torch.cos(folds * angle))

    return TorchPotential(energy, start=[1.5, 0.0])


def polar() -> Callable[[Tensor], Tensor]:
    """The CV of `degenerate`: the angle of (x, y)."""
    return lambda q: torch.atan2(q[:, 1], q[:, 0])


def walled(kind: str = "inf", height: float = 6.0, edge: float = 1.0) -> TorchPotential:
    """A double well in x; beyond |y| = `edge` the energy is inf, or NaN."""
    if kind not in ("inf", "nan"):
        raise ValueError(f"kind is {kind}: write inf or nan")

    def energy(q: Tensor) -> Tensor:
        x, y = q[:, 0], q[:, 1]
        u = height * (x * x - 1.0) ** 2 + 0.8 * x + 0.6 * y * y
        beyond = torch.full_like(u, float(kind))
        return torch.where(y.abs() < edge, u, beyond)

    return TorchPotential(energy, start=[-1.0, 0.0])


def stiff_beside_soft(stiff: float = 1e4, height: float = 5.0) -> TorchPotential:
    """x in a double well, y soft (k = 1), z of k = stiff·exp(x/2): F(x) = U(x) + x/4."""

    def energy(q: Tensor) -> Tensor:
        x, y, z = q[:, 0], q[:, 1], q[:, 2]
        soft = height * (x * x - 1.0) ** 2 + 0.5 * (y - x) ** 2
        return soft + 0.5 * stiff * torch.exp(0.5 * x) * z * z

    return TorchPotential(energy, start=[-1.0, -1.0, 0.0])


def periodic(period: float = 3.7, height: float = 5.0) -> TorchPotential:
    """Two wells a period, U = −height cos(4πx/L)/2 − sin(2πx/L)/2, beside ½y²; x is unbounded."""

    def energy(q: Tensor) -> Tensor:
        turn = 2.0 * math.pi * q[:, 0] / period
        return -0.5 * height * torch.cos(2.0 * turn) - 0.5 * torch.cos(turn) + 0.5 * q[:, 1] ** 2

    return TorchPotential(energy, start=[0.0, 0.0])


def phase(period: float = 3.7) -> Callable[[Tensor], Tensor]:
    """The CV of `periodic`: 2πx/L, folded into [−π, π)."""

    def fold(q: Tensor) -> Tensor:
        turn = q[:, 0] / period
        return 2.0 * math.pi * (turn - torch.floor(turn + 0.5))

    return fold


def three_axes(heights: Sequence[float] = (4.0, 5.0, 6.0),
               tilts: Sequence[float] = (0.5, -0.3, 0.2)) -> TorchPotential:  # fmt: skip
    """A double well along each of three axes, independent."""
    h, t = torch.tensor(heights, dtype=torch.float64), torch.tensor(tilts, dtype=torch.float64)
    return TorchPotential(
        lambda q: (h * (q * q - 1.0) ** 2 + t * q).sum(1), start=[-1.0, -1.0, -1.0]
    )


def stepped(step: float = 3.0, at: float = 0.4, height: float = 4.0) -> TorchPotential:
    """A double well in x whose energy jumps by `step` at x = `at`; its force knows nothing."""

    def energy(q: Tensor) -> Tensor:
        x = q[:, 0]
        u = height * (x * x - 1.0) ** 2 - 1.5 * x + 2.0 * q[:, 1] ** 2
        return u + step * (x > at).to(x.dtype)

    return TorchPotential(energy, start=[-1.0, 0.0])


def wolfe_quapp() -> TorchPotential:
    """U = 2 (x⁴ + y⁴ − 2x² − 4y² + xy + 0.3x + 0.1y)."""

    def energy(q: Tensor) -> Tensor:
        x, y = q[:, 0], q[:, 1]
        quartic = x**4 + y**4 - 2.0 * x * x - 4.0 * y * y
        return 2.0 * (quartic + x * y + 0.3 * x + 0.1 * y)

    return TorchPotential(energy, start=[-1.1, 1.5])
