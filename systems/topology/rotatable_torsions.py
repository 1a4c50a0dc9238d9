"""What may stay hidden while CVs move: the torsions about bonds that are free to turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.topology.labels import atom_labels
from msgen.systems.topology.rings import in_small_ring, neighbours

MOST = 64
"""Torsions that are watched; of a large molecule the first ones."""


def free_torsions(topology: Any) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """One torsion for every bond between heavy atoms that both have another heavy neighbour.

    Bonds of rings are among them; solvent has none.

    Parameters
    ----------
    topology : mdtraj.Topology
        With bonds.

    Returns
    -------
    names : tuple of str
        As «torsion ACE1:C-ALA2:N».
    atoms : int array, shape (T, 4)
    """
    labels = atom_labels(topology)
    atoms = _torsions(topology)[:MOST]
    names = tuple("torsion " + "-".join(labels[a] for a in one[1:3]) for one in atoms)
    return names, np.array(atoms, dtype=np.intp).reshape(-1, 4)


def torsions_outside_rings(topology: Any) -> list[tuple[int, int, int, int]]:
    """Those of `free_torsions`, of any number, about bonds that no small ring holds."""
    near = neighbours(topology)
    return [t for t in _torsions(topology) if not in_small_ring(near, t[1], t[2])]


def _torsions(topology: Any) -> list[tuple[int, int, int, int]]:
    near: dict[int, list[int]] = {}
    heavy = [a.element is not None and a.element.symbol != "H" for a in topology.atoms]
    bonds = sorted({(min(a.index, b.index), max(a.index, b.index)) for a, b in topology.bonds})
    for i, j in bonds:
        if heavy[i] and heavy[j]:
            near.setdefault(i, []).append(j)
            near.setdefault(j, []).append(i)
    found = []
    for i, j in bonds:
        left = [a for a in near.get(i, []) if a != j]
        right = [a for a in near.get(j, []) if a != i]
        if heavy[i] and heavy[j] and left and right:
            found.append((min(left), i, j, min(right)))
    return found


def torsion_angles(positions: Array, atoms: NDArray[np.intp]) -> Array:
    """Torsions in (−π, π], shape (n, 3N) → (n, T); IUPAC sign."""
    x = positions.reshape(len(positions), -1, 3)
    b1, b2, b3 = (x[:, atoms[:, k + 1]] - x[:, atoms[:, k]] for k in range(3))
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    axis = b2 / np.linalg.norm(b2, axis=2, keepdims=True)
    return np.asarray(np.arctan2((np.cross(n1, n2) * axis).sum(axis=2), (n1 * n2).sum(axis=2)))


def handedness(positions: Array, centres: NDArray[np.intp]) -> Array:
    """Signed volume at chiral centres over that of a right corner, shape (n, 3N) → (n, M).

    About ±0.7 for a tetrahedron; 0 is flat.
    """
    x = positions.reshape(len(positions), -1, 3)
    arms = [x[:, centres[:, k]] - x[:, centres[:, 0]] for k in (1, 2, 3)]
    arms = [a / np.linalg.norm(a, axis=2, keepdims=True) for a in arms]
    return np.asarray((np.cross(arms[0], arms[1]) * arms[2]).sum(axis=2))
