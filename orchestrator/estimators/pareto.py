"""The tail of importance weights: its Pareto exponent k̂, and weights smoothed by it.

k̂ below 0.5: the weights have a variance, errors may be believed; below 0.7: the estimate may be,
at many draws; above: it is led by draws that were not made (Vehtari, Simpson, Gelman, Yao and
Gabry, J. Mach. Learn. Res. 25(72), 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.orchestrator.estimators.importance import check_log_weights

Array = NDArray[np.float64]

FEWEST = 5
"""Draws a tail needs."""
PRIOR_K, PRIOR_WEIGHT = 0.5, 10.0
"""A weak prior steadies k̂ of short tails, as in Vehtari et al. (appendix C)."""
GOOD, USABLE = 0.5, 0.7


def tail_length(n: int, efficiency: float = 1.0) -> int:
    """M = min(n/5, 3 √n): how many of n weights are the tail, by n over the efficiency."""
    return int(np.ceil(min(0.2 * n, 3.0 * np.sqrt(n / min(1.0, efficiency)))))


def pareto_k(log_w: Array, efficiency: float = 1.0, n: int | None = None) -> float:
    """Exponent k̂ of the generalised Pareto distribution of the largest weights.

    Parameters
    ----------
    log_w : Array, shape (n,)
        −inf for draws outside the target, which count in n.
    efficiency : float
        Effective over actual number of draws, below 1 for those of a chain.

    Returns
    -------
    float
        +inf where too few draws have a weight; −inf where the largest are all equal.

    Raises
    ------
    ValueError
        For NaN or +inf weights, or none.
    """
    tail, cutoff = _tail(check_log_weights(log_w), efficiency, n)
    if tail is None:
        return float("inf")
    excess = np.exp(tail) - np.exp(cutoff)
    if excess[-1] <= 1e-12:
        return float("-inf")
    return fit_pareto(excess)[0]


def smoothed(log_w: Array, efficiency: float = 1.0, n: int | None = None) -> tuple[Array, float]:
    """Pareto-smoothed log weights, as many as given, and k̂; arguments as in `pareto_k`.

    The largest M weights become the expected order statistics of the fitted tail, cut at the
    largest raw weight: a finite variance for a small bias. Where there is no tail to fit (k̂ = ±inf)
    the weights are as they were.
    """
    w = check_log_weights(log_w)
    tail, cutoff = _tail(w, efficiency, n)
    if tail is None:
        return w, float("inf")
    excess = np.exp(tail) - np.exp(cutoff)
    if excess[-1] <= 1e-12:
        return w, float("-inf")
    k, sigma = fit_pareto(excess)
    m = len(tail)
    p = (np.arange(m) + 0.5) / m
    quantile = -np.log1p(-p) if abs(k) < 1e-12 else np.expm1(-k * np.log1p(-p)) / k
    new = np.minimum(np.log(np.exp(cutoff) + sigma * quantile), 0.0)
    out = w.copy()
    out[np.argsort(w, kind="stable")[-m:]] = new + w.max()
    return out, k


def fit_pareto(excess: Array) -> tuple[float, float]:
    """Exponent k and scale σ of excesses with density (1/σ)(1 + k x/σ)^{−1−1/k}.

    The posterior mean of Zhang and Stephens (Technometrics 51, 316, 2009), k̂ drawn towards 0.5 with
    the weight of ten excesses.

    Parameters
    ----------
    excess : Array, shape (M,)
        Over the threshold, ascending, the largest positive.
    """
    x, n = np.asarray(excess, dtype=np.float64), len(excess)
    quartile = x[max(0, int(n / 4 + 0.5) - 1)]
    if quartile <= 0.0:
        quartile = x[x > 0].min()
    m = 30 + int(np.sqrt(n))
    theta = 1.0 / x[-1] + (1.0 - np.sqrt(m / (np.arange(m) + 0.5))) / (3.0 * quartile)
    # θ = −k/σ: for a trial θ the likelihood has k = mean ln(1 − θ x) in closed form
    k = np.log1p(-theta[:, None] * x).mean(axis=1)
    profile = n * (np.log(-theta / k) - k - 1.0)
    weight = np.exp(profile - logsumexp(profile))
    best = float(np.sum(theta * weight))
    k_hat = float(np.log1p(-best * x).mean())
    sigma = -k_hat / best
    return (n * k_hat + PRIOR_WEIGHT * PRIOR_K) / (n + PRIOR_WEIGHT), sigma


def _tail(w: Array, efficiency: float, n: int | None) -> tuple[Array | None, float]:
    """The largest log weights, ascending and shifted so that the largest is 0, and the cutoff."""
    number = len(w) if n is None else n
    m = tail_length(number, efficiency)
    ordered = np.sort(w)
    if m < FEWEST or len(w) <= m or not np.isfinite(ordered[-m]):
        return None, float("-inf")
    top = ordered[-1]
    return ordered[-m:] - top, float(ordered[-m - 1] - top)
