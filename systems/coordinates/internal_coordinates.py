"""Bond lengths, angles and torsions of a molecule, both ways, with the exact Jacobian.

Where bonds are rigid they are no variables, and the density is that of constrained dynamics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from msgen.systems.base import Array
from msgen.systems.coordinates.z_matrix import ZMatrix
from msgen.systems.errors import SpecError
from msgen.systems.openmm.constraints import RigidBonds


class InternalCoordinates:
    """3N − 6 variables, less rigid bonds: bonds (nm), angles, torsions (rad).

    Meets `msgen.systems.coordinates.representation.Exact`.

    Torsions about bonds are periodic. Relative torsions are stiff: they are given as the
    difference from those of a reference structure and are not periodic, so that a model sees plain
    bell-shaped variables. Mirror images differ in their sign.

    Parameters
    ----------
    topology : mdtraj.Topology
    reference : Array, shape (3N,) or (N, 3)
    rigid : RigidBonds, optional
        Bonds that are constrained: they are no variables, and `log_det` holds their weight.

    Raises
    ------
    SpecError
        Unless the bonds make one molecule of at least three atoms of it, or for a constraint that
        is no bond of it.
    """

    def __init__(self, topology: Any, reference: Array, rigid: RigidBonds | None = None) -> None:
        self.table = ZMatrix.of(topology)
        n = len(self.table.atom)
        self._n = n
        self.rigid = rigid if rigid is not None and len(rigid) else None
        self._length = np.full(n - 1, np.nan)
        if self.rigid is not None:
            self._length = _lengths(self.table, self.rigid)
        self._free = np.flatnonzero(np.isnan(self._length))
        x = torch.as_tensor(np.asarray(reference, dtype=np.float64).reshape(1, n, 3))
        relative = torch.as_tensor(self.table.relative[3:])
        self._offset = torch.where(relative, self.table.measure(x)[2][0], 0.0)

    @property
    def dim(self) -> int:
        """3N − 6, less the rigid bonds."""
        return 2 * self._n - 5 + len(self._free)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Torsions that are not relative."""
        stiff = (False,) * (self._n - 2 + len(self._free))
        return stiff + tuple((~self.table.relative[3:]).tolist())

    def encode(self, positions: Array) -> Array:
        """Internal coordinates of positions, shape (n, 3N) → (n, dim)."""
        x = torch.as_tensor(np.asarray(positions, dtype=np.float64).reshape(-1, self._n, 3))
        bond, angle, torsion = self.table.measure(x)
        turn = torsion - self._offset
        turn = turn - 2 * np.pi * torch.floor((turn + np.pi) / (2 * np.pi))
        return np.asarray(torch.cat([bond[:, self._free], angle, turn], dim=1).numpy())

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """Positions (n, 3N) about the origin, in a random orientation."""
        x = self.standing(torch.as_tensor(np.asarray(y, dtype=np.float64))).numpy()
        x = x - x.mean(axis=1, keepdims=True)
        return np.asarray(np.einsum("nij,nkj->nki", rotations(len(x), rng), x).reshape(len(x), -1))

    def standing(self, y: Tensor) -> Tensor:
        """As `decode`, in the frame of the first three atoms, differentiable; (n, N, 3)."""
        bond, angle, torsion = self._parts(y)
        return self.table.build(bond, angle, torsion + self._offset)

    def log_det(self, y: Array) -> Array:
        r"""ln of the volume of positions per volume of y and of rigid motion, shape (n,).

        .. math:: \ln|∂x/∂(y, t, ω)| = \sum_{i ≥ 1} 2 \ln r_i + \sum_{i ≥ 2} \ln \sin θ_i

        with t a shift and ω a rotation vector of the molecule as a whole; with rigid bonds times
        the weight that constrained dynamics gives them, see `RigidBonds.log_weight`. −inf where no
        molecule has such coordinates (r ≤ 0, or θ outside of (0, π)).
        """
        rows = torch.as_tensor(np.asarray(y, dtype=np.float64))
        bond, angle = (part.numpy() for part in self._parts(rows)[:2])
        with np.errstate(invalid="ignore", divide="ignore"):
            value = 2 * np.log(bond).sum(1) + np.log(np.sin(angle)).sum(1)
        inside = (bond > 0).all(1) & (angle > 0).all(1) & (angle < np.pi).all(1)
        if self.rigid is not None and inside.any():
            structures = self.standing(rows[torch.as_tensor(inside)]).numpy()
            value[inside] += self.rigid.log_weight(structures.reshape(len(structures), -1))
        return np.asarray(np.where(inside, value, -np.inf))

    def _parts(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bonds (n, N−1), rigid ones included, angles (n, N−2) and torsions less their offset."""
        free, n = len(self._free), self._n
        bond = y[:, :free]
        if free < n - 1:
            bond = torch.as_tensor(self._length).expand(len(y), -1).clone()
            bond[:, self._free] = y[:, :free]
        return bond, y[:, free : free + n - 2], y[:, free + n - 2 :]


def _lengths(table: ZMatrix, rigid: RigidBonds) -> Array:
    """Length of each bond of the table that is rigid, shape (N − 1,), NaN of the others."""
    row = {
        frozenset((int(a), int(b))): k
        for k, (a, b) in enumerate(zip(table.atom[1:], table.refs[1:, 0], strict=True))
    }
    out = np.full(len(row), np.nan)
    for (a, b), length in zip(rigid.pairs.tolist(), rigid.lengths, strict=True):
        if frozenset((a, b)) not in row:
            raise SpecError(
                ("system", "constraints"),
                f"between atoms {a} and {b}",
                "is no bond that an atom is placed by, so that internal coordinates cannot hold it",
                "Take constraints: HBonds, or none",
            )
        out[row[frozenset((a, b))]] = length
    return out


def rotations(n: int, rng: np.random.Generator) -> Array:
    """Uniform rotations, shape (n, 3, 3), from normal quaternions."""
    q = rng.standard_normal((n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.asarray(np.array(rows).transpose(2, 0, 1))
