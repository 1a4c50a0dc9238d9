"""Collective variables as batched, differentiable torch functions.

Each takes flattened configurations (n, D) in nm and returns (n,) in float64. The same quantities
as OpenMM forces are in `openmm_forces`; the two agree to 1e-5. None here applies the minimum image:
the atoms of a CV belong to one molecule, which the engine keeps whole. Those of several molecules
of a box are in `centroids` and `contacts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from msgen.systems.base import CV, Array, CVSet

TWO_PI = 2.0 * math.pi


def points(x: torch.Tensor, atoms: tuple[int, ...]) -> torch.Tensor:
    """Coordinates of `atoms`, shape (n, len(atoms), 3)."""
    return x.reshape(x.shape[0], -1, 3)[:, list(atoms)]


def _norm(v: torch.Tensor) -> torch.Tensor:
    length: torch.Tensor = torch.linalg.vector_norm(v, dim=-1)
    return length


def torsion(b1: torch.Tensor, b2: torch.Tensor, b3: torch.Tensor) -> torch.Tensor:
    """The angle about b2 of three vectors from end to end, each (n, 3), in [−π, π), IUPAC sign."""
    m, n = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    return wrap(torch.atan2(_norm(b2) * (b1 * n).sum(-1), (m * n).sum(-1)))


def bend(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The angle between two vectors, each (n, 3), in [0, π]."""
    # atan2 keeps its digits near 0 and π where acos does not
    return torch.atan2(_norm(torch.linalg.cross(a, b)), (a * b).sum(-1))


def wrap(angle: torch.Tensor) -> torch.Tensor:
    """An angle brought to [−π, π)."""
    return angle - TWO_PI * torch.floor((angle + math.pi) / TWO_PI)


@dataclass(frozen=True, eq=False)
class Dihedral:
    """Torsion about the bond between the two middle atoms, in [−π, π), IUPAC sign."""

    name: str
    atoms: tuple[int, int, int, int]
    periodic: bool = field(default=True, init=False)
    unit: str = field(default="rad", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        p = points(x, self.atoms)
        return torsion(p[:, 1] - p[:, 0], p[:, 2] - p[:, 1], p[:, 3] - p[:, 2])


@dataclass(frozen=True, eq=False)
class Angle:
    """Angle at the middle atom, in [0, π]."""

    name: str
    atoms: tuple[int, int, int]
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="rad", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        p = points(x, self.atoms)
        return bend(p[:, 0] - p[:, 1], p[:, 2] - p[:, 1])


@dataclass(frozen=True, eq=False)
class Distance:
    """Distance of two atoms, nm."""

    name: str
    atoms: tuple[int, int]
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="nm", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        p = points(x, self.atoms)
        return _norm(p[:, 1] - p[:, 0])


@dataclass(frozen=True, eq=False)
class RadiusOfGyration:
    """Mass-weighted radius of gyration, R² = Σ m |x − x_com|² / Σ m, nm."""

    name: str
    atoms: tuple[int, ...]
    masses: tuple[float, ...]
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="nm", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        p = points(x, self.atoms)
        w = torch.as_tensor(self.masses, dtype=p.dtype)
        w = w / w.sum()
        d = p - torch.einsum("a,nai->ni", w, p)[:, None]
        return torch.sqrt(torch.einsum("a,nai->n", w, d**2))


@dataclass(frozen=True, eq=False)
class LinearCombination:
    """Σ_k c_k ξ_k + offset.

    Periodic, and wrapped to [−π, π), when every component is (its coefficients are then whole
    numbers, or the combination would jump where a component wraps).
    """

    name: str
    components: tuple[CV, ...]
    coefficients: tuple[float, ...]
    offset: float = 0.0

    @property
    def periodic(self) -> bool:
        """Whether the combination is an angle."""
        return all(c.periodic for c in self.components)

    @property
    def unit(self) -> str:
        """The components' unit if they share one, else '1'."""
        units = {c.unit for c in self.components}
        return units.pop() if len(units) == 1 else "1"

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        total = torch.full((x.shape[0],), self.offset, dtype=x.dtype)
        for c, cv in zip(self.coefficients, self.components, strict=True):
            total = total + c * cv(x)
        return wrap(total) if self.periodic else total


@dataclass(frozen=True, eq=False)
class Coordinate:
    """One coordinate of an analytic system."""

    name: str
    index: int
    periodic: bool = False
    unit: str = "1"

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return wrap(x[:, self.index]) if self.periodic else x[:, self.index]

    def values(self, positions: Array) -> Array:
        """ξ(x), shape (n,)."""
        x = positions[:, self.index]
        # as `wrap`
        return x - TWO_PI * np.floor((x + math.pi) / TWO_PI) if self.periodic else x

    def gradient(self, n_dof: int) -> Array:
        """∂ξ/∂x, shape (n_dof,), the same everywhere."""
        out = np.zeros(n_dof)
        out[self.index] = 1.0
        return out


def coordinate_angles(cvs: CVSet, n_dof: int) -> NDArray[np.bool_]:
    """Which coordinates of a configuration the CVs know as angles, shape (n_dof,)."""
    parts = [p for cv in cvs.cvs for p in getattr(cv, "components", (cv,))]
    out = np.zeros(n_dof, dtype=bool)
    out[[p.index for p in parts if isinstance(p, Coordinate) and p.periodic]] = True
    return out


@dataclass(frozen=True, eq=False)
class PythonCV:
    """A user's own torch function (n, D) → (n,).

    Attributes
    ----------
    atoms : tuple of int, optional
        Whose coordinates the function is given, in this order, D = 3 × their number; by default
        it is given all.
    """

    name: str
    function: Callable[[torch.Tensor], torch.Tensor]
    periodic: bool = False
    unit: str = "1"
    atoms: tuple[int, ...] | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        seen = x if self.atoms is None else points(x, self.atoms).reshape(x.shape[0], -1)
        value = self.function(seen)
        return wrap(value) if self.periodic else value
