"""Collective variables that no rotation and no exchange of like atoms changes.

Batched torch functions, as those of `torch_cvs`; `radius_of_gyration` and `coordination` there are
invariant as well, the latter where its groups hold all atoms of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from msgen.systems.cvs.torch_cvs import points

Axis = Literal["smallest", "middle", "largest"]
AXES: tuple[Axis, ...] = ("smallest", "middle", "largest")

_FLOOR = 1e-16
"""Below which a square counts as this: a root of nothing has no gradient."""


@dataclass(frozen=True, eq=False)
class PrincipalRadius:
    """Root of an eigenvalue of the gyration tensor, nm.

    .. math:: S = \\frac{\\sum_i m_i (x_i - \\bar x)(x_i - \\bar x)^T}{\\sum_i m_i}, \\quad
        R_k = \\sqrt{λ_k(S)}, \\quad \\sum_k R_k^2 = R_g^2

    (D. N. Theodorou and U. W. Suter, Macromolecules 18, 1206, 1985). The smallest is 0 of what is
    planar.

    Attributes
    ----------
    atoms : tuple of int
    masses : tuple of float
        One for each of them.
    axis : {'smallest', 'middle', 'largest'}
        Which eigenvalue.
    """

    name: str
    atoms: tuple[int, ...]
    masses: tuple[float, ...]
    axis: Axis = "smallest"
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="nm", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        p = points(x, self.atoms)
        w = torch.as_tensor(self.masses, dtype=p.dtype)
        w = w / w.sum()
        d = p - torch.einsum("a,nai->ni", w, p)[:, None]
        tensor = torch.einsum("a,nai,naj->nij", w, d, d)
        finite = torch.isfinite(tensor).all(-1).all(-1)
        # eigvalsh raises on NaN; the NaN of the trace reaches the result all the same
        safe = torch.where(finite[:, None, None], tensor, torch.eye(3).to(tensor))
        value = torch.linalg.eigvalsh(safe)[:, AXES.index(self.axis)]
        nothing = 0.0 * tensor.diagonal(dim1=1, dim2=2).sum(-1)
        return torch.sqrt(torch.clamp(value, min=_FLOOR)) + nothing


@dataclass(frozen=True, eq=False)
class SortedDistance:
    """The k-th shortest of all distances between some atoms, nm.

    Continuous; where two distances cross, its gradient changes from the one to the other.

    Attributes
    ----------
    pairs : tuple of (int, int)
    rank : int
        1 is the shortest.
    """

    name: str
    pairs: tuple[tuple[int, int], ...]
    rank: int = 1
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="nm", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return torch.sort(_distances(x, self.pairs)[1], dim=-1).values[:, self.rank - 1]


@dataclass(frozen=True, eq=False)
class Steinhardt:
    """The global bond-orientational order Q_l, in [0, 1].

    .. math:: Q_l^2 = \\frac{4π}{2l+1} \\sum_m \\Big| \\frac{\\sum_b w_b Y_{lm}(\\hat b)}
        {\\sum_b w_b} \\Big|^2
        = \\frac{\\sum_{bc} w_b w_c P_l(\\hat b·\\hat c)}{(\\sum_b w_b)^2}, \\quad
        w_b = \\frac{1}{1 + (r_b/r_0)^{12}}

    over bonds b, of which each pair of atoms is one as far as it is short (P. J. Steinhardt, D. R.
    Nelson and M. Ronchetti, Phys. Rev. B 28, 784, 1983); the second form is the addition theorem.
    A bond has no direction, so that l is even.

    Attributes
    ----------
    pairs : tuple of (int, int)
    r0 : float
        nm.
    degree : int
        l.
    """

    name: str
    pairs: tuple[tuple[int, int], ...]
    r0: float
    degree: int = 6
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    @cached_property
    def _coefficients(self) -> tuple[float, ...]:
        """Of P_l, the lowest power first."""
        legendre = np.polynomial.legendre.Legendre.basis(self.degree)
        return tuple(legendre.convert(kind=np.polynomial.Polynomial).coef.tolist())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        arm, r = _distances(x, self.pairs)
        w = 1.0 / (1.0 + (r / self.r0) ** 12)
        unit = arm / r[..., None]
        square = torch.einsum("nbi,nci->nbc", unit, unit) ** 2
        # even powers only
        value = torch.zeros_like(square)
        for coefficient in reversed(self._coefficients[::2]):
            value = value * square + coefficient
        q2 = torch.einsum("nb,nbc,nc->n", w, value, w) / w.sum(-1) ** 2
        return torch.sqrt(torch.clamp(q2, min=_FLOOR))


def _distances(
    x: torch.Tensor, pairs: tuple[tuple[int, int], ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """From one atom of each pair to the other, shape (n, pairs, 3), and how far that is."""
    p = x.reshape(x.shape[0], -1, 3)
    i, j = zip(*pairs, strict=True)
    arm = p[:, list(i)] - p[:, list(j)]
    return arm, torch.linalg.vector_norm(arm, dim=-1)
