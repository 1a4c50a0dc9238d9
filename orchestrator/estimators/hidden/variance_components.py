"""How much of a variance lies between units: one-way random effects on block means.

A reading of unit u in block b is μ + a_u + e_ub: a_u, of variance σ_b², is what the unit never
forgets, e_ub the mean of a block (Searle, Casella and McCulloch, Variance Components, 1992, ch. 3).
Blocks longer than the memory of what is looked at are independent; where memory is longer than a
block, units differ by what they have not forgotten yet, which is what is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import f as fisher
from scipy.stats import rankdata

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

SURE = 0.95
"""Of a one-sided bound."""
FLAT = 1e-20
"""Variance, relative to the square of the mean, of what never varies."""


@dataclass(frozen=True)
class Components:
    """Of H scalars; each of shape (H,).

    Attributes
    ----------
    between : Array
        σ_b², an estimate that is not negative.
    share, lower, upper : Array
        σ_b²/(σ_b² + σ_w²), the intraclass correlation, and one-sided bounds of it; NaN for what
        never varies.
    p : Array
        Chance of such a spread of units that do not differ: twice the smaller of the F test's on
        block means, which sees few units far away, and on their normal scores, which no tail of a
        distribution deceives. 1 for what never varies.
    """

    between: Array
    share: Array
    lower: Array
    upper: Array
    p: Array


def components(block_means: Array, within: Array) -> Components:
    """Variance between units.

    Parameters
    ----------
    block_means : Array, shape (U, B, H)
    within : Array, shape (H,)
        Variance of single readings within a unit.
    """
    units, blocks, _ = block_means.shape
    mean_square, residual = _squares(block_means)
    top, bottom = units - 1, units * (blocks - 1)
    level = block_means.mean(axis=(0, 1))
    varies = mean_square + residual > FLAT * (1.0 + level**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(varies, mean_square / residual, np.nan)
        between = np.maximum(mean_square - residual, 0.0) / blocks

        scored = _squares(_normal_scores(block_means))
        p = _either(ratio, scored[0] / scored[1], top, bottom)
    low, high = fisher.ppf(SURE, top, bottom), fisher.ppf(1.0 - SURE, top, bottom)
    return Components(
        between=between,
        share=_share(ratio, blocks, residual, within),
        lower=_share(ratio / low, blocks, residual, within),
        upper=_share(ratio / high, blocks, residual, within),
        p=np.where(varies, p, 1.0),
    )


def between_groups(unit_means: Array, group: Ints, within: Array) -> Components:
    """The same between groups of units, whose means are the independent readings.

    Parameters
    ----------
    unit_means : Array, shape (U, H)
    group : Ints, shape (U,)
        At least two groups, and fewer than there are units.
    within : Array, shape (H,)
        Variance of single readings within a unit.
    """
    labels, member = np.unique(group, return_inverse=True)
    number = np.bincount(member).astype(float)
    units, groups = len(unit_means), len(labels)
    if not 2 <= groups < units:
        raise ValueError(f"{units} units in {groups} groups have nothing to be compared")
    # units of a group where all were alike
    each = (units - np.sum(number**2) / units) / (groups - 1)

    def squares(x: Array) -> tuple[Array, Array]:
        means = np.array([x[member == g].mean(axis=0) for g in range(groups)])
        about = means - x.mean(axis=0)
        top = (number[:, None] * about**2).sum(axis=0) / (groups - 1)
        return top, ((x - means[member]) ** 2).sum(axis=0) / (units - groups)

    top, bottom = squares(unit_means)
    varies = top + bottom > FLAT * (1.0 + unit_means.mean(axis=0) ** 2)
    between = np.maximum(top - bottom, 0.0) / each
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(varies, top / bottom, np.nan)
        scored = squares(_normal_scores(unit_means[:, None])[:, 0])
        p = _either(ratio, scored[0] / scored[1], groups - 1, units - groups)

    freedom = groups - 1, units - groups
    rest = bottom + within
    return Components(
        between=between,
        share=_share(ratio, each, bottom, rest),
        lower=_share(ratio / fisher.ppf(SURE, *freedom), each, bottom, rest),
        upper=_share(ratio / fisher.ppf(1.0 - SURE, *freedom), each, bottom, rest),
        p=np.where(varies, p, 1.0),
    )


def _share(f: Array, number: float, noise: Array, within: Array) -> Array:
    """Share of σ_b² = (F − 1)·noise/number, with `within` beside it; 1 where there is no noise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.maximum(f - 1.0, 0.0) / number * noise
        return np.where(np.isinf(f), 1.0, between / (between + within))


def _either(plain: Array, scored: Array, top: int, bottom: int) -> Array:
    """Chance that the larger of two F ratios of the same units is by chance; NaN counts as none."""
    both = np.nan_to_num(fisher.sf(np.stack([plain, scored]), top, bottom), nan=1.0)
    return np.asarray(np.minimum(1.0, 2.0 * both.min(axis=0)))


def _squares(means: Array) -> tuple[Array, Array]:
    """Mean squares between units and within them, (U, B, H) → (H,) each."""
    units, blocks, _ = means.shape
    of_unit = means.mean(axis=1)
    top = blocks * of_unit.var(axis=0, ddof=1)
    bottom = ((means - of_unit[:, None]) ** 2).sum(axis=(0, 1)) / (units * (blocks - 1))
    return np.asarray(top), np.asarray(bottom)


def _normal_scores(means: Array) -> Array:
    """Blom's normal scores of all means of a column, in their shape."""
    flat = means.reshape(-1, means.shape[-1])
    scores = ndtri((rankdata(flat, axis=0) - 0.375) / (len(flat) + 0.25))
    return np.asarray(scores).reshape(means.shape)
