"""Restrained windows joined by MBAR, with the histogram and the errors done here.

pymbar's own surface code re-solves inside its bootstrap and mishandles empty bins, so only its
solver is used.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.histogram import Grid, Surface

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Mbar:
    """Free energies of K windows and weights of all their samples.

    Attributes
    ----------
    f : Array, shape (K,)
        In kT, the first 0.
    log_weights : Array, shape (N,)
        ln of each sample's weight in the unbiased ensemble; the weights sum to 1.
    overlap : Array, shape (K, K)
        O_ij = N_j Σ_n w_i(x_n) w_j(x_n) (Klimovich et al., J. Comput. Aided Mol. Des. 29, 397,
        2015).
    """

    f: Array
    log_weights: Array
    overlap: Array

    @property
    def connectivity(self) -> float:
        """1 − second eigenvalue of the overlap: 0 if windows fall apart, 1 for a single one."""
        if len(self.f) == 1:
            return 1.0
        eigenvalues = np.sort(np.linalg.eigvals(self.overlap).real)
        return float(1.0 - eigenvalues[-2])


def solve_mbar(u_kn: Array, n_k: Ints, guess: Array | None = None) -> Mbar:
    """MBAR over windows that share an unbiased potential.

    Shirts & Chodera, J. Chem. Phys. 129, 124105 (2008).

    Parameters
    ----------
    u_kn : Array, shape (K, N)
        Bias energy of every window at every sample, in kT. The unbiased potential cancels.
    n_k : Ints, shape (K,)
        Samples drawn in every window; columns of `u_kn` are in that order. May hold zeros.
    guess : Array, shape (K,), optional
        Free energies to start from.

    Raises
    ------
    ValueError
        For shapes that do not fit, values that are not finite, or no samples.
    """
    u, n = np.asarray(u_kn, dtype=np.float64), np.asarray(n_k, dtype=np.int64)
    if u.ndim != 2 or n.shape != u.shape[:1] or n.sum() != u.shape[1] or not n.sum():
        raise ValueError(f"u_kn {u.shape} does not fit n_k {n.shape} with {n.sum()} samples")
    if not np.isfinite(u).all():
        raise ValueError("bias energies must be finite")
    f = _solve(u, n, guess)
    with np.errstate(divide="ignore"):
        mixture = logsumexp(f[:, None] - u + np.log(n)[:, None], axis=0)
    log_w = -mixture - logsumexp(-mixture)
    w = np.exp(f[:, None] - u - mixture)
    return Mbar(f, log_w, (w @ w.T) * n[None, :])


def surface_from_windows(
    grid: Grid, xi: Array, u_kn: Array, n_k: Ints, blocks: Ints, n_blocks: int
) -> Surface:
    """F(ξ) of the unbiased ensemble from windows, errors by jackknife over blocks.

    Deletes one block at a time from all windows and solves again, so the windows' own free energies
    are part of the error; inflated for few blocks (`errors.inflation`).

    Parameters
    ----------
    grid : Grid
    xi : Array, shape (N, C)
        CVs of the samples, in the order of `u_kn`'s columns.
    u_kn, n_k
        As in `solve_mbar`.
    blocks : Ints, shape (N,)
        0 … n_blocks − 1; different blocks, longer than the correlation time, count as independent.
    n_blocks : int

    Returns
    -------
    Surface
        Error NaN for bins that one deletion empties.
    """
    index = grid.index(xi)
    window = np.repeat(np.arange(len(n_k)), n_k)
    whole = solve_mbar(u_kn, n_k)
    f = _binned(index, whole.log_weights, grid.size)
    deleted = []
    for b in range(n_blocks):
        keep = blocks != b
        counts = np.bincount(window[keep], minlength=len(n_k))
        part = solve_mbar(u_kn[:, keep], counts, whole.f)
        deleted.append(_binned(index[keep], part.log_weights, grid.size))
    rest = np.array(deleted)
    with np.errstate(invalid="ignore"):
        spread = np.sum((rest - rest.mean(axis=0)) ** 2, axis=0)
    stderr = np.sqrt((n_blocks - 1) / n_blocks * spread) * inflation(n_blocks - 1)
    offset = float(np.nanmin(f))
    return Surface((f - offset).reshape(grid.shape), stderr.reshape(grid.shape), offset)


def _binned(index: Ints, log_weights: Array, size: int) -> Array:
    keep = index >= 0
    p = np.bincount(index[keep], weights=np.exp(log_weights[keep]), minlength=size)
    with np.errstate(divide="ignore"):
        return np.where(p > 0, -np.log(p / p.sum()), np.nan)


def _solve(u: Array, n: Ints, guess: Array | None) -> Array:
    # pymbar talks through logging at import (no JAX) and at every solve.
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        from pymbar import MBAR

        solver = MBAR(u, n, solver_protocol="robust", initial_f_k=guess)
        return np.asarray(solver.f_k, dtype=np.float64)
    finally:
        logging.disable(previous)
