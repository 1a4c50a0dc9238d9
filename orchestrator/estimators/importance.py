"""Importance sampling with self-normalised weights: ln Z, effective size, shares, and errors.

Weights w = ρ*(x)/q(x) of draws x ~ q, with ρ* = e^{−U/kT} not normalised, come as logarithms; −inf
is a draw outside the target. Errors are by influence functions, summed over independent units:
draws of one unit may be correlated, as those of one chain are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.orchestrator.estimators.diagnostics import kish
from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.stratified import Populations

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCKS = 256
"""Blocks into which independent draws are put, so that influences of many bins stay small."""

effective_size = kish
"""Kish's (Σw)²/Σw² of log weights; see `diagnostics.kish`."""


@dataclass(frozen=True)
class Units:
    """Independent units of draws, numbered 0 … G − 1.

    Attributes
    ----------
    labels : Ints, shape (G,)
        The number each had where it came from, ascending.
    of : Ints, shape (n,)
        Which one each draw belongs to.
    """

    labels: Ints
    of: Ints

    @classmethod
    def read(cls, unit: Ints | None, n: int) -> Units:
        """`unit` (n,) as given, or every draw its own.

        Raises
        ------
        ValueError
            For another number of units than draws.
        """
        if unit is None:
            return cls(np.arange(n), np.arange(n))
        given = np.asarray(unit, dtype=np.int64)
        if given.shape != (n,):
            raise ValueError(f"{n} draws need {n} unit numbers, not {given.shape}")
        labels, of = np.unique(given, return_inverse=True)
        return cls(labels.astype(np.int64), of.astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def sums(self, values: Array) -> Array:
        """Sum of `values` (n,) over the draws of each unit, shape (G,)."""
        return np.bincount(self.of, weights=values, minlength=len(self)).astype(np.float64)


def few(n_units: int) -> float:
    """Factor on the root of summed squared influences of so many units; NaN for fewer than two."""
    if n_units < 2:
        return float("nan")
    return float(np.sqrt(n_units / (n_units - 1)) * inflation(n_units - 1))


def log_mean(log_w: Array, unit: Ints | None = None) -> tuple[float, float]:
    """ln of the mean weight, which is ln Z = ln ∫ρ* dx for draws of a normalised q.

    Parameters
    ----------
    log_w : Array, shape (n,)
        ln ρ*(x) − ln q(x).
    unit : Ints, shape (n,), optional
        Draws with the same number may be correlated; by default none are.

    Returns
    -------
    value, stderr : float
        (−inf, NaN) where every weight is zero. The error is of first order, σ = σ(w)/(w̄√n) for
        independent draws, and too small where few draws hold the weight: see `pareto.pareto_k`.

    Raises
    ------
    ValueError
        For NaN or +inf weights, or none.
    """
    value, influence, _ = log_mean_influence(log_w, unit)
    return value, few(len(influence)) * float(np.sqrt(np.sum(influence**2)))


def log_mean_influence(log_w: Array, unit: Ints | None = None) -> tuple[float, Array, Ints]:
    """As `log_mean`: the value, its influence per unit (G,), and the units' numbers (G,).

    δ_g ln w̄ = Σ_{i∈g} (w_i/w̄ − 1)/n, which sums to zero.
    """
    w = check_log_weights(log_w)
    units = Units.read(unit, len(w))
    value = float(logsumexp(w)) - float(np.log(len(w)))
    if not np.isfinite(value):
        return value, np.full(len(units), np.nan), units.labels
    return value, units.sums(np.exp(w - value) - 1.0) / len(w), units.labels


def shares(log_w: Array, member: Array | Ints, unit: Ints | None = None, n: int = 0) -> Populations:
    """Populations p_k = Σ w m_k / Σ w of regions or bins, with influences per unit.

    .. math:: δ_g \\ln p_k = \\sum_{i \\in g} w_i (m_{ik}/p_k - 1) / \\sum_i w_i

    Parameters
    ----------
    log_w : Array, shape (n_draws,)
    member : Array, shape (n_draws, K), or Ints, shape (n_draws,)
        What part of each draw counts for region k (0 or 1, mostly); or the one region it is in,
        negative for none.
    unit : Ints, shape (n_draws,), optional
        As in `log_mean`. Independent draws are put into `BLOCKS` blocks.
    n : int
        K, where `member` holds labels.

    Returns
    -------
    Populations
        `f` = −ln p in kT (NaN where no weight is), `stderr`, `difference`, `surface`; regions need
        not be disjoint, nor all of space.

    Raises
    ------
    ValueError
        For NaN or +inf weights, or none that is positive.
    """
    w = check_log_weights(log_w)
    if not np.isfinite(w).any():
        raise ValueError("every weight is zero")
    if unit is None:
        unit = np.arange(len(w)) % min(BLOCKS, len(w))
    units = Units.read(unit, len(w))
    p = np.exp(w - logsumexp(w))
    total = units.sums(p)
    m = np.asarray(member)
    if m.ndim == 1:
        inside = m >= 0
        index = units.of[inside] * n + m[inside].astype(np.int64)
        sums = np.bincount(index, weights=p[inside], minlength=len(units) * n)
        by_unit = sums.reshape(len(units), n).astype(np.float64)
    else:
        columns = m.T.astype(np.float64)
        by_unit = np.array([units.sums(p * c) for c in columns]).T.reshape(len(units), len(columns))
    return summed_shares(by_unit, total)


def summed_shares(sums: Array, total: Array) -> Populations:
    """As `shares`, of weights summed over G units: those in each region (G, K), and all (G,)."""
    share = sums.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(share > 0, -np.log(share / total.sum()), np.nan)
        influence = np.where(share > 0, sums / share - (total / total.sum())[:, None], np.nan)
    return Populations(f, influence, few(len(total)))


def spread_of_mean(sums: Array, counts: Array) -> float:
    """The error of `log_mean`, of weights and draws summed over units, both shape (G,)."""
    influence = sums / sums.sum() - counts / counts.sum()
    return few(len(sums)) * float(np.sqrt(np.sum(influence**2)))


def with_unseen(populations: Populations, unseen: Array) -> Populations:
    """With what each region's weights hold beyond the largest drawn, as units more.

    Parameters
    ----------
    populations : Populations
        Of K regions that do not overlap and hold all the weight.
    unseen : Array, shape (K,)
        See `tail_index.TailIndex.unseen`. A share t more of the weight in region s changes ln p_k
        by t (δ_sk − p_s); where t is not known, neither is the error of that region.
    """
    p = np.nan_to_num(np.exp(-populations.f))
    # a region without any draw has no population to be wrong about
    t = np.where(p > 0, unseen, 0.0)[:, None]
    own = np.eye(len(p), dtype=bool)
    # the others lose no more than all that the region has
    change = np.where(own, t * (1.0 - p), -np.nan_to_num(t, nan=1.0) * p[:, None])
    return Populations(
        populations.f, np.concatenate([populations.influence, change]), populations.scale
    )


def check_log_weights(log_w: Array) -> Array:
    """Log weights as float64 (n,); ValueError for none, NaN or +inf."""
    w = np.asarray(log_w, dtype=np.float64).ravel()
    if not len(w):
        raise ValueError("no weights")
    if np.isnan(w).any() or np.isposinf(w).any():
        raise ValueError("a log weight is NaN or +inf; a draw outside the target has −inf")
    return w
