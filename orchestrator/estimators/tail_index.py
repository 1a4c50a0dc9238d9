"""How heavy the tail of importance weights is, with an error of its own, in groups of draws.

A largest weight that was not drawn makes the mean too low, the spread too low and k̂ too low, all at
once. So k̂ is fitted to disjoint batches of draws and told with its error, and the error of a mean
has what the tail is expected to hold beyond the largest weight drawn, the more the smaller that
happens to be: of weights u^{−k} it covers up to k = 0.7, where σ(w)/√n alone does up to 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.pareto import PRIOR_K, PRIOR_WEIGHT, fit_pareto, tail_length

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 5
"""Excesses of a batch that is fitted."""
LIGHTEST = -1.0
"""k of weights whose largest are all equal: less is no lighter for an error."""
BOUND = 1.64
"""Errors of k̂ in its upper bound, which the exponent is below in 95 of 100 cases."""
MOST_BEYOND = 3.0
"""Draws beyond the largest of n that n more are expected to hold: more in 5 of 100 cases, and where
weights are equal."""
_COLUMNS = 5


@dataclass(frozen=True)
class TailIndex:
    """Generalised Pareto tails of the weights in G groups, batch by batch.

    Attributes
    ----------
    fits : Array, shape (batches, G, 5)
        Exponent k without a prior, excesses M, draws, ln of the threshold and ln of the scale; of
        a group that had too few draws in a batch M is 0.
    largest : Array, shape (G,), or None
        ln of the largest weight of each group, −inf before any; None in a run that did not keep it.
    """

    fits: Array
    largest: Array | None = None

    @classmethod
    def empty(cls, groups: int) -> TailIndex:
        """No batch yet."""
        return cls(np.zeros((0, groups, _COLUMNS)), np.full(groups, -np.inf))

    def with_batch(self, log_w: Array, groups: list[NDArray[np.bool_]]) -> TailIndex:
        """And a batch more, independent of the others.

        Parameters
        ----------
        log_w : Array, shape (n,)
            Checked; −inf for draws outside the target.
        groups : list of bool array, shape (n,)
            Which draws are in each group; they may overlap.
        """
        rows = np.array([_fitted(log_w[mine]) for mine in groups])
        largest = self.largest
        if largest is not None:
            now = np.array([np.max(log_w[mine], initial=-np.inf) for mine in groups])
            largest = np.maximum(largest, now)
        return TailIndex(np.concatenate([self.fits, rows[None]]), largest)

    @property
    def excesses(self) -> Array:
        """Weights in the tails of all batches, shape (G,)."""
        return np.asarray(self.fits[..., 1].sum(axis=0))

    @property
    def exponent(self) -> Array:
        """k̂, shape (G,), drawn towards 0.5 with the weight of ten excesses; NaN without a fit."""
        m = self.excesses
        mean = np.sum(self.fits[..., 0] * self.fits[..., 1], axis=0)
        return np.where(m > 0, (mean + PRIOR_WEIGHT * PRIOR_K) / (m + PRIOR_WEIGHT), np.nan)

    @property
    def stderr(self) -> Array:
        """Of k̂: (1 + k)/√M, that of maximum likelihood (Smith, Ann. Stat. 15, 1174, 1987)."""
        with np.errstate(divide="ignore"):
            return (1.0 + np.maximum(self.exponent, 0.0)) / np.sqrt(self.excesses)

    @property
    def upper(self) -> Array:
        """Upper bound of k, shape (G,); +inf where nothing is known."""
        return np.nan_to_num(self.exponent + BOUND * self.stderr, nan=np.inf)

    def unseen(self, log_total: Array, draws: Array) -> Array:
        """What the tail is expected to hold beyond the largest weight drawn, over the weight drawn.

        With v the largest weight, t the threshold and s the scale of the M largest of n draws,

        .. math:: \\int_v^\\infty w\\, p(w)\\, dw = \\frac{M}{n}
                  \\Big(1 + k \\frac{v - t}{s}\\Big)^{-1/k}
                  \\Big(v + \\frac{s + k (v - t)}{1 - k}\\Big)

        It is what the mean of weights without a variance scatters by: a mean that is low for want
        of a large weight has much of it. Where v was not kept it is the weight that one of n draws
        is expected to exceed. k is taken one error above k̂, for that error.

        Parameters
        ----------
        log_total, draws : Array, shape (G,)
            ln of the sum of the weights, and their number, of the groups whose tails these are.

        Returns
        -------
        Array, shape (G,)
            NaN where the upper bound of k allows that the mean does not exist.
        """
        out = np.full(self.fits.shape[1], np.nan)
        for g in np.flatnonzero(self.upper < 1.0):
            # at k = 0 the formulas have limits that a small k is near enough to
            k = max(float(self.exponent[g] + self.stderr[g]), 1e-3)
            _, m, n, log_cut, log_scale = self.fits[self.fits[:, g, 1] > 0, g].T
            cut = np.exp(log_cut - log_total[g])
            scale = np.maximum(np.exp(log_scale - log_total[g]), 1e-300)
            if self.largest is None:
                above = scale * np.expm1(k * np.log(np.maximum(draws[g] * m / n, 1.0))) / k
            else:
                above = np.maximum(np.exp(self.largest[g] - log_total[g]) - cut, 0.0)
            number = draws[g] * m / n * np.exp(-np.log1p(k * above / scale) / k)
            number = np.minimum(number, MOST_BEYOND)
            mean = cut + above + (scale + k * above) / (1.0 - k)
            out[g] = np.average(number * mean, weights=m)
        return out


def _fitted(log_w: Array) -> Array:
    """A row of `TailIndex.fits`."""
    n = len(log_w)
    m = tail_length(n)
    ordered = np.sort(log_w)
    if m < FEWEST or n <= m or not np.isfinite(ordered[-m]):
        return np.array([0.0, 0.0, float(n), 0.0, 0.0])
    top = float(ordered[-1])
    cut = float(np.exp(ordered[-m - 1] - top))
    excess = np.exp(ordered[-m:] - top) - cut
    k, scale = LIGHTEST, 1e-12
    if excess[-1] > 1e-12:
        shrunk, scale = fit_pareto(excess)
        k = max((shrunk * (m + PRIOR_WEIGHT) - PRIOR_WEIGHT * PRIOR_K) / m, LIGHTEST)
    log_cut = top + float(np.log(max(cut, 1e-300)))
    return np.array([k, float(m), float(n), log_cut, top + float(np.log(max(scale, 1e-300)))])
