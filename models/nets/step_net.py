"""The message-passing net of a step: noise of a displacement, given the structure it begins at.

Nodes are atoms: their type and the diffusion time. Edges join atoms that are near in the structure
at the beginning and know the bond vector there and after the noisy displacement.
Source: Hsu, Sadigh, Bulatov and Zhou, Score dynamics (2024), with the net of Pfaff et al., Learning
mesh-based simulation with graph networks (2021), whose MLPs have two hidden layers here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Atoms(NamedTuple):
    """Structures that steps begin at, those of smaller molecules filled up.

    Attributes
    ----------
    base : Tensor, shape (n, N, 3)
        Å.
    species : int Tensor, shape (n, N)
    real : bool Tensor, shape (n, N)
        False for what fills up.
    about : Tensor, shape (n, k), or None
        Conditions, standardised.
    earlier : Tensor, shape (n, p, N, 3), or None
        Structures before `base`, the nearest first, Å.
    """

    base: Tensor
    species: Tensor
    real: Tensor
    about: Tensor | None
    earlier: Tensor | None = None


def turned(atoms: Atoms, turn: Tensor) -> Atoms:
    """The structures of each row turned, by (n, 3, 3)."""
    past = None if atoms.earlier is None else atoms.earlier @ turn[:, None]
    return atoms._replace(base=atoms.base @ turn, earlier=past)


class StepNet(nn.Module):
    """ε of a noisy displacement.

    Parameters
    ----------
    species, conditions : int
        How many there are.
    width, layers : int
    cutoff : float
        Å.
    equivariant : bool
        Edges know lengths and the angle between their two vectors instead of the vectors, and ε is
        a sum over edges of those vectors, each times a number: it turns with the structure. By
        default the net has to learn that.
    earlier : int
        Structures before that at the beginning which an edge has a vector in as well.
    """

    frequencies: Tensor

    def __init__(
        self,
        species: int,
        conditions: int,
        width: int,
        layers: int,
        cutoff: float,
        *,
        equivariant: bool = False,
        earlier: int = 0,
    ) -> None:
        super().__init__()
        self.species, self.cutoff, self.equivariant = species, cutoff, equivariant
        self.register_buffer("frequencies", torch.randn(width // 2))
        self.atom = _normed(species, width, width)
        self.time = _normed(width, width, width)
        self.about = _normed(conditions, width, width) if conditions else None
        # an earlier vector: with its length and products with the two, or with its length
        self.edge = _normed(3 + 3 * earlier if equivariant else 8 + 4 * earlier, width, width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(layers))
        pushes = 2 + earlier
        self.decode = _mlp(3 * width, width, pushes) if equivariant else _mlp(width, width, 3)

    def forward(self, x: Tensor, atoms: Atoms, time: Tensor) -> Tensor:
        """ε, shape (n, N, 3), without a mean over the atoms of each structure.

        Parameters
        ----------
        x : Tensor, shape (n, N, 3)
            Noisy displacement, Å.
        atoms : Atoms
        time : Tensor, shape (n,)
            Of diffusion, in [0, 1].
        """
        n, most = atoms.species.shape
        at, of = near(atoms.base, atoms.real, self.cutoff)
        before, moved = (v.reshape(-1, 3) for v in (atoms.base, x))
        bond = before[of] - before[at]
        after = bond + moved[of] - moved[at]
        old = []
        if atoms.earlier is not None:
            flat = (x.reshape(-1, 3) for x in atoms.earlier.unbind(dim=1))
            old = [x[of] - x[at] for x in flat]
        kinds = nn.functional.one_hot(atoms.species, self.species).to(x)
        per_row = self.time(self.waves(time))
        if self.about is not None:
            per_row = per_row + self.about(atoms.about)
        node = (self.atom(kinds) + per_row[:, None]).reshape(n * most, -1)
        edge = self.edge(self._seen(bond, after, old))
        for layer in self.layers:
            node, edge = layer(node, edge, at, of)
        if self.equivariant:
            push = self.decode(torch.cat((node[at], node[of], edge), dim=1))
            force = push[:, :1] * bond + push[:, 1:2] * after
            for k, vector in enumerate(old, 2):
                force = force + push[:, k : k + 1] * vector
            made = torch.zeros_like(moved).index_add(0, at, force)
        else:
            made = self.decode(node)
        return centred(made.reshape(n, most, 3), atoms.real)

    def waves(self, time: Tensor) -> Tensor:
        """Gaussian Fourier features of the diffusion time, shape (n, width)."""
        phase = 2 * math.pi * time[:, None] * self.frequencies
        return torch.cat((torch.cos(phase), torch.sin(phase)), dim=1)

    def _seen(self, bond: Tensor, after: Tensor, old: Sequence[Tensor]) -> Tensor:
        lengths = [torch.linalg.norm(v, dim=1, keepdim=True) for v in (bond, after, *old)]
        if self.equivariant:
            pairs = [(bond, after), *((v, w) for v in old for w in (bond, after))]
            return torch.cat((*lengths, *(_product(v, w) for v, w in pairs)), dim=1)
        parts = [p for v, length in zip((bond, after, *old), lengths, strict=True)
                 for p in (v, length)]  # fmt: skip
        return torch.cat(parts, dim=1)


class _Layer(nn.Module):
    """Edges hear of their atoms, atoms of their edges; what they were is added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.edge = _normed(3 * width, width, width, width)
        self.node = _normed(2 * width, width, width, width)

    def forward(self, node: Tensor, edge: Tensor, at: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        edge = edge + self.edge(torch.cat((node[at], node[of], edge), dim=1))
        heard = torch.zeros_like(node).index_add(0, at, edge)
        return node + self.node(torch.cat((node, heard), dim=1)), edge


def _product(v: Tensor, w: Tensor) -> Tensor:
    return (v * w).sum(dim=1, keepdim=True)


def near(base: Tensor, real: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Ordered pairs of different atoms of one structure within the cutoff, by their flat number.

    Parameters
    ----------
    base : Tensor, shape (n, N, 3)
    real : bool Tensor, shape (n, N)

    Returns
    -------
    at, of : int Tensor, shape (n_edges,)
        Where a message goes, and where it comes from.
    """
    most = base.shape[1]
    gap = base[:, :, None] - base[:, None]
    close = (gap * gap).sum(dim=-1) < cutoff**2
    other = ~torch.eye(most, dtype=torch.bool, device=base.device)
    row, at, of = (close & real[:, :, None] & real[:, None] & other).nonzero(as_tuple=True)
    return row * most + at, row * most + of


def centred(x: Tensor, real: Tensor) -> Tensor:
    """Vectors (n, N, 3) without their mean over the real atoms; 0 where there are none."""
    weight = real[..., None].to(x)
    mean = (x * weight).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True)
    return (x - mean) * weight


def _mlp(*widths: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*parts[:-1])


def _normed(*widths: int) -> nn.Sequential:
    return nn.Sequential(_mlp(*widths), nn.LayerNorm(widths[-1]))


def padded(rows: Sequence[Tensor], most: int) -> Tensor:
    """Tensors of shapes (N_i, …) filled up with zeros, shape (n, most, …)."""
    out = rows[0].new_zeros(len(rows), most, *rows[0].shape[1:])
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
