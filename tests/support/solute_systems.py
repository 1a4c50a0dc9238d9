"""Four atoms whose solvent hangs on them by springs: what the solute does alone is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.coordinates.internal_coordinates import rotations
from msgen.systems.potentials.python import TorchPotential
from msgen.systems.potentials.two_dimensional import TorchSystem

BOND, BEND, SPRING = 60.0, 40.0, 8.0
BARRIER, MIDDLE, HALF = 2.0, 2.0, 0.55


class Springs(TorchSystem):
    """U of four atoms in a chain, two states of their ends' distance, and ½k|z_j − x_j|² for each.

    The springs' integral over the solvent z does not depend on the atoms x, so that the marginal of
    x is exp(−U_s(x)/kT), U_s what `solute_energy` gives. The centre is held by a spring of its own.
    """

    def __init__(self) -> None:
        chain = np.array([[0.0, 0, 0], [1.0, 0, 0], [1.4, 0.9, 0], [2.2, 1.1, 0.6]])
        chain = chain - chain.mean(axis=0)
        super().__init__(np.concatenate([chain, chain]).reshape(-1), 1.0)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U, shape (n,)."""
        p = x.reshape(len(x), 8, 3)
        solute, solvent = p[:, :4], p[:, 4:]
        near = torch.linalg.norm(solute[:, 1:] - solute[:, :-1], dim=2)
        next_ = torch.linalg.norm(solute[:, 2:] - solute[:, :-2], dim=2)
        ends = torch.linalg.norm(solute[:, 3] - solute[:, 0], dim=1)
        energy: torch.Tensor = solute_energy(near, next_, ends)
        energy = energy + 0.5 * SPRING * ((solvent - solute) ** 2).sum((1, 2))
        return energy + 0.5 * (solute.mean(1) ** 2).sum(1)


def solute_energy(near: torch.Tensor, next_: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """U_s of the distances of neighbours (n, 3), of next ones (n, 2), and of the ends (n,)."""
    well = ((ends - MIDDLE) / HALF) ** 2 - 1.0
    wells = BARRIER * well**2 + 0.6 * (ends - MIDDLE)
    return (
        0.5 * BOND * ((near - 1.0) ** 2).sum(1) + 0.5 * BEND * ((next_ - 1.6) ** 2).sum(1) + wells
    )


def weighted_chains(m: int, seed: int) -> tuple[Array, Array]:
    """m chains (m, 4, 3) and their weights, which make them draws of exp(−U_s).

    Bonds, angles and the torsion have the volume Π r² sin θ; bonds are drawn from their Gaussians.
    """
    rng = np.random.default_rng(seed)
    r = 1.0 + rng.standard_normal((m, 3)) / np.sqrt(BOND)
    theta, phi = np.pi * rng.random((m, 2)), 2 * np.pi * rng.random(m)
    x = np.zeros((m, 4, 3))
    x[:, 1, 0] = r[:, 0]
    bent, zero = theta[:, 0], np.zeros(m)
    along = np.stack([-np.cos(bent), np.sin(bent), zero], axis=1)
    across = np.stack([-np.sin(bent), -np.cos(bent), zero], axis=1)
    x[:, 2] = x[:, 1] + r[:, [1]] * along
    up = np.sin(theta[:, [1]]) * np.stack([np.cos(phi), np.sin(phi)], axis=1)
    x[:, 3] = x[:, 2] + r[:, [2]] * (-np.cos(theta[:, [1]]) * along + up[:, [0]] * across)
    x[:, 3, 2] += r[:, 2] * up[:, 1]
    u = solute_energy(*(torch.as_tensor(v) for v in distances(x))).numpy()
    log_w = -u + 0.5 * BOND * ((r - 1.0) ** 2).sum(1)
    log_w += 2 * np.log(np.abs(r)).sum(1) + np.log(np.sin(theta)).sum(1)
    w = np.exp(log_w - log_w.max())
    return x, w / w.sum()


def distances(x: Array) -> tuple[Array, Array, Array]:
    """What `solute_energy` takes, of positions whose first four atoms are the solute."""
    near = np.linalg.norm(x[:, 1:4] - x[:, :3], axis=2)
    next_ = np.linalg.norm(x[:, 2:4] - x[:, :2], axis=2)
    return near, next_, np.linalg.norm(x[:, 3] - x[:, 0], axis=1)


def draw_all(n: int, seed: int) -> Array:
    """n configurations (n, 24) distributed as exp(−U), by resampling 100 times as many chains."""
    rng = np.random.default_rng(seed)
    x, w = weighted_chains(100 * n, seed + 1)
    x = x[rng.choice(len(x), n, p=w)]
    x = np.einsum("nij,nkj->nki", rotations(n, rng), x - x.mean(axis=1, keepdims=True))
    x = x + rng.standard_normal((n, 1, 3))
    solvent = x + rng.standard_normal(x.shape) / np.sqrt(SPRING)
    return np.concatenate([x, solvent], axis=1).reshape(n, -1)


def potential() -> TorchPotential:
    """`Springs` as a campaign's ``kind: python`` system."""
    system = Springs()
    return TorchPotential(system.torch_energy, system.initial().positions[0].tolist(), 1.0)


def ends() -> Callable[[torch.Tensor], torch.Tensor]:
    """The distance of the ends, as a campaign's CV."""
    return lambda x: torch.linalg.norm(x[:, 9:12] - x[:, :3], dim=1)
