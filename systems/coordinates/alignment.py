"""Cartesian coordinates of a molecule laid on a reference structure."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.coordinates.internal_coordinates import rotations
from msgen.systems.coordinates.z_matrix import ZMatrix, attach


def superposed(x: Array, reference: Array, by: NDArray[np.intp] | None = None) -> Array:
    """Each structure moved as a rigid body to lie on the reference with least RMSD.

    (W. Kabsch, Acta Cryst. A 32, 922 (1976).) Mirror images are not taken for one another.

    Parameters
    ----------
    x : Array, shape (n, N, 3)
    reference : Array, shape (N, 3), or (n, N, 3) with one for each
    by : int array, or None
        Atoms that count, equally; None for all.
    """
    atoms = np.arange(x.shape[1]) if by is None else by
    target = np.broadcast_to(reference, x.shape)[:, atoms]
    target = target - target.mean(axis=1, keepdims=True)
    centred = x - x[:, atoms].mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("nai,naj->nij", centred[:, atoms], target))
    proper = np.ones((len(x), 3))
    proper[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    turn = np.einsum("nik,nk,nkj->nij", u, proper, vt)
    return np.asarray(np.einsum("nai,nij->naj", centred, turn))


class Aligned:
    """Positions superposed on the reference, of all atoms or of the heavy ones.

    Meets `Representation`. Of heavy atoms only, decoding puts the hydrogens back at the bond
    lengths, angles and torsions that they have in the reference, methyl groups turned as there.

    A model in these coordinates has six directions (a rigid motion) along which the data have no
    width: it can be sampled, but its density is not one of configurations.

    Parameters
    ----------
    topology : mdtraj.Topology
    reference : Array, shape (3N,) or (N, 3)
    atoms : {'all', 'heavy'}
    """

    def __init__(
        self, topology: Any, reference: Array, atoms: Literal["all", "heavy"] = "all"
    ) -> None:
        self._reference = np.asarray(reference, dtype=np.float64).reshape(-1, 3)
        n = len(self._reference)
        heavy = [a.index for a in topology.atoms if a.element is not None and a.element.number > 1]
        self._atoms = np.array(range(n) if atoms == "all" else heavy, dtype=np.intp)
        self._heavy = np.array(heavy, dtype=np.intp)
        self._table = ZMatrix.of(topology) if atoms == "heavy" else None
        if self._table is not None:
            shape = self._table.measure(torch.as_tensor(self._reference[None]))
            self._bond, self._angle, self._torsion = (v[0] for v in shape)

    @property
    def dim(self) -> int:
        """Three times the atoms."""
        return 3 * len(self._atoms)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """None is."""
        return (False,) * self.dim

    def encode(self, positions: Array) -> Array:
        """Positions (n, 3N) → those of the atoms, superposed by the heavy ones, (n, dim)."""
        x = np.asarray(positions, dtype=np.float64).reshape(len(positions), -1, 3)
        laid = superposed(x, self._reference, self._heavy)
        return laid[:, self._atoms].reshape(len(x), -1)

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """Positions (n, 3N) about the origin, in a random orientation."""
        known = np.asarray(y, dtype=np.float64).reshape(len(y), -1, 3)
        x = known if self._table is None else self._completed(known, self._table)
        x = x - x.mean(axis=1, keepdims=True)
        return np.asarray(np.einsum("nij,nkj->nki", rotations(len(x), rng), x).reshape(len(x), -1))

    def _completed(self, heavy: Array, table: ZMatrix) -> Array:
        """Hydrogens put on heavy atoms (n, H, 3), in the order of the table; (n, N, 3)."""
        x = torch.full((len(heavy), len(self._reference), 3), torch.nan, dtype=torch.float64)
        x[:, self._heavy] = torch.as_tensor(heavy)
        known = set(self._heavy.tolist())
        for k, i in enumerate(table.atom.tolist()):
            if i not in known:
                a, b, c = (x[:, [r]] for r in table.refs[k].tolist())
                own = (self._bond[[k - 1]], self._angle[[k - 2]], self._torsion[[k - 3]])
                x[:, i] = attach(a, b, c, *(v.expand(len(x), 1) for v in own))[:, 0]
        return np.asarray(x.numpy())
