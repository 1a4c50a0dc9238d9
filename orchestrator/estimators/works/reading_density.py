"""Where steered paths are read: the known density of their readings in equilibrium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Places = Callable[[Array, Array], Array]
"""λ at the M readings of paths from λ₀ to λ_N: (n, 1), (n, 1) → (n, M, 1)."""

CELLS = 720
"""About so many fine cells hold the densities."""
MARGIN = 0.25
"""Of the grid's range, kept on either side for a λ of a CV that is not periodic."""
LEAK = 1e-3
"""Most of g around the end of a path that may lie outside its stratum for the path to be used."""
LEAST = 1e-3
"""Of the largest density of readings: bins with less are not reported."""


@dataclass(frozen=True)
class Fine:
    """Equal cells over one CV, finer and wider than the bins of its surface.

    Attributes
    ----------
    low, width : float
        Lower end of the first cell, and the width of all.
    number : int
    periodic : bool
        The cells then cover one period.
    """

    low: float
    width: float
    number: int
    periodic: bool

    @classmethod
    def of(cls, edges: Array, periodic: bool) -> Fine:
        """For a surface with these equal bins."""
        bins, span = len(edges) - 1, float(edges[-1] - edges[0])
        each = max(2, round(CELLS / bins / (1.0 if periodic else 1.0 + 2.0 * MARGIN)))
        width, more = span / (bins * each), 0
        if not periodic:
            more = int(np.ceil(MARGIN * bins)) * each
        return cls(float(edges[0]) - more * width, width, bins * each + 2 * more, periodic)

    @property
    def centres(self) -> Array:
        """Middles of the cells, shape (number,)."""
        return np.asarray(self.low + self.width * (np.arange(self.number) + 0.5), dtype=np.float64)

    def _between(self, x: Array) -> tuple[Ints, Ints, Array]:
        """The two cells whose middles lie around x, and the share of the upper one."""
        t = (x - self.low) / self.width - 0.5
        lower = np.floor(t)
        share = t - lower
        # in range before it is cast: a path that nearly blew up may have been anywhere
        if self.periodic:
            first = (lower % self.number).astype(np.int64)
            return first, (first + 1) % self.number, share
        first = np.clip(lower, -1, self.number).astype(np.int64)
        last = self.number - 1
        return np.clip(first, 0, last), np.clip(first + 1, 0, last), share

    def deposit(self, x: Array, weight: Array) -> Array:
        """Weight at x, shared between the nearest two cells; per unit of the CV, (number,)."""
        lower, upper, share = self._between(x)
        out = np.bincount(lower, weight * (1.0 - share), self.number)
        out += np.bincount(upper, weight * share, self.number)
        return np.asarray(out / self.width)

    def at(self, values: Array, x: Array, row: Ints | None = None) -> Array:
        """Values of the cells, shape (number,), interpolated to x of any shape; 0 beyond.

        With `row`, shape of x, `values` has a row of them for each table.
        """
        lower, upper, share = self._between(x)
        if row is None:
            out = (1.0 - share) * values[lower] + share * values[upper]
        else:
            out = (1.0 - share) * values[row, lower] + share * values[row, upper]
        inside = self.periodic | (np.abs(x - self.low - self.half) <= self.half)
        return np.where(inside, out, 0.0)

    @property
    def half(self) -> float:
        """Half of what the cells cover."""
        return 0.5 * self.width * self.number


