"""Distance, angle and torsion of the centres of mass of groups, with periodic images.

A group lies in one molecule, which is kept whole, so its centre is that of its atoms as they stand;
vectors between centres are those to the nearest image. A single atom is a group, too: this is how
atoms of different molecules are looked at in a box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from msgen.systems.base import Array
from msgen.systems.cvs.images import nearest
from msgen.systems.cvs.torch_cvs import bend, points, torsion


@dataclass(frozen=True)
class Group:
    """Atoms and what each weighs in their centre; weights of any unit, none negative."""

    atoms: tuple[int, ...]
    weights: tuple[float, ...]

    def centre(self, x: torch.Tensor) -> torch.Tensor:
        """Σ w x / Σ w, shape (n, 3), of configurations (n, D)."""
        p = points(x, self.atoms)
        w = torch.as_tensor(self.weights, dtype=p.dtype)
        return torch.einsum("a,nai->ni", w / w.sum(), p)


@dataclass(frozen=True, eq=False)
class Centroids:
    """Two, three or four groups, and the vectors from each to the next.

    Attributes
    ----------
    groups : tuple of Group
    box : Array, shape (3, 3), or None
        Rows a, b, c, nm; None where no images are taken.
    """

    name: str
    groups: tuple[Group, ...]
    box: Array | None = None

    def _steps(self, x: torch.Tensor) -> list[torch.Tensor]:
        at = [group.centre(x) for group in self.groups]
        return [nearest(b - a, self.box) for a, b in pairwise(at)]


@dataclass(frozen=True, eq=False)
class CentroidDistance(Centroids):
    """Distance of two centres, nm."""

    periodic: bool = field(default=False, init=False)
    unit: str = field(default="nm", init=False)

    @property
    def reach(self) -> float:
        """Half of the box's least width, nm: beyond it another image may be as near."""
        return math.inf if self.box is None else 0.5 * float(self.box.diagonal().min())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        (d,) = self._steps(x)
        length: torch.Tensor = torch.linalg.vector_norm(d, dim=-1)
        return length


@dataclass(frozen=True, eq=False)
class CentroidAngle(Centroids):
    """Angle at the middle one of three centres, in [0, π]."""

    periodic: bool = field(default=False, init=False)
    unit: str = field(default="rad", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        a, b = self._steps(x)
        return bend(-a, b)


@dataclass(frozen=True, eq=False)
class CentroidDihedral(Centroids):
    """Torsion of four centres, in [−π, π), IUPAC sign."""

    periodic: bool = field(default=True, init=False)
    unit: str = field(default="rad", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return torsion(*self._steps(x))
