r"""VAMP-2 against lag: what one lag says of several, beside what is seen.

On features f of covariance C₀₀ the best linear prediction a lag ahead is M(τ) = C₀₀⁻¹ C₀τ, and

.. math:: R(kτ) = 1 + \| C_{00}^{1/2} M(kτ) C_{ττ}^{-1/2} \|_F^2

is the VAMP-2 score (Wu and Noé, J. Nonlinear Sci. 30, 23, 2020). With M(τ)^k for M(kτ) it is what
a Markov chain would show whose features close among themselves.

The two sides tell different things. Let positions be a reversible Markov chain of a positive T and
P project on the features. On the i directions that span the largest eigenvalues of PTP, λ_i at the
least, Jensen's inequality is ⟨v, Tᵏv⟩ ≥ ⟨v, Tv⟩ᵏ ≥ λ_iᵏ: no eigenvalue of PTᵏP is below that of
(PTP)ᵏ, and features that do not close make the score fall slower. A score that falls faster is no
fault of the CVs: velocities are remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from msgen.orchestrator.estimators.dynamics.slow_modes import LEAST_PAIRS, Standard, moments
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]

STEPS = (2, 3, 4, 5)
SURE = 0.99
"""Of all lags together, that a Markov chain of closed features passes."""
_SMALL = 1e-8
"""Of the largest variance: directions with less say nothing."""

Falls = Literal["faster", "slower"]


@dataclass(frozen=True)
class VampLags:
    """The score at k strides.

    Attributes
    ----------
    steps : tuple of int
    seen, predicted : Array, shape (K,)
    difference, stderr : Array, shape (K,)
        Seen minus predicted, the jackknife's bias taken off; errors NaN without ground.
    falls : {'faster', 'slower'} or None
        Than a Markov chain's, at the lag where that is clearest; None within chance.
    """

    steps: tuple[int, ...]
    seen: Array
    predicted: Array
    difference: Array
    stderr: Array
    falls: Falls | None


def vamp_against_lag(data: Trajectories) -> VampLags | None:
    """At one stride and several; None where trajectories are too short or too few."""
    standard = Standard.of(data)
    g = len(standard.kept)
    steps = tuple(k for k in STEPS if k < int(data.lengths.max()))
    if not g or not steps or len(data.first_of_pairs(steps[-1])) < steps[-1] * LEAST_PAIRS * g:
        return None
    sums = moments(data, standard, 1)
    for k in steps:
        sums = sums.joined(moments(data, standard, k))

    def scores(rows: Array) -> Array:
        each = rows.reshape(len(rows), 1 + len(steps), -1)
        return np.array([_scores(one, steps, g) for one in each])

    told = sums.estimate(scores)
    seen, predicted, difference = told.value.reshape(3, -1)
    bias, stderr = (x.reshape(3, -1)[2] for x in (told.bias, told.stderr))
    difference = difference - np.nan_to_num(bias)
    known = np.isfinite(stderr) & (stderr > 0)
    falls: Falls | None = None
    if known.any():
        ratio = np.where(known, difference / np.where(known, stderr, 1.0), 0.0)
        chance, blocks = 0.5 * (1.0 - SURE), len(data.blocks.group)
        limit = t.ppf(1.0 - chance / int(known.sum()), max(blocks - 1, 1))
        worst = float(ratio[np.argmax(np.abs(ratio))])
        if abs(worst) > limit:
            falls = "faster" if worst < 0 else "slower"
    return VampLags(steps, seen, predicted, difference, stderr, falls)


def _scores(rows: Array, steps: tuple[int, ...], g: int) -> Array:
    """Seen, predicted and their difference, one after the other, shape (3K,)."""
    if not (rows[:, 0] > 0).all():
        return np.full(3 * len(steps), np.nan)
    first = _covariances(rows[0], g)
    one = _inverse(first[0], -1.0) @ first[1]
    seen, predicted = list[float](), list[float]()
    for k, row in zip(steps, rows[1:], strict=True):
        c00, c0t, ctt = _covariances(row, g)
        root, other = _inverse(c00, 0.5), _inverse(ctt, -0.5)
        for out, ahead in (
            (seen, _inverse(c00, -1.0) @ c0t),
            (predicted, np.linalg.matrix_power(one, k)),
        ):
            # f′ = Mᵀ f in the mean, and M Cττ^{-1/2} is what is left of it in units of f′
            out.append(1.0 + float(((root @ ahead @ other) ** 2).sum()))
    return np.concatenate([seen, predicted, np.subtract(seen, predicted)])


def _covariances(row: Array, g: int) -> tuple[Array, Array, Array]:
    n, m0, mt = row[0], row[1 : 1 + g] / row[0], row[1 + g : 1 + 2 * g] / row[0]
    c00, c0t, ctt = (row[1 + 2 * g :] / n).reshape(3, g, g)
    return c00 - np.outer(m0, m0), c0t - np.outer(m0, mt), ctt - np.outer(mt, mt)


def _inverse(c: Array, power: float) -> Array:
    """c to a power, on the directions that vary."""
    values, vectors = np.linalg.eigh(0.5 * (c + c.T))
    kept = values > _SMALL * values[-1]
    return np.asarray((vectors[:, kept] * values[kept] ** power) @ vectors[:, kept].T)
