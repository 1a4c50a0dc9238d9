"""How long CVs remember, and how far they get: autocorrelations and mean squared displacements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Curve
from msgen.orchestrator.estimators.dynamics.sums import Estimated, Sums
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def autocorrelation(data: Trajectories, cv: int, lags: Ints) -> Curve:
    r"""Normalised autocorrelation of one CV at lags in frames.

    .. math:: C(τ) = \frac{\sum_j ⟨(f_j(0) - \bar f_j)(f_j(τ) - \bar f_j)⟩}
              {\sum_j ⟨(f_j - \bar f_j)^2⟩}

    f the CV itself, of an angle its cosine and sine (j = 1, 2), so that C does not depend on where
    the circle was cut. Means and variances are those of all frames; within short trajectories the
    common mean of all keeps slow relaxation in C, which a mean for each would take out.
    """
    x = data.features[:, data.feature_columns(cv)]
    at = np.arange(len(x))
    w = data.weight[:, None]
    # moments are taken about a fixed point near the mean, so that nothing cancels
    x = x - (w * x).sum(axis=0) / max(float(w.sum()), 1e-300)
    sums = data.blocks.sum(np.hstack([w, w * x, w * x**2]), at)
    d = x.shape[1]
    for lag in lags.tolist():
        i = data.first_of_pairs(lag)
        wi, a, b = w[i], x[i], x[i + lag]
        sums = sums.joined(data.blocks.sum(np.hstack([wi, wi * a, wi * b, wi * a * b]), i))

    def correlation(s: Array) -> Array:
        head, rest = s[:, : 1 + 2 * d], s[:, 1 + 2 * d :].reshape(len(s), len(lags), 1 + 3 * d)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = head[:, 1 : 1 + d] / head[:, :1]
            variance = (head[:, 1 + d :] / head[:, :1] - mean**2).sum(axis=1)
            a, b, ab = (rest[:, :, 1 + k * d : 1 + (k + 1) * d] / rest[:, :, :1] for k in range(3))
            m = mean[:, None]
            covariance = (ab - m * (a + b) + m**2).sum(axis=2)
            scale = np.where(variance > 1e-20, variance, np.nan)
            return np.asarray(covariance / scale[:, None])

    return _curve(data, lags, sums.estimate(correlation))


def displacement(data: Trajectories, cv: int, lags: Ints, inside: Bools | None = None) -> Curve:
    """Mean squared displacement of one CV at lags in frames, in the square of its unit.

    Angles are followed from frame to frame the shorter way round, so that a displacement may be
    more than half a turn; frames so far apart that an angle turns by more than π between two of
    them cannot tell which way it went.

    Parameters
    ----------
    inside : bool array, shape (N,), optional
        Frames that displacements begin at: those of the transition region; by default all.
    """
    x = data.xi[:, cv]
    if data.periodic[cv]:
        x = np.concatenate([np.unwrap(p[:, cv]) for p in data.paths])
    sums: Sums | None = None
    for lag in lags.tolist():
        i = data.first_of_pairs(lag)
        if inside is not None:
            i = i[inside[i]]
        w = data.weight[i]
        one = data.blocks.sum(np.stack([w, w * (x[i + lag] - x[i]) ** 2], axis=1), i)
        sums = one if sums is None else sums.joined(one)
    if sums is None:
        return Curve((), (), (), "no trajectory is long enough")

    def mean(s: Array) -> Array:
        pairs = s.reshape(len(s), -1, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(pairs[:, :, 1] / pairs[:, :, 0])

    return _curve(data, lags, sums.estimate(mean))


def _curve(data: Trajectories, lags: Ints, told: Estimated) -> Curve:
    never = "the CV does not vary, or no trajectory is long enough"
    why = told.why if np.isfinite(told.value).all() else never
    return Curve.of(lags.astype(np.float64) * data.stride, told.value, told.stderr, why)
