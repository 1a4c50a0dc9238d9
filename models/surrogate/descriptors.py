"""What a learnt energy sees of a configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SymmetryFunctions(nn.Module):
    """Radial and angular functions of each atom's surroundings.

    .. math:: G^r_i = \\sum_j e^{-η(r_{ij}-r_s)^2} f(r_{ij}), \\quad
        G^a_i = 2^{1-ζ} \\sum_{j<k} (1 + λ\\cos θ_{jik})^ζ
        e^{-η(r_{ij}^2+r_{ik}^2)} f(r_{ij}) f(r_{ik})

    with f(r) = ½(1 + cos πr/r_c) below r_c (J. Behler and M. Parrinello, Phys. Rev. Lett. 98,
    146401, 2007), one of the first for each element around, one of the second for each two. No
    rotation, shift or exchange of like atoms changes the set of them.

    Parameters
    ----------
    kinds : sequence of int, length N
        Element of each atom, counted from 0.
    cutoff : float
        r_c.
    radial : int
        Number of r_s, even from 0.3 r_c on.
    """

    ZETA = (1.0, 4.0)
    WIDTHS = (1.0, 4.0)
    """η of the angular functions, over 1/r_c²."""

    def __init__(self, kinds: Sequence[int], cutoff: float, radial: int) -> None:
        super().__init__()
        self.cutoff, self.n_kinds = cutoff, max(kinds) + 1
        onehot = torch.zeros(len(kinds), self.n_kinds, dtype=torch.float64)
        onehot[torch.arange(len(kinds)), torch.tensor(list(kinds))] = 1.0
        self.register_buffer("onehot", onehot)
        centres = torch.linspace(0.3 * cutoff, cutoff, radial + 1, dtype=torch.float64)[:-1]
        self.register_buffer("centres", centres)
        self.eta = 0.5 / float(centres[1] - centres[0]) ** 2
        angular = 2 * len(self.ZETA) * len(self.WIDTHS)
        pairs = self.n_kinds**2
        self.size = self.n_kinds * radial + angular * pairs + self.n_kinds

    def forward(self, x: Tensor) -> Tensor:
        """Of flattened configurations (n, 3N), shape (n, N, size)."""
        onehot, centres = self.get_buffer("onehot"), self.get_buffer("centres")
        n, atoms = len(x), len(onehot)
        p = x.reshape(n, atoms, 3)
        arm = p[:, None, :] - p[:, :, None]
        self_ = torch.eye(atoms, dtype=x.dtype)
        r = torch.sqrt((arm**2).sum(-1) + self_)
        inside = (r < self.cutoff).to(x.dtype) * (1.0 - self_)
        f = 0.5 * (1.0 + torch.cos(math.pi * r / self.cutoff)) * inside
        near = torch.exp(-self.eta * (r[..., None] - centres) ** 2) * f[..., None]
        parts = [torch.einsum("nijs,jk->niks", near, onehot).reshape(n, atoms, -1)]
        unit = arm / r[..., None]
        cosine = torch.einsum("nijc,nikc->nijk", unit, unit)
        different = 1.0 - self_
        for width in self.WIDTHS:
            w = torch.exp(-width * (r / self.cutoff) ** 2) * f
            by_kind = w[..., None] * onehot
            for zeta in self.ZETA:
                for sign in (1.0, -1.0):
                    base = (1.0 + sign * cosine).clamp(min=0.0) * different
                    value = 2.0 ** (1.0 - zeta) * base**zeta
                    both = torch.einsum("nijk,nija,nikb->niab", value, by_kind, by_kind)
                    parts.append(0.5 * both.reshape(n, atoms, -1))
        parts.append(onehot.expand(n, atoms, self.n_kinds))
        return torch.cat(parts, dim=-1)


class Coordinates(nn.Module):
    """The coordinates of a potential as they are, as of one atom."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Of configurations (n, D), shape (n, 1, D)."""
        return x[:, None, :]


STEP = 1e-5
"""Of finite differences, in the unit of the coordinates."""
CHUNK = 128
"""Configurations whose differences are taken at a time."""


def with_jacobian(seen: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Descriptors of configurations (n, D), shape (n, A, F), and ∂/∂x, shape (n, A, F, D).

    By central differences: they only weigh a loss, and take a fifth of the time of derivatives.
    """
    values, slopes = [], []
    with torch.no_grad():
        for part in torch.split(x, CHUNK):
            values.append(seen(part))
            columns = []
            for d in range(x.shape[1]):
                way = torch.zeros_like(part)
                way[:, d] = STEP
                columns.append((seen(part + way) - seen(part - way)) / (2.0 * STEP))
            slopes.append(torch.stack(columns, dim=-1))
    return torch.cat(values), torch.cat(slopes)


class Repulsion(nn.Module):
    """5 (c/r)¹² of each pair: what a net without data there would let through.

    c lies below all distances that were seen, where it is next to nothing.
    """

    def __init__(self, atoms: int) -> None:
        super().__init__()
        i, j = torch.triu_indices(atoms, atoms, offset=1)
        self.register_buffer("i", i)
        self.register_buffer("j", j)
        self.register_buffer("core", torch.zeros((), dtype=torch.float64))

    SHARE = 0.85
    """c over the smallest distance."""

    def distances(self, x: Tensor) -> Tensor:
        """Of all pairs, shape (n, pairs)."""
        p = x.reshape(len(x), -1, 3)
        arm = p[:, self.get_buffer("i")] - p[:, self.get_buffer("j")]
        r: Tensor = torch.linalg.vector_norm(arm, dim=-1)
        return r

    def place(self, x: Tensor) -> None:
        """Set c by configurations that were seen."""
        self.get_buffer("core").fill_(self.SHARE * float(self.distances(x).min()))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n,), in kT."""
        ratio = self.get_buffer("core") / self.distances(x)
        energy: Tensor = 5.0 * (ratio**12).sum(-1)
        return energy
