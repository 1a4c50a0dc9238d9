"""Coordinates of atoms that no bond joins: positions about their centre."""

from __future__ import annotations

import numpy as np

from msgen.systems.base import Array


class Centred:
    """Positions less their centre, for what nothing holds in place; meets `Exact`.

    3N numbers in the 3(N − 1) dimensions where they sum to zero: a density of them is one per
    volume of that space. How the atoms lie is part of it.

    Parameters
    ----------
    n_atoms : int
    """

    def __init__(self, n_atoms: int) -> None:
        self.n_atoms = n_atoms

    @property
    def dim(self) -> int:
        """3N."""
        return 3 * self.n_atoms

    @property
    def periodic(self) -> tuple[bool, ...]:
        """None is."""
        return (False,) * self.dim

    def encode(self, positions: Array) -> Array:
        """Shape (n, 3N) → (n, 3N)."""
        x = np.asarray(positions, dtype=np.float64).reshape(-1, self.n_atoms, 3)
        return np.asarray((x - x.mean(axis=1, keepdims=True)).reshape(len(x), self.dim))

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """About the origin, as they lie."""
        return self.encode(y)

    def log_det(self, y: Array) -> Array:
        """0."""
        return np.zeros(len(y))

    def adrift(self, y: Array, rng: np.random.Generator) -> Array:
        """With centres as wide as all else is, for a model that fits 3N free numbers, (n, 3N)."""
        width = float(np.sqrt(np.mean(np.square(y)) / self.n_atoms))
        shift = width * rng.standard_normal((len(y), 1, 3))
        return np.asarray((y.reshape(-1, self.n_atoms, 3) + shift).reshape(len(y), self.dim))
