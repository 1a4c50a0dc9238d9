"""Umbrella windows joined: MBAR on a fine grid of the CVs, errors by influence of units.

The restraints depend on the CVs alone, so that all a sample can say is where its CVs were: MBAR's
equations over samples (Shirts and Chodera, J. Chem. Phys. 129, 124105, 2008) become those over
cells of a fine grid with multiplicities, which are WHAM's (Kumar et al., J. Comput. Chem. 13, 1011,
1992), with the bias taken at the mean of what fell into the cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.actors.base import Tree
from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.histogram import Grid

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Energies = Callable[[Array], Array]
"""Restraint energy of every window in kT: ξ, shape (M, C) → (K, M)."""

SUBDIVISION = {1: 8, 2: 3}
"""Cells in a bin of the surface along each CV, by the number of CVs; 2 for more."""
_TOLERANCE = 1e-10
_MOST_STEPS = 200


@dataclass
class Record:
    """How often the walkers of each window and unit were found in each cell; additive.

    A unit is what counts as independent: a ladder of walkers during a stretch of time.

    Attributes
    ----------
    cells : int array, shape (M, C)
        Cells ever visited, by their index along each CV; unbounded along CVs that are not periodic.
    inside : Array, shape (M, C)
        Σ of (ξ − lower corner) over the samples of a cell.
    rows : int array, shape (3, n)
        Unit, window and cell of each entry.
    counts : Array, shape (n,)
    """

    cells: Ints
    inside: Array
    rows: Ints
    counts: Array
    _index: dict[tuple[int, ...], int] = field(default_factory=dict, repr=False)

    @classmethod
    def empty(cls, dim: int) -> Record:
        """Nothing yet, over `dim` CVs."""
        none = np.zeros((3, 0), dtype=np.int64)
        return cls(np.zeros((0, dim), dtype=np.int64), np.zeros((0, dim)), none, np.zeros(0))

    def add(self, grid: Grid, xi: Array, window: Ints, unit: Ints) -> None:
        """Count samples ξ (n, C) of windows (n,) and units (n,)."""
        if not self._index:
            self._index = {tuple(cell): m for m, cell in enumerate(self.cells.tolist())}
        width, low = cell_width(grid), np.array([e[0] for e in grid.edges])
        place = np.floor((grid.wrap(xi) - low) / width).astype(np.int64)
        unique, where = np.unique(place, axis=0, return_inverse=True)
        where = where.reshape(-1)
        number = np.array(
            [self._index.setdefault(tuple(c), len(self._index)) for c in unique.tolist()],
            dtype=np.int64,
        )
        fresh = unique[number >= len(self.cells)]
        # new cells are numbered in the order in which they stand in `unique`
        self.cells = np.concatenate([self.cells, fresh])
        self.inside = np.concatenate([self.inside, np.zeros(fresh.shape)])
        offset = grid.wrap(xi) - low - place * width
        np.add.at(self.inside, number[where], offset)
        entries = np.concatenate([self.rows, np.stack([unit, window, number[where]])], axis=1)
        self._sum(entries, np.concatenate([self.counts, np.ones(len(xi))]))

    def merge_units(self, new: Ints) -> None:
        """Unit u becomes `new`[u]; those that become one are added."""
        rows = self.rows.copy()
        rows[0] = new[rows[0]]
        self._sum(rows, self.counts)

    def _sum(self, rows: Ints, counts: Array) -> None:
        m, k = len(self.cells), int(rows[1].max(initial=-1)) + 1
        code = (rows[0] * k + rows[1]) * m + rows[2]
        unique, where = np.unique(code, return_inverse=True)
        total = np.bincount(where.reshape(-1), counts, minlength=len(unique))
        self.counts = total.astype(np.float64)
        self.rows = np.stack([unique // (m * k), unique // m % k, unique % m]).astype(np.int64)

    def points(self, grid: Grid) -> Array:
        """Mean ξ of every cell, shape (M, C)."""
        total = np.bincount(self.rows[2], self.counts, minlength=len(self.cells))
        low = np.array([e[0] for e in grid.edges])
        return np.asarray(low + self.cells * cell_width(grid) + self.inside / total[:, None])

    def tree(self) -> Tree:
        """`from_tree` is the inverse."""
        return {
            "cells": self.cells,
            "inside": self.inside,
            "rows": self.rows,
            "counts": self.counts,
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> Record:
        """Inverse of `tree`."""
        cells, inside = np.array(tree["cells"]), np.array(tree["inside"])
        return cls(cells, inside, np.array(tree["rows"]), np.array(tree["counts"]))


def cell_width(grid: Grid) -> Array:
    """Width of a cell along each CV, shape (C,)."""
    parts = SUBDIVISION.get(len(grid.edges), 2)
    return np.array([(e[-1] - e[0]) / (len(e) - 1) / parts for e in grid.edges])


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
    _c: Array
    _w: Array
    _parts: Array
    _rows: Ints

    @property
    def units(self) -> int:
        """Independent units that gave samples."""
        return len(np.unique(self._rows[0]))

    def log_probability(self, label: Ints, n: int) -> Array:
        """ln P of n sets of cells, shape (n,); −inf where empty. `label` is −1 for no set."""
        inside = label >= 0
        with np.errstate(divide="ignore"):
            return np.log(np.bincount(label[inside], self.p[inside], minlength=n))

    def influence(self, label: Ints, n: int, *, windows: bool = False) -> Array:
        """First-order effect of each unit's samples on ln P of n sets of cells.

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
        ratio = np.zeros((n, k))
        np.add.at(ratio, label[inside], (self.p * self._w)[:, inside].T)
        overlap = (self._w * self._c) @ self._w.T
        shift = np.bincount(group * k + window, self._parts, minlength=groups * k)
        shift = shift.reshape(groups, k)
        s = np.zeros((groups, k))
        np.add.at(s, group, (self._w[:, cell] * self._parts).T)
        # δf solves the equations of MBAR to first order in what a group adds; see the module
        solved = np.linalg.pinv(np.eye(k) - overlap * self.samples) @ (overlap @ shift.T - s.T)
        push = self.samples * solved.T + shift
        # p of a cell per unit of its count
        density = self._parts * (self.p / self._c)[cell]
        own = np.zeros((groups, n))
        has = inside[cell]
        np.add.at(own, (group[has], label[cell[has]]), density[has])
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = (own - push @ ratio.T) / total
        everywhere = np.bincount(group, density, minlength=groups) - push @ (self._w @ self.p)
        effect -= everywhere[:, None]
        return effect.reshape(len(kinds), k, n) if windows else effect


