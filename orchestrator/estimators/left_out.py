"""What diagnostics are worth: R̂ and overlaps with one replica after the other left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata, t

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

SURE = 0.9
"""Of a one-sided bound; errors are those of the jackknife, with Student's t of R − 1."""
LEAST = 4
"""Readings of a chain that can be halved."""


@dataclass(frozen=True)
class Bounded:
    """A diagnostic and its one-sided 90 % bound, on the side where it would fail.

    Attributes
    ----------
    value, bound : float
        The bound is NaN where nothing can be left out.
    """

    value: float
    bound: float


def bounded_r_hat(chains: Sequence[Array], *, periodic: bool = False) -> Bounded:
    """Split R̂ of one scalar, see `diagnostics.split_r_hat`, and an upper bound.

    The bound is that of q = V_b/W, ln q being nearer to normal than R̂, all on the ranks of all:

    .. math:: \\ln q + t_{0.9,\\,R-1}\\, σ_J, \\quad
              σ_J^2 = \\frac{R-1}{R} \\sum_r (\\ln q_{(r)} - \\overline{\\ln q_{(·)}})^2

    with q₍ᵣ₎ without chain r (Efron and Stein, Ann. Stat. 9, 586, 1981).

    Parameters
    ----------
    chains : sequence of Array, shape (n_m,)
        Chains shorter than 4 are left out.
    periodic : bool
        The larger of R̂ of cos and sin, and the larger of their bounds.
    """
    if periodic:
        both = [bounded_r_hat([g(c) for c in chains]) for g in (np.cos, np.sin)]
        # a CV that only moves along one of the two is judged by it
        return Bounded(worst([b.value for b in both]), worst([b.bound for b in both]))
    used = [c for c in chains if len(c) >= LEAST]
    if not used:
        return Bounded(float("nan"), float("nan"))
    halves = [h for c in used for h in (c[: len(c) // 2], c[-(len(c) // 2) :])]
    length = np.array([len(h) for h in halves])
    flat = np.concatenate(halves)
    z = ndtri((rankdata(flat) - 0.375) / (len(flat) + 0.25))
    scored = np.split(z, np.cumsum(length)[:-1])
    mean = np.array([h.mean() for h in scored]).reshape(-1, 2)
    within = np.array([h.var(ddof=1) for h in scored]).reshape(-1, 2)
    if not within.mean() > 1e-20:
        stuck = float("nan") if mean.var(ddof=1) <= 1e-20 else float("inf")
        return Bounded(stuck, stuck)
    ratio, n, r = float(mean.var(ddof=1) / within.mean()), float(length.mean()), len(used)
    value = float(np.sqrt((n - 1.0) / n + ratio))
    if r < 2:
        return Bounded(value, float("nan"))
    # of the other 2(r − 1) halves, by sums
    off, others = mean - mean.mean(), 2 * (r - 1)
    square = np.sum(off**2) - np.sum(off**2, axis=1) - np.sum(off, axis=1) ** 2 / others
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = square / (others - 1) * others / (within.sum() - within.sum(axis=1))
        log_q = np.log(rest)
        error = np.sqrt((r - 1) / r * np.sum((log_q - log_q.mean()) ** 2))
    return Bounded(
        value, float(np.sqrt((n - 1.0) / n + ratio * np.exp(t.ppf(SURE, r - 1) * error)))
    )


def bounded_overlap(forward: Array, reverse: Array, of: Ints, back: Ints) -> Bounded:
    """Overlap of forward and reverse work, see `diagnostics.work_overlap`, and a lower bound.

    Parameters
    ----------
    forward, reverse : Array, shapes (n,) and (m,)
        Chance 1/(1 + e^{w − ΔF}) of each path to cross; the overlap is the sum of their means.
    of, back : Ints, shapes (n,) and (m,)
        The replica that started each.
    """
    if not (len(forward) and len(reverse)):
        return Bounded(0.0, 0.0)
    value, square, least = 0.0, 0.0, len(forward) + len(reverse)
    for chance, replica in ((forward, of), (reverse, back)):
        mean, labels = float(chance.mean()), np.unique(replica, return_inverse=True)[1]
        value += mean
        r = int(labels.max()) + 1
        if r < 2:
            return Bounded(min(value, 1.0), float("nan"))
        # a ratio of sums over replicas, each left out to first order
        moved = np.bincount(labels, chance - mean) / len(chance)
        square, least = square + r / (r - 1) * float(np.sum(moved**2)), min(least, r)
    down = float(t.ppf(SURE, least - 1)) * float(np.sqrt(square))
    return Bounded(min(value, 1.0), min(value, 1.0) - down)


def worst(values: Sequence[float]) -> float:
    """The largest of those that are known; NaN for none."""
    return max((v for v in values if not np.isnan(v)), default=float("nan"))
