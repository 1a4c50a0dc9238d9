"""Bennett acceptance ratio for two states, on generalised works that may be infinite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from msgen.orchestrator.estimators.leverage import correction

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BarResult:
    """A free-energy difference in kT.

    Attributes
    ----------
    delta_f : float
        F(end) − F(start) of the forward direction; NaN if it cannot be known.
    stderr : float
        Its standard error; NaN if unknown.
    overlap : float
        ∫ 2 p_F p_R / (p_F + p_R) dw in [0, 1]: 0, the two directions never meet; 1, they agree.
    n_eff : float
        Number of works that carry the estimate, on the poorer side (Kish, of Bennett's weights).
    n_clusters : int
        Independent blocks the error rests on, in the side with fewer.
    reason : str
        Why there is no estimate or no error; empty if there is.
    """

    delta_f: float
    stderr: float
    overlap: float
    n_eff: float
    n_clusters: int
    reason: str = ""


FAR = 700.0
"""kT lost there and back by the best paths, beyond which every share of the sums rounds to zero."""
APART = f"works of the two directions do not meet: {FAR:.0f} kT are lost there and back"


def bar(
    forward: Array,
    reverse: Array,
    *,
    forward_blocks: Ints | None = None,
    reverse_blocks: Ints | None = None,
) -> BarResult:
    """ΔF from works of forward and reverse paths.

    Solves, with f(x) = 1/(1 + e^x) and M = ln(n_F/n_R),

    .. math:: \\sum_F f(M + w_F - ∆F) = \\sum_R f(-M + w_R + ∆F)

    (Bennett, J. Comput. Phys. 22, 245, 1976; Shirts et al., Phys. Rev. Lett. 91, 140601, 2003),
    which holds for any generalised work with Crooks' symmetry p_F(w) e^{−w} = p_R(−w) e^{−∆F}. An
    infinite work is a path that has no reverse (it failed, or ended outside its state): it counts
    in n and adds nothing to the sums. The error is Bennett's where all works are independent, and
    the clustered sandwich (jackknife over blocks) of the same sums where blocks are given.

    Parameters
    ----------
    forward, reverse : Array, shape (n_F,), (n_R,)
        Works in kT; +inf allowed.
    forward_blocks, reverse_blocks : Ints, shape (n_F,), (n_R,), optional
        Works with the same number, in either direction, may be correlated; different numbers are
        independent. By default every work stands alone.

    Raises
    ------
    ValueError
        For NaN or −inf works, or only one side's blocks.
    """
    w_f, w_r = check_works(forward), check_works(reverse)
    if (forward_blocks is None) != (reverse_blocks is None):
        raise ValueError("give blocks for both directions or for none")
    if not (len(w_f) and len(w_r)):
        return _none("no works in one direction")
    if not (np.isfinite(w_f).any() and np.isfinite(w_r).any()):
        return _none("every work of one direction is infinite")
    if apart(w_f, w_r):
        return _none(APART)
    m = float(np.log(len(w_f) / len(w_r)))
    delta = solve_bennett(w_f, w_r, m)
    f_f, f_r = fermi(m + w_f - delta), fermi(-m + w_r + delta)
    overlap = float(np.mean(fermi(w_f - delta)) + np.mean(fermi(w_r + delta)))
    n_eff = min(float(s.sum() ** 2 / np.sum(s**2)) for s in (f_f, f_r))
    score, group, sizes = cluster_scores([(f_f, forward_blocks), (-f_r, reverse_blocks)])
    clusters = min(map(len, sizes))
    if clusters < 2:
        return BarResult(delta, np.nan, overlap, n_eff, clusters, "fewer than two blocks")
    summed = np.bincount(group, weights=score)
    # The sums of both sides agree at the solution and estimate minus the slope of their difference.
    stderr = float(np.sqrt(np.sum(summed**2)) / f_f.sum())
    if forward_blocks is not None:
        stderr *= float(np.sqrt(clusters / (clusters - 1)))
    return BarResult(delta, stderr, min(overlap, 1.0), n_eff, clusters)


def fermi(x: Array) -> Array:
    """f(x) = 1/(1 + e^x), 0 at +inf."""
    return np.asarray(expit(-x), dtype=np.float64)


def apart(forward: Array, reverse: Array) -> bool:
    """Whether even the best finite works of the two directions lose more than `FAR`."""
    return bool(FAR < forward.min() + reverse.min() < np.inf)


def check_works(works: Array) -> Array:
    """Works as float64, shape (n,); ValueError for NaN or −inf."""
    w = np.asarray(works, dtype=np.float64).ravel()
    if np.isnan(w).any() or np.isneginf(w).any():
        raise ValueError("a work is NaN or −inf; a failed path has work +inf")
    return w


def cluster_scores(
    sides: list[tuple[Array, Ints | None]],
) -> tuple[Array, Ints, list[Array]]:
    """Scores centred within each side (its n is given, not drawn), with a cluster number each.

    Returns scores (N,), cluster numbers (N,) from 0, and the number of works in each cluster of
    each side. Works without blocks each become a cluster of their own. Where clusters hold unequal
    shares, scores are corrected for it (`leverage.correction`). A side with a single cluster stays
    uncentred: that books its whole sum, about 1 kT, as error, rather than none.
    """
    n = sum(len(s) for s, _ in sides)
    labels = [np.asarray(b, dtype=np.int64) for _, b in sides if b is not None]
    if not labels:
        scores = [s - s.mean() if len(s) > 1 else s for s, _ in sides]
        return np.concatenate(scores), np.arange(n), [np.ones(len(s)) for s, _ in sides]
    if any(len(s) != len(b) for (s, _), b in zip(sides, labels, strict=True)):
        raise ValueError("one block number is needed for every work")
    _, group = np.unique(np.concatenate(labels), return_inverse=True)
    scores, sizes = [], []
    for (s, _), b in zip(sides, labels, strict=True):
        _, mine, count = np.unique(b, return_inverse=True, return_counts=True)
        size = count.astype(np.float64)
        sizes.append(size)
        scores.append((s - s.mean()) * correction(size)[mine] if len(size) > 1 else s)
    return np.concatenate(scores), group.astype(np.int64), sizes


def _none(reason: str) -> BarResult:
    return BarResult(np.nan, np.nan, 0.0, 0.0, 0, reason)


def solve_bennett(w_f: Array, w_r: Array, m: float, share: float = 1.0) -> float:
    """Root ∆F of Σ_F f(m + w_F − ∆F) = share · Σ_R f(−m + w_R + ∆F).

    Any m > −∞ is consistent where share = n_F e^{−m}/n_R; least variance has e^m the ratio of the
    *effective* numbers of works (Bennett 1976, eq. 12). The left side minus the right rises with
    ∆F. Works in kT, checked; each direction has a finite one.
    """
    finite = np.concatenate([w_f[np.isfinite(w_f)] + m, m - w_r[np.isfinite(w_r)]])
    # not from min to max: a path that nearly blew up has a work of 1e200, beyond 200 bisections
    lo = hi = float(finite[np.argmin(np.abs(finite))])

    def excess(d: float) -> float:
        return float(fermi(m + w_f - d).sum() - share * fermi(-m + w_r + d).sum())

    width = 1.0
    while excess(lo) > 0.0:
        lo, width = lo - width, 2.0 * width
    width = 1.0
    while excess(hi) < 0.0:
        hi, width = hi + width, 2.0 * width
    d = 0.5 * (lo + hi)
    for _ in range(200):
        g = excess(d)
        lo, hi = (d, hi) if g < 0.0 else (lo, d)
        f, r = fermi(m + w_f - d), fermi(-m + w_r + d)
        slope = float(np.sum(f * (1.0 - f)) + share * np.sum(r * (1.0 - r)))
        step = d - g / slope if slope > 0.0 else np.inf
        # Newton where it stays inside the bracket, bisection otherwise.
        new = step if lo < step < hi else 0.5 * (lo + hi)
        if abs(new - d) <= 1e-13 * max(1.0, abs(d)):
            return new
        d = new
    return d