def standard_error(influence: Array) -> Array:
    """Of a quantity from its influences (U, …) over units; inflated for few units."""
    u = len(influence)
    if u < 2:
        return np.full(influence.shape[1:], np.nan)
    centred = influence - influence.mean(axis=0)
    out: Array = np.sqrt(u / (u - 1) * (centred**2).sum(axis=0)) * inflation(u - 1)
    return out


def pool(
    record: Record, grid: Grid, energies: Energies, inefficiency: Array, guess: Array | None = None
) -> Pooled:
    """Solve MBAR over the cells.

    Parameters
    ----------
    record : Record
    grid : Grid
        Of the surface, as in `Record.add`.
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
    u = energies(points)
    parts = record.counts / inefficiency[record.rows[1]]
    n = np.bincount(record.rows[1], parts, minlength=len(inefficiency)).astype(np.float64)
    c = np.bincount(record.rows[2], parts, minlength=len(points)).astype(np.float64)
    f = _solve(u, c, n, np.zeros(len(n)) if guess is None else guess)
    log_d = _mixture(u, n, f)
    log_p = np.log(c) - log_d
    p = np.exp(log_p - logsumexp(log_p))
    seen = n > 0
    first = f[seen][0]
    w = np.exp(f[:, None] - u - log_d)
    return Pooled(np.where(seen, f - first, np.nan), points, p, n, c, w, parts, record.rows)


def _mixture(u: Array, n: Array, f: Array) -> Array:
    with np.errstate(divide="ignore"):
        out: Array = logsumexp((np.log(n) + f)[:, None] - u, axis=0)
    return out


def _solve(u: Array, c: Array, n: Array, f: Array) -> Array:
    """Minimise Σ c ln Σ N e^{f−u} − Σ N f, which is convex, by damped Newton steps."""
    seen = n > 0
    us, ns = u[seen], n[seen]
    x = f[seen] - f[seen][0]

    def value(y: Array) -> float:
        return float(c @ _mixture(us, ns, y) - ns @ y)

    now = value(x)
    for _ in range(_MOST_STEPS):
        share = np.exp((np.log(ns) + x)[:, None] - us - _mixture(us, ns, x))
        mean = share @ c
        gradient = mean - ns
        if np.abs(gradient).max() < _TOLERANCE * c.sum():
            break
        hessian = np.diag(mean) - (share * c) @ share.T
        # f is known up to a constant: the first stays
        step = np.zeros(len(x))
        ridge = 1e-12 * np.trace(hessian)
        step[1:] = np.linalg.solve(hessian[1:, 1:] + ridge * np.eye(len(x) - 1), -gradient[1:])
        step = np.clip(step, -20.0, 20.0)
        scale = 1.0
        while scale > 1e-6 and (new := value(x + scale * step)) > now + 1e-12 * abs(now):
            scale *= 0.5
        if scale <= 1e-6:
            break
        x, now = x + scale * step, new
    out = f.copy()
    out[seen] = x
    # a window without samples: from what the others say
    if (~seen).any():
        log_p = np.log(c) - _mixture(us, ns, x)
        out[~seen] = -logsumexp(log_p - u[~seen], axis=1)
    return out
