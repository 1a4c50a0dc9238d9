"""What says whether samples can be trusted: mixing, effective sizes, transitions, overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtri
from scipy.stats import rankdata

from msgen.orchestrator.estimators.works.bar import check_works, fermi

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def split_r_hat(chains: Sequence[Array], *, periodic: bool = False, rank: bool = True) -> float:
    """Split R̂ of one scalar over chains of any lengths; 1 when all halves agree.

    .. math:: \\hat R = \\sqrt{\\frac{\\tilde n - 1}{\\tilde n} + \\frac{V_b}{W}}

    with V_b the variance of the half-chain means, W the mean of their variances and ñ their mean
    length (Gelman et al., Bayesian Data Analysis, 3rd ed., 11.4); rank-normalised as in Vehtari et
    al., Bayesian Anal. 16, 667 (2021). A periodic scalar counts through the worse of cos and sin.

    Parameters
    ----------
    chains : sequence of Array, shape (n_m,)
        Chains shorter than 4 are left out.

    Returns
    -------
    float
        NaN without a usable chain or where nothing varies; +inf if halves differ and none varies.
    """
    if periodic:
        both = [split_r_hat([g(c) for c in chains], rank=rank) for g in (np.cos, np.sin)]
        # A CV that only moves along one of the two is judged by it.
        return float(np.nanmax(both)) if np.isfinite(both).any() else float(np.max(both))
    halves = [h for c in chains if len(c) >= 4 for h in (c[: len(c) // 2], c[-(len(c) // 2) :])]
    if not halves:
        return float("nan")
    if rank:
        flat = np.concatenate(halves)
        z = ndtri((rankdata(flat) - 0.375) / (len(flat) + 0.25))
        halves = np.split(z, np.cumsum([len(h) for h in halves])[:-1])
    n = float(np.mean([len(h) for h in halves]))
    within = float(np.mean([h.var(ddof=1) for h in halves]))
    between = float(np.var([h.mean() for h in halves], ddof=1))
    if within <= 1e-20:
        return float("nan") if between <= 1e-20 else float("inf")
    return float(np.sqrt((n - 1.0) / n + between / within))


def autocorrelation_time(chains: Sequence[Array]) -> float:
    """Statistical inefficiency g = 1 + 2 Σ_t ρ(t) of one scalar, in samples; N/g are independent.

    Autocorrelations are pooled over chains around their common mean, so chains that disagree show
    as long memory; the sum stops at Geyer's initial monotone positive sequence (Geyer, Stat. Sci.
    7, 473, 1992). At least 1 (anticorrelation is not credited). A scalar that never varies has
    g = N, one independent sample.

    Parameters
    ----------
    chains : sequence of Array, shape (n_m,)

    Returns
    -------
    float
        NaN without samples.
    """
    used = [np.asarray(c, dtype=np.float64) for c in chains if len(c)]
    total = sum(len(c) for c in used)
    if not total:
        return float("nan")
    mean = sum(float(c.sum()) for c in used) / total
    longest = max(len(c) for c in used)
    covariance = np.zeros(longest)
    for c in used:
        covariance[: len(c)] += _autocovariance(c - mean)
    if covariance[0] <= 1e-20 * total * max(1.0, mean**2):
        return float(total)
    rho = covariance / covariance[0]
    pairs = rho[: longest // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0.0)
    pairs = np.minimum.accumulate(pairs[: ends[0]] if len(ends) else pairs)
    return float(np.clip(2.0 * pairs.sum() - 1.0, 1.0, total))


def slowest_autocorrelation_time(chains: Sequence[Array], periodic: Sequence[bool]) -> float:
    """Largest g over all CVs, periodic ones through both cos and sin.

    Parameters
    ----------
    chains : sequence of Array, shape (n_m, C)
    periodic : sequence of bool, one per CV

    Returns
    -------
    float
        In samples; NaN without samples. CVs or components that never vary are passed over unless
        none varies.
    """
    times = []
    total = sum(len(c) for c in chains)
    for k, p in enumerate(periodic):
        columns = [np.asarray(c)[:, k] for c in chains]
        maps = (np.cos, np.sin) if p else (np.asarray,)
        for g in maps:
            mapped = [g(c) for c in columns]
            if total and np.ptp(np.concatenate(mapped)) > 1e-12:
                times.append(autocorrelation_time(mapped))
    if not times:
        return float(total) if total else float("nan")
    return max(times)


def effective_samples(chains: Sequence[Array], periodic: Sequence[bool]) -> float:
    """Independent samples in chains (n_m, C) by the slowest CV; 0 without samples."""
    total = sum(len(c) for c in chains)
    return total / slowest_autocorrelation_time(chains, periodic) if total else 0.0


def kish(log_weights: Array) -> float:
    """Kish's effective size (Σw)²/Σw² of weights given as logarithms; 0 without any weight."""
    w = np.asarray(log_weights, dtype=np.float64)
    if not np.isfinite(w).any():
        return 0.0
    return float(np.exp(2.0 * logsumexp(w) - logsumexp(2.0 * w)))


def round_trips(sequences: Sequence[Ints], n_states: int) -> Ints:
    """Round trips i → j → i between every two states, over all replicas, shape (K, K), symmetric.

    What lies between two visits does not matter, so a slow route over a third state counts.

    Parameters
    ----------
    sequences : sequence of Ints, shape (n_m,)
        State labels of each replica in time order; negative ones (no state) are passed over.
    """
    trips = np.zeros((n_states, n_states), dtype=np.int64)
    for labels in sequences:
        s = np.asarray(labels)
        for i in range(n_states):
            for j in range(i):
                visits = s[(s == i) | (s == j)]
                trips[i, j] += np.count_nonzero(np.diff(visits)) // 2
    return trips + trips.T


def passages(sequences: Sequence[Ints], n_states: int) -> tuple[Ints, Ints]:
    """How often each state was left, and how often a replica that had left it came back.

    Parameters
    ----------
    sequences : sequence of Ints, shape (n_m,)
        As in `round_trips`.

    Returns
    -------
    left, returned : Ints, shape (K,)
    """
    left, returned = np.zeros(n_states, dtype=np.int64), np.zeros(n_states, dtype=np.int64)
    for labels in sequences:
        s = np.asarray(labels)
        s = s[s >= 0]
        stays = s[np.insert(np.diff(s) != 0, 0, True)] if len(s) else s
        visits = np.bincount(stays, minlength=n_states)
        left += np.bincount(stays[:-1], minlength=n_states)
        returned += np.maximum(visits - 1, 0)
    return left, returned


def work_overlap(forward: Array, reverse: Array, delta_f: float) -> float:
    """∫ 2 p_F(w) p_R(−w) / (p_F(w) + p_R(−w)) dw, in [0, 1].

    With Crooks' symmetry the integrand is 2 f(w − ∆F), f(x) = 1/(1 + e^x), under p_F, and the same
    under p_R with the sign of w turned; the two estimates are averaged. Infinite works, in kT as
    the others, overlap with nothing.

    Returns
    -------
    float
        0 where a direction has no works or ∆F is not known.
    """
    w_f, w_r = check_works(forward), check_works(reverse)
    if not (len(w_f) and len(w_r) and np.isfinite(delta_f)):
        return 0.0
    value = float(np.mean(fermi(w_f - delta_f)) + np.mean(fermi(w_r + delta_f)))
    return min(value, 1.0)


def _autocovariance(x: Array) -> Array:
    """Σ_i x_i x_{i+t} for all t, shape (n,)."""
    n = len(x)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(x, size)) ** 2
    return np.asarray(np.fft.irfft(spectrum, size)[:n], dtype=np.float64)
