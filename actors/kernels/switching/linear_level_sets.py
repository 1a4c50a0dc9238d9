"""CVs that are linear in the coordinates, and the planes on which they are constant."""

from __future__ import annotations

import numpy as np

from msgen.actors.kernels.base import Mask
from msgen.systems.base import CV, Array
from msgen.systems.cvs.collective import MeanCoordinate
from msgen.systems.cvs.torch_cvs import Coordinate, LinearCombination
from msgen.systems.potentials.linear_transform import LinearForm


class Planes:
    """CVs that are linear in the coordinates, ξ = A x + b: no step can fail.

    Parameters
    ----------
    rows : Array, shape (C, D)
        A, of full rank.
    offset : Array, shape (C,)
        b.
    masses : Array, shape (D,)
        0 for what never moves.
    """

    linear = True
    movable = True

    def __init__(self, rows: Array, offset: Array, masses: Array) -> None:
        self._rows, self._offset = rows, offset
        weighted = rows * inverse_masses(masses)
        self._lift = np.linalg.solve(rows @ weighted.T, weighted)

    def value(self, x: Array) -> Array:
        """See `level_sets.LevelSets`."""
        return np.asarray(x @ self._rows.T + self._offset)

    def tangent(self, x: Array, v: Array) -> Array:
        """See `level_sets.LevelSets`."""
        return np.asarray(v - (v @ self._rows.T) @ self._lift)

    def drift(self, old: Array, trial: Array, lam: Array) -> tuple[Array, Mask]:
        """See `level_sets.LevelSets`."""
        new = trial + (lam - self.value(trial)) @ self._lift
        return new, np.ones(len(new), dtype=bool)

    def returns(self, old: Array, trial: Array, new: Array, lam: Array) -> Mask:
        """See `level_sets.LevelSets`."""
        return np.ones(len(old), dtype=bool)

    def displaced(self, x: Array, lam: Array) -> tuple[Array, Array]:
        """See `level_sets.LevelSets`: a shift, of volume 1."""
        return self.drift(x, x, lam)[0], np.zeros(len(x))

    def log_gram(self, x: Array) -> Array:
        """See `level_sets.LevelSets`."""
        return np.zeros(len(x))


def inverse_masses(masses: Array) -> Array:
    """1/m, and 0 for what never moves; shape (D,)."""
    return np.divide(1.0, masses, out=np.zeros_like(masses), where=masses > 0)


def linear_row(cv: CV, n_dof: int) -> tuple[Array, float] | None:
    """(a, b) of ξ = a·x + b, shape (D,); None for a CV that is not linear."""
    row = np.zeros(n_dof)
    if isinstance(cv, Coordinate):
        row[cv.index] = 1.0
        return row, 0.0
    if isinstance(cv, MeanCoordinate):
        index = np.arange(n_dof) if cv.indices is None else np.array(cv.indices)
        row[index] = cv.scale / len(index)
        return row, 0.0
    if isinstance(cv, LinearForm):
        return cv.weights, cv.offset
    if isinstance(cv, LinearCombination):
        offset = cv.offset
        for factor, part in zip(cv.coefficients, cv.components, strict=True):
            inner = linear_row(part, n_dof)
            if inner is None:
                return None
            row, offset = row + factor * inner[0], offset + factor * inner[1]
        return row, offset
    return None
