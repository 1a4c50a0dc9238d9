"""Exact probabilities of the analytic systems, to hold estimates against.

Two-dimensional landscapes by midpoint quadrature, the mixture in closed form, the tunnel by
one-dimensional quadrature over z (given z everything factorises).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import norm

from msgen.systems.base import Array, CVSet, System
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.mixtures import GaussianMixture, GaussianTunnel
from msgen.systems.potentials.slow_fast import SlowFast
from msgen.systems.potentials.two_dimensional import DoubleWell, MuellerBrown


def _dofs(cvs: CVSet) -> list[int]:
    dofs = [cv.index for cv in cvs.cvs if isinstance(cv, Coordinate)]
    if len(dofs) != len(cvs) or len(set(dofs)) != len(dofs):
        raise ValueError("the closed form needs distinct `coordinate` CVs")
    return dofs


def _outer(factors: Sequence[Array]) -> Array:
    out = np.ones(())
    for f in factors:
        out = np.multiply.outer(out, f)
    return out


def _mixture(system: GaussianMixture, cvs: CVSet, edges: Sequence[Array]) -> Array:
    dofs = _dofs(cvs)
    total = np.zeros([len(e) - 1 for e in edges])
    for w, mean, scale in zip(system.weights, system.means, system.scales, strict=True):
        parts = [np.diff(norm.cdf(e, mean[d], scale[d])) for d, e in zip(dofs, edges, strict=True)]
        total += w * _outer(parts)
    return total


def _tunnel(system: GaussianTunnel, cvs: CVSet, edges: Sequence[Array], n: int) -> Array:
    dofs = _dofs(cvs)
    total = np.zeros([len(e) - 1 for e in edges])
    if dofs == [0]:
        for w, c in zip(system.weights, system.centres, strict=True):
            total += w * np.diff(norm.cdf(edges[0], c, 1.0))
        return total
    grid = np.linspace(-9.0, 19.0, n + 1)
    z = 0.5 * (grid[1:] + grid[:-1])
    p = sum(
        w * np.diff(norm.cdf(grid, c, 1.0))
        for w, c in zip(system.weights, system.centres, strict=True)
    )
    for zi, pi in zip(z, np.asarray(p), strict=True):
        parts = []
        for d, e in zip(dofs, edges, strict=True):
            if d == 0:
                parts.append(((e[:-1] <= zi) & (zi < e[1:])).astype(np.float64))
            else:
                mean = 5 * np.cos(np.pi * zi / 10)
                parts.append(np.diff(norm.cdf(e, mean, system.sigma[d - 1])))
        total += pi * _outer(parts)
    return total


def grid_2d(system: DoubleWell | MuellerBrown | SlowFast, n: int = 1500) -> tuple[Array, Array]:
    """Midpoints of an n × n grid over the system's box, and their normalised probabilities.

    Returns
    -------
    points : Array, shape (n², 2)
    p : Array, shape (n²,)
        p_i ∝ exp(−U(x_i)/kT), Σ p = 1.
    """
    axes = []
    for lo, hi in system.bounds:
        e = np.linspace(lo, hi, n + 1)
        axes.append(0.5 * (e[1:] + e[:-1]))
    points = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=-1)
    u = system.value(points) / system.kT
    p = np.exp(-(u - u.min()))
    return points, p / p.sum()


def exact_probabilities(system: System, cvs: CVSet, edges: Sequence[Array], n: int = 1500) -> Array:
    """Probability of every CV bin.

    Parameters
    ----------
    system : System
        One of the built-in analytic systems.
    cvs : CVSet
        Any CVs for the two-dimensional systems; distinct `coordinate` CVs for the others.
    edges : sequence of Array
        Bin edges, one array per CV.
    n : int
        Quadrature points per dimension.

    Returns
    -------
    Array, shape (len(edges[0]) − 1, …)
        What lies outside of the edges is left out, so the sum may be below 1.

    Raises
    ------
    ValueError
        For a system or CVs without a known answer.
    """
    edges = [np.asarray(e, dtype=np.float64) for e in edges]
    if isinstance(system, GaussianMixture):
        return _mixture(system, cvs, edges)
    if isinstance(system, GaussianTunnel):
        return _tunnel(system, cvs, edges, n)
    if isinstance(system, DoubleWell | MuellerBrown | SlowFast):
        points, p = grid_2d(system, n)
        hist, _ = np.histogramdd(cvs(points), bins=list(edges), weights=p)
        return np.asarray(hist)
    raise ValueError(f"no exact answer is known for {type(system).__name__}")


def exact_state_probability(
    system: System, cvs: CVSet, region: Mapping[str, tuple[float, float]], n: int = 1500
) -> float:
    """P(region), a region being a box {CV name: (low, high)}; CVs left out are unrestricted."""
    edges = [np.array(region.get(name, (-np.inf, np.inf))) for name in cvs.names]
    if isinstance(system, DoubleWell | MuellerBrown | SlowFast):
        points, p = grid_2d(system, n)
        xi = cvs(points)
        inside = np.ones(len(xi), dtype=bool)
        for c, (lo, hi) in enumerate(edges):
            inside &= (xi[:, c] >= lo) & (xi[:, c] < hi)
        return float(p[inside].sum())
    return float(exact_probabilities(system, cvs, edges, n).sum())


def exact_surface(system: System, cvs: CVSet, edges: Sequence[Array], n: int = 1500) -> Array:
    """Free energy −ln P(bin) in kT, lowest bin 0, inf where the probability underflows."""
    p = exact_probabilities(system, cvs, edges, n)
    with np.errstate(divide="ignore"):
        f = -np.log(p)
    return np.asarray(f - f.min())
