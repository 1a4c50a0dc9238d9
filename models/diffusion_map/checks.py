"""Whether a diffusion coordinate can stand for the slow variable: checks, and what they say."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from msgen.models.base import Array
from msgen.models.diffusion_map.map import DiffusionMap

HARMONIC = 0.3
"""Residual below which a coordinate is a function of those before it."""
ONE_TO_ONE = 0.99
_GAP, _GAP_SHARE = 0.4, 0.02
_ALIKE = 0.9


def independence(values: Array) -> Array:
    """How far each diffusion coordinate is from being a function of those before it.

    r_k = (Σ_i (φ_k − φ̂_k)² / Σ_i φ_k²)^½, φ̂ by local linear regression on φ_1 … φ_{k−1} with the
    point left out, Gaussian weights, and a third of the median distance as the bandwidth
    (C. J. Dsilva, R. Talmon, R. R. Coifman and I. G. Kevrekidis, Appl. Comput. Harmon. Anal. 44,
    759 (2018)). Near 1 a new direction, near 0 a harmonic.

    Parameters
    ----------
    values : Array, shape (m, c)
        At most 500 rows, evenly taken, are used.

    Returns
    -------
    Array, shape (c,)
        The first is 1, and none is above.
    """
    v = values[:: max(1, -(-len(values) // 500))]
    r = np.ones(v.shape[1])
    for k in range(1, v.shape[1]):
        x, y = v[:, :k], v[:, k]
        d2 = ((x[:, None] - x[None]) ** 2).sum(axis=2)
        w = np.exp(-d2 / (np.median(np.sqrt(d2)) / 3) ** 2)
        np.fill_diagonal(w, 0.0)
        left = np.empty(len(v))
        for i in range(len(v)):
            a = np.column_stack([np.ones(len(v)), x - x[i]])
            normal = (a * w[i][:, None]).T
            left[i] = y[i] - np.linalg.lstsq(normal @ a, normal @ y, rcond=None)[0][0]
        r[k] = min(1.0, np.sqrt((left**2).sum() / (y**2).sum()))
    return r


def spearman(phi: Array, slow: Array) -> float:
    """|ρ|, the absolute rank correlation of two series of length n: 1 if one-to-one."""
    return float(abs(spearmanr(phi, slow).statistic))


def doubts(fit: DiffusionMap, component: int, slow_rho: float | None = None) -> list[str]:
    """What speaks against a component as a CV, in words; empty where nothing does.

    Parameters
    ----------
    fit : DiffusionMap
    component : int
        From 1.
    slow_rho : float, optional
        |Spearman ρ| of the component and a known slow variable.
    """
    said = []
    k = component - 1
    phi, mu = np.sort(fit.values[:, k]), fit.eigenvalues
    r = float(independence(fit.values[:, : k + 1])[k])
    if r < HARMONIC:
        said.append(
            f"coordinate {component} is a function of those before it (residual {r:.2f}): it folds,"
            " different configurations have the same value"
        )
    reach = int(np.ceil(_GAP_SHARE * len(phi)))
    gap = phi[reach:] - phi[:-reach]
    at = int(gap.argmax())
    if gap[at] > _GAP * (phi[-1] - phi[0]):
        said.append(
            f"hardly a landmark lies between {phi[at]:.2f} and {phi[at + reach]:.2f}: the"
            " coordinate tells clusters apart and little else; raise epsilon, or scale by"
            " increments"
        )
    if k + 1 < len(mu) and (1 - mu[k]) > _ALIKE * (1 - mu[k + 1]):
        said.append(
            f"coordinates {component} and {component + 1} decay alike (eigenvalues {mu[k]:.5f} and"
            f" {mu[k + 1]:.5f}): which mixture comes first is chance"
        )
    if slow_rho is not None and slow_rho < ONE_TO_ONE:
        said.append(
            f"|Spearman ρ| with the slow variable is {slow_rho:.3f}, below {ONE_TO_ONE}: not"
            " one-to-one"
        )
    return said
