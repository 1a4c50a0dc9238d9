"""Free energies along CVs from trajectories, and how far two of them are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.sums import Sums
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.histogram import Grid

Array = NDArray[np.float64]

BELOW_KT = 10.0
"""Bins of the reference that count."""


@dataclass(frozen=True)
class Surface:
    """F = −ln P of bins, kT, the lowest 0.

    Attributes
    ----------
    f, stderr : Array, grid shape
        NaN where never visited; an error also where one block of trajectories alone was there.
    """

    f: Array
    stderr: Array


@dataclass(frozen=True)
class SurfaceDifference:
    """How far a surface is from a reference.

    Attributes
    ----------
    rms_kT : Reading
        Root of the mean square difference over the bins that count, after the shift.
    floor_kT : float or None
        What the noise of both makes of it where nothing differs: the root of the mean of the two
        variances.
    shift_kT : float or None
        What was subtracted: the mean difference, which makes the square least.
    bins : int
        That count: the reference is below `below_kT` and both were there.
    empty : int
        Where the reference is below `below_kT` and the surface was never; they do not count.
    below_kT : float
    """

    rms_kT: Reading
    floor_kT: float | None
    shift_kT: float | None
    bins: int
    empty: int
    below_kT: float


def counts(data: Trajectories, columns: tuple[int, ...], grid: Grid) -> Sums:
    """Weight of each bin (C-order) of a grid over some CVs, by block."""
    bins = grid.index(data.xi[:, columns])
    return data.blocks.count(bins, grid.size, np.arange(len(bins)), data.weight)


def surface(sums: Sums, grid: Grid) -> Surface:
    """From the counts of `counts`; errors are those of −ln P, P normalised over all bins."""
    told = sums.estimate(free_energy)
    f = told.value - np.nanmin(told.value) if np.isfinite(told.value).any() else told.value
    stderr = np.where(np.isfinite(f), told.stderr, np.nan)
    return Surface(f.reshape(grid.shape), stderr.reshape(grid.shape))


def free_energy(weight: Array) -> Array:
    """−ln of the share of each bin, rows (n, K); NaN where there is no weight."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = weight / weight.sum(axis=1, keepdims=True)
        return np.where(p > 0, -np.log(p), np.nan)


def aligned(f: Array, reference: Array, below: float = BELOW_KT) -> tuple[Array, Array]:
    r"""RMS difference of surfaces after the best shift, and the shift.

    .. math:: c = \frac{1}{|B|}\sum_{b ∈ B} (F_b - F^0_b), \quad
              ε^2 = \frac{1}{|B|}\sum_{b ∈ B} (F_b - F^0_b - c)^2

    over the bins B where F⁰ − min F⁰ < `below` and both are known; each counts once.

    Parameters
    ----------
    f, reference : Array, shape (n, K)
        kT, NaN where never visited; row by row.

    Returns
    -------
    rms, shift : Array, shape (n,)
        NaN without a bin.
    """
    with np.errstate(invalid="ignore"):
        inside = reference - _least(reference) < below
        off = np.where(inside & np.isfinite(f), f - reference, np.nan)
    n = np.isfinite(off).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.nansum(off, axis=1) / n
        rms = np.sqrt(np.nansum((off - shift[:, None]) ** 2, axis=1) / n)
    return np.where(n > 0, rms, np.nan), np.where(n > 0, shift, np.nan)


def difference(sums: Sums, reference: Sums, below: float = BELOW_KT) -> SurfaceDifference:
    """Of two surfaces on one grid, from their counts; the error is that of both."""
    k = sums.values.shape[1]
    f = free_energy(sums.values.sum(axis=0)[None])
    f0 = free_energy(reference.values.sum(axis=0)[None])
    with np.errstate(invalid="ignore"):
        low = (f0 - _least(f0) < below)[0]
    both = low & np.isfinite(f[0])
    # which bins count is settled once: a bin that goes with a block is no improvement
    f0_kept = np.where(both, 0.0, np.nan)

    def rms(weight: Array) -> Array:
        a, b = free_energy(weight[:, :k]), free_energy(weight[:, k:])
        return aligned(a - b + f0_kept, np.zeros_like(a))[0][:, None]

    told = sums.beside(reference).estimate(rms)
    value, shift = aligned(f, f0, below)
    variance = (
        sums.estimate(free_energy).stderr ** 2 + reference.estimate(free_energy).stderr ** 2
    )[both]
    known = variance[np.isfinite(variance)]
    why = "the two have no bin in common" if not both.any() else told.why
    return SurfaceDifference(
        Reading.of(float(value[0]), float(told.stderr[0]), why),
        float(np.sqrt(known.mean())) if len(known) else None,
        float(shift[0]) if both.any() else None,
        int(both.sum()),
        int((low & ~np.isfinite(f[0])).sum()),
        below,
    )


def _least(f: Array) -> Array:
    """The lowest of each row, NaN for none."""
    filled = np.where(np.isfinite(f), f, np.inf).min(axis=1, keepdims=True)
    return np.where(np.isfinite(filled), filled, np.nan)