@dataclass(frozen=True)
class Reach:
    """How the ends of paths are weighed, and the density M(ξ) of all readings in equilibrium.

    Paths between A and B count with h = a_AB h_A(λ₀) h_B(λ_N), whatever proposed them, where h_A is
    any function of λ that is 0 outside A, and near its border where g leaks over it. Then

    .. math:: M(ξ) = \\sum_{A ≤ B} a_{AB} \\sum_k \\int h_A(λ_0) h_B(λ_N)\\, g(λ_k|ξ)\\, dλ_0 dλ_N

    Attributes
    ----------
    fine : Fine
    ends : Array, shape (K, fine.number)
        h_A at the middles of the cells.
    weight : Array, shape (K, K)
        a_AB, symmetric.
    density : Array, shape (fine.number,)
        M.
    """

    fine: Fine
    ends: Array
    weight: Array
    density: Array

    @classmethod
    def of(
        cls,
        fine: Fine,
        ends: Array,
        partition: Partition,
        places: Places,
        weight: Array,
        g: Conditional | None,
    ) -> Reach:
        """By quadrature over both ends.

        Parameters
        ----------
        ends : Array, shape (K, fine.number)
            Wanted densities of λ at the ends, ≥ 0; what lies outside a stratum is cut.
        places : callable
            See `Places`; a path and its reverse are read at the same λ.
        weight : Array, shape (K, K)
            a_AB ≥ 0, symmetric; the diagonal counts where there is one stratum.
        g : Conditional or None
            g(λ|ξ) of the paths; None where ξ = λ exactly.
        """
        lam = fine.centres[:, None]
        h = np.array(ends, dtype=np.float64)
        for k in range(len(h)):
            mine = np.full(len(lam), k)
            inside = partition.assign(lam) == k
            if g is not None:
                inside &= partition.mass(lam, g, mine) >= 1.0 - LEAK
            h[k] = np.where(inside, h[k], 0.0)
            h[k] /= max(float(h[k].sum() * fine.width), 1e-300)
        placed = np.zeros(fine.number)
        for a in range(len(h)):
            for b in range(a, len(h)):
                if weight[a, b] > 0.0:
                    both = fine.width * h[a], fine.width * h[b]
                    placed += weight[a, b] * _placed(fine, *both, places)
        return cls(fine, h, weight, placed if g is None else _smeared(fine, placed, g))

    def log_ends(self, start: Array, stop: Array, source: Ints, target: Ints) -> Array:
        """ln [a_AB h_A(λ₀) h_B(λ_N)] of paths, shape (n,); −∞ where they are not used."""
        with np.errstate(divide="ignore"):
            first = self.fine.at(self.ends, start, source)
            last = self.fine.at(self.ends, stop, target)
            return np.log(first) + np.log(last) + np.log(self.weight[source, target])

    def log_at(self, xi: Array) -> Array:
        """ln M(ξ), any shape; +∞ where too few readings are to be expected, or ξ is not finite."""
        value = self.fine.at(self.density, np.where(np.isfinite(xi), xi, self.fine.low))
        known = np.isfinite(xi) & (value > LEAST * self.density.max())
        return np.log(np.where(known, value, np.inf))

    def covers(self, edges: Array) -> NDArray[np.bool_]:
        """Which bins are within reach in all of their cells, shape (bins,)."""
        inside = np.isfinite(self.log_at(self.fine.centres))
        which = np.searchsorted(edges, self.fine.centres, side="right") - 1
        valid = (which >= 0) & (which < len(edges) - 1)
        missed = np.bincount(which[valid & ~inside], minlength=len(edges) - 1)
        return np.asarray(missed == 0)


def _placed(fine: Fine, q_a: Array, q_b: Array, places: Places) -> Array:
    """Density of λ at the readings of paths whose ends have these probabilities."""
    i, j = np.flatnonzero(q_a > 0.0), np.flatnonzero(q_b > 0.0)
    out = np.zeros(fine.number)
    if not len(j):
        return out
    centres = fine.centres
    for one in i:  # one λ₀ at a time: all pairs at once may be large
        stop = centres[j][:, None]
        lam = places(np.full_like(stop, centres[one]), stop)[..., 0]
        weight = np.repeat(q_a[one] * q_b[j], lam.shape[1])
        out += fine.deposit(lam.reshape(-1), weight)
    return out


def _smeared(fine: Fine, placed: Array, g: Conditional) -> Array:
    """∫ placed(λ) g(λ|ξ) dλ at the middles of the cells, g averaged over the cell of λ."""
    c = fine.centres
    edges = np.append(c - 0.5 * fine.width, c[-1] + 0.5 * fine.width)
    out = np.empty(fine.number)
    for start in range(0, fine.number, 128):
        some = c[start : start + 128]
        out[start : start + 128] = g.interval_mass(some, 0, edges) @ placed
    return out
