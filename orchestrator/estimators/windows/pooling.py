"""Umbrella windows joined: MBAR on a fine grid of the CVs, errors by influence of units.

The restraints depend on the CVs alone, so that all a sample can say is where its CVs were: MBAR's
equations over samples (Shirts and Chodera, J. Chem. Phys. 129, 124105, 2008) become those over
cells of a fine grid with multiplicities, which are WHAM's (Kumar et al., J. Comput. Chem. 13, 1011,
1992), with the bias taken at the mean of what fell into the cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import logsumexp

from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.windows.cells import solve_cells
from msgen.orchestrator.estimators.windows.window_cells import WindowCells

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Energies = Callable[[Array], Array]
"""Restraint energy of every window in kT: ξ, shape (M, C) → (K, M)."""


@dataclass(frozen=True)
class Pooled:
    """The windows joined.

    Attributes
    ----------
    f : Array, shape (K,)
        Free energies of the windows in kT, the first 0; NaN where a window has no sample.
    points : Array, shape (M, C)
        Cells, by the mean of their samples.
    p : Array, shape (M,)
        Their probabilities without any window; Σ p = 1.
    samples : Array, shape (K,)
        Effective samples of each window.
    """

    f: Array
    points: Array
    p: Array
    samples: Array
    _overlap: Array
    _c: Array
    _w: Array
    _parts: Array
    _rows: Ints

    @property
    def units(self) -> Ints:
        """Numbers of the units that gave samples, those of the rows of `influence`; shape (U,)."""
        return np.unique(self._rows[0])

    def log_probability(self, label: Ints, n: int) -> Array:
        """ln P of n sets of cells, shape (n,); −inf where empty. `label` is −1 for no set."""
        inside = label >= 0
        with np.errstate(divide="ignore"):
            return np.log(np.bincount(label[inside], self.p[inside], minlength=n))

    def influence(self, label: Ints, n: int, *, windows: bool = False) -> Array:
        """First-order effect of each unit's samples on ln P of n sets of cells; see `units`.

        The infinitesimal jackknife (Efron, Biometrika 68, 589, 1981): the effects of all units sum
        to 0, and their squares to the variance. Samples act through the cell that they are in and
        through the free energies of the windows.

        Parameters
        ----------
        label : int array, shape (M,)
            Set of each cell, −1 for none.
        windows : bool
            Whether the effects of a unit's windows are told apart.

        Returns
        -------
        Array, shape (U, n), or (U, K, n)
        """
        inside, k = label >= 0, len(self.samples)
        total = np.bincount(label[inside], self.p[inside], minlength=n)
        kinds, unit = np.unique(self._rows[0], return_inverse=True)
        window, cell = self._rows[1], self._rows[2]
        group = unit.reshape(-1) * k + window if windows else unit.reshape(-1)
        groups = len(kinds) * (k if windows else 1)
        sets = sparse.csr_array(
            (self.p[inside], (label[inside], np.flatnonzero(inside))), shape=(n, len(self.p))
        )
        weight = np.ascontiguousarray(self._w.T)
        ratio = sets @ weight
        shift = np.bincount(group * k + window, self._parts, minlength=groups * k)
        shift = shift.reshape(groups, k)
        s = sparse.csr_array((self._parts, (group, cell)), shape=(groups, len(self.p))) @ weight
        # δf solves the equations of MBAR to first order in what a group adds; see the module
        inverse = np.linalg.pinv(np.eye(k) - self._overlap * self.samples)
        push = self.samples * (inverse @ (self._overlap @ shift.T - s.T)).T + shift
        # p of a cell per unit of its count
        density = self._parts * (self.p / self._c)[cell]
        has = inside[cell]
        own = np.bincount(
            group[has] * n + label[cell[has]], density[has], minlength=groups * n
        ).reshape(groups, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = (own - push @ ratio.T) / total
        everywhere = np.bincount(group, density, minlength=groups) - push @ (self._w @ self.p)
        effect -= everywhere[:, None]
        out: Array = effect.reshape(len(kinds), k, n) if windows else effect
        return out


def pool(record: WindowCells, grid: Grid, energies: Energies, inefficiency: Array) -> Pooled:
    """Solve MBAR over the cells.

    Parameters
    ----------
    record : WindowCells
    grid : Grid
        Of the surface, as in `WindowCells.with_samples`.
    energies : callable
    inefficiency : Array, shape (K,)
        Statistical inefficiency g of each window: N/g samples are independent, and so many count.

    Raises
    ------
    ValueError
        Without samples.
    """
    if not len(record.counts):
        raise ValueError("no samples to join")
    points = record.points(grid)
    parts = record.counts / inefficiency[record.rows[1]]
    return pool_cells(points, energies(points), record.rows, parts)


def pool_cells(points: Array, u: Array, rows: Ints, parts: Array) -> Pooled:
    """Solve MBAR over cells of whatever kind.

    Parameters
    ----------
    points : Array, shape (M, C)
        What the cells are known by.
    u : Array, shape (K, M)
        Bias energy of every window at every cell, kT.
    rows : int array, shape (3, n)
        Unit, window and cell of each entry.
    parts : Array, shape (n,)
        Samples of the entries, as many as are independent.
    """
    counts = sparse.csr_array((parts, (rows[1], rows[2])), shape=u.shape)
    f, log_mixture = solve_cells(u, counts)
    n, c = np.asarray(counts.sum(axis=1)), np.asarray(counts.sum(axis=0))
    log_p = np.log(c) - log_mixture
    p = np.exp(log_p - logsumexp(log_p))
    seen = n > 0
    w = np.exp(f[:, None] - u - log_mixture)
    overlap = (w * c) @ w.T
    known = np.where(seen, f - f[seen][0], np.nan)
    return Pooled(known, points, p, n, overlap, c, w, parts, rows)
