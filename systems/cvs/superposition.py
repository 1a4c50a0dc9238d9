"""Deviations from structures after the best superposition: RMSD, and along a path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from msgen.systems.base import Array
from msgen.systems.cvs.torch_cvs import points

_FLOOR = 1e-16
"""nm²; a root of nothing has no gradient."""


def deviation(p: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    """Mean square distance of structures to references after optimal superposition.

    From the largest eigenvalue of the quaternion matrix, (G_p + G_r − 2 λ_max)/N (E. A. Coutsias,
    C. Seok and K. A. Dill, J. Comput. Chem. 25, 1849 (2004)); all atoms weigh the same.

    Parameters
    ----------
    p : Tensor, shape (n, N, 3)
    r : Tensor, shape (m, N, 3)

    Returns
    -------
    Tensor, shape (n, m)
    """
    p, r = p - p.mean(1, keepdim=True), r - r.mean(1, keepdim=True)
    m = torch.einsum("nai,maj->nmij", p, r)
    xx, xy, xz = m[..., 0, :].unbind(-1)
    yx, yy, yz = m[..., 1, :].unbind(-1)
    zx, zy, zz = m[..., 2, :].unbind(-1)
    rows = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ]
    f = torch.stack([torch.stack(row, -1) for row in rows], -2)
    finite = torch.isfinite(f).all(-1).all(-1)
    # eigvalsh raises on NaN; the NaN of (p²) reaches the result all the same
    top = torch.linalg.eigvalsh(torch.where(finite[..., None, None], f, torch.eye(4).to(f)))
    spread = (p**2).sum((1, 2))[:, None] + (r**2).sum((1, 2))[None]
    out: torch.Tensor = (spread - 2 * top[..., -1]) / p.shape[1]
    return out


@dataclass(frozen=True, eq=False)
class RMSD:
    """Root mean square distance to a reference after optimal superposition, nm.

    Attributes
    ----------
    atoms : tuple of int
    reference : Array, shape (number of atoms of the whole system, 3)
    orders : tuple of tuple of int
        Atoms of the reference that `atoms` may stand for, one order a row; () means only
        themselves. The value is the least of all, so that like atoms may change places.
    """

    name: str
    atoms: tuple[int, ...]
    reference: Array
    orders: tuple[tuple[int, ...], ...] = ()
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="nm", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        orders = self.orders or (self.atoms,)
        r = torch.as_tensor(self.reference)[torch.tensor(orders)]
        msd = deviation(points(x, self.atoms), r).amin(1)
        return torch.sqrt(torch.clamp(msd, min=_FLOOR))


Along = Literal["s", "z"]


@dataclass(frozen=True, eq=False)
class PathCV:
    """Progress s along a path of structures, from 1 to their number, or the distance z from it.

    .. math:: s = \\frac{\\sum_k k e^{-λ d_k^2}}{\\sum_k e^{-λ d_k^2}}, \\qquad
        z = -\\frac{1}{λ} \\ln \\sum_k e^{-λ d_k^2}

    with d_k the RMSD from structure k (D. Branduardi, F. L. Gervasio and M. Parrinello, J. Chem.
    Phys. 126, 054103 (2007)).

    Attributes
    ----------
    atoms : tuple of int
    path : Array, shape (structures, number of atoms of the whole system, 3)
    rate : float
        λ, 1/nm².
    along : {'s', 'z'}
        z is in nm².
    """

    name: str
    atoms: tuple[int, ...]
    path: Array
    rate: float
    along: Along = "s"
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def exponents(self, x: torch.Tensor) -> torch.Tensor:
        """λ d², shape (n, structures)."""
        r = torch.as_tensor(self.path)[:, list(self.atoms)]
        return self.rate * torch.clamp(deviation(points(x, self.atoms), r), min=_FLOOR)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        near = -self.exponents(x)
        if self.along == "z":
            return -torch.logsumexp(near, 1) / self.rate
        steps = torch.arange(1, len(self.path) + 1, dtype=near.dtype)
        return torch.softmax(near, 1) @ steps
