"""Sums over pairs of atoms of functions that fall with their distance, with periodic images."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from msgen.systems.base import Array
from msgen.systems.cvs.images import nearest

Pair = tuple[int, int]


def distances(x: torch.Tensor, pairs: tuple[Pair, ...], box: Array | None) -> torch.Tensor:
    """Distances of some pairs, shape (n, pairs), nm; to the nearest image where there is a box."""
    p = x.reshape(x.shape[0], -1, 3)
    i, j = zip(*pairs, strict=True)
    length: torch.Tensor = torch.linalg.vector_norm(
        nearest(p[:, list(i)] - p[:, list(j)], box), dim=-1
    )
    return length


def rational(q: torch.Tensor, n: int, m: int) -> torch.Tensor:
    """(1 − qⁿ)/(1 − qᵐ), as Σ_{k<n} qᵏ / Σ_{k<m} qᵏ, which has no 0/0 at q = 1."""
    if m == 2 * n:
        return 1 / (1 + q**n)
    top = sum((q**k for k in range(1, n)), torch.ones_like(q))
    bottom = sum((q**k for k in range(1, m)), torch.ones_like(q))
    return top / bottom


@dataclass(frozen=True, eq=False)
class Coordination:
    """Coordination number Σ_ij (1 − (r_ij/r₀)ⁿ) / (1 − (r_ij/r₀)ᵐ) over pairs of two groups.

    Pairs of an atom with itself are left out.

    Attributes
    ----------
    pairs : tuple of (int, int)
    r0 : float
        nm.
    n, m : int
    box : Array, shape (3, 3), or None
        Rows a, b, c, nm; None where no images are taken.
    """

    name: str
    pairs: tuple[Pair, ...]
    r0: float
    n: int = 6
    m: int = 12
    box: Array | None = None
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return rational(distances(x, self.pairs, self.box) / self.r0, self.n, self.m).sum(-1)


@dataclass(frozen=True, eq=False)
class ContactMap:
    """Σ_c w_c (1 − (r_c/r0_c)ⁿ) / (1 − (r_c/r0_c)ᵐ) over named contacts, PLUMED's CONTACTMAP SUM.

    Attributes
    ----------
    pairs : tuple of (int, int)
    r0 : tuple of float
        nm, of each pair.
    weights : tuple of float
    n, m : int
    box : Array, shape (3, 3), or None
        As of `Coordination`.
    """

    name: str
    pairs: tuple[Pair, ...]
    r0: tuple[float, ...]
    weights: tuple[float, ...]
    n: int = 6
    m: int = 12
    box: Array | None = None
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        r = distances(x, self.pairs, self.box)
        q = r / torch.as_tensor(self.r0, dtype=r.dtype)
        return rational(q, self.n, self.m) @ torch.as_tensor(self.weights, dtype=r.dtype)


@dataclass(frozen=True, eq=False)
class NativeContacts:
    """The share of native contacts that are formed, in [0, 1].

    .. math:: Q = \\frac{1}{N} \\sum_{c=1}^N \\frac{1}{1 + e^{\\beta (r_c - \\lambda r_c^0)}}

    (R. B. Best, G. Hummer and W. A. Eaton, Proc. Natl. Acad. Sci. 110, 17874 (2013), eq. 1).

    Attributes
    ----------
    pairs : tuple of (int, int)
    native : tuple of float
        r⁰ of each pair, nm.
    steepness : float
        β, 1/nm.
    tolerance : float
        λ.
    box : Array, shape (3, 3), or None
        As of `Coordination`.
    """

    name: str
    pairs: tuple[Pair, ...]
    native: tuple[float, ...]
    steepness: float = 50.0
    tolerance: float = 1.8
    box: Array | None = None
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        r = distances(x, self.pairs, self.box)
        off = r - self.tolerance * torch.as_tensor(self.native, dtype=r.dtype)
        return torch.sigmoid(-self.steepness * off).mean(-1)
