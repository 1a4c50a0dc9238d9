"""The slowest linear directions of the CVs (TICA), and how much is slow at all (VAMP-2).

Covariances are summed here, weighted and by blocks of trajectories; what is made of them is
deeptime's (Hoffmann et al., Mach. Learn.: Sci. Technol. 3, 015009, 2022), which the tests hold
against chains whose answers are known. It gives no errors for either; those are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.sums import Sums
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

if TYPE_CHECKING:
    from deeptime.covariance import CovarianceModel

Array = NDArray[np.float64]

MOST_MODES = 2
LEAST_PAIRS = 10
"""Lags of data for each feature; noise alone makes a score of fewer."""


@dataclass(frozen=True, eq=False)
class Standard:
    """Features about their mean, in units of their spread; those that do not vary are left out.

    Neither TICA nor VAMP-2 depends on it but through rounding.

    Attributes
    ----------
    kept : int array, shape (G,)
    mean, spread : Array, shape (G,)
    """

    kept: NDArray[np.int64]
    mean: Array
    spread: Array

    @classmethod
    def of(cls, data: Trajectories) -> Standard:
        """By the frames of some trajectories."""
        w = data.weight / data.weight.sum()
        mean = w @ data.features
        spread = np.sqrt(w @ (data.features - mean) ** 2)
        kept = np.flatnonzero(spread > 1e-8 * np.maximum(np.abs(mean), 1.0))
        return cls(kept, mean[kept], spread[kept])

    def __call__(self, features: Array) -> Array:
        """(n, F) → (n, G)."""
        return np.asarray((features[:, self.kept] - self.mean) / self.spread)


def moments(data: Trajectories, standard: Standard, lag: int) -> Sums:
    """Sums of 1, f, f′, f fᵀ, f f′ᵀ and f′ f′ᵀ over pairs of frames `lag` apart, by block."""
    f, i = standard(data.features), data.first_of_pairs(lag)
    g, n = f.shape[1], len(data.blocks.group)
    block = data.blocks.of_frame[i]
    out = np.zeros((n, 1 + 2 * g + 3 * g * g))
    for b in range(n):
        mine = i[block == b]
        w, a, z = data.weight[mine, None], f[mine], f[mine + lag]
        parts = [np.atleast_1d(w.sum()), (w * a).sum(axis=0), (w * z).sum(axis=0)]
        parts += [(x.T @ (w * y)).ravel() for x, y in ((a, a), (a, z), (z, z))]
        out[b] = np.concatenate(parts)
    return Sums(out, data.blocks.group, data.blocks.weight)


def _covariances(row: Array, reversible: bool) -> CovarianceModel:
    """deeptime's model of one row of moments."""
    from deeptime.covariance import CovarianceModel

    g = round((np.sqrt(1.0 + 3.0 * (len(row) - 1)) - 1.0) / 3.0)
    n, m0, mt = row[0], row[1 : 1 + g] / row[0], row[1 + g : 1 + 2 * g] / row[0]
    c00, c0t, ctt = (row[1 + 2 * g :] / n).reshape(3, g, g)
    if reversible:
        m0 = mt = 0.5 * (m0 + mt)
        c00 = ctt = 0.5 * (c00 + ctt)
        c0t = 0.5 * (c0t + c0t.T)
    return CovarianceModel(
        cov_00=c00 - np.outer(m0, m0),
        cov_0t=c0t - np.outer(m0, mt),
        cov_tt=ctt - np.outer(mt, mt),
        mean_0=m0,
        mean_t=mt,
        symmetrized=reversible,
        data_mean_removed=True,
    )


@dataclass(frozen=True, eq=False)
class Tica:
    """Slow directions of features.

    Attributes
    ----------
    standard : Standard
    directions : Array, shape (G, m)
        Of standardised features; each component has variance 1.
    eigenvalues : Array, shape (m,)
        Autocorrelations of the components at the lag.
    """

    standard: Standard
    directions: Array
    eigenvalues: Array

    @classmethod
    def fit(cls, data: Trajectories, lag: int) -> Tica | None:
        """By covariances at `lag` frames made symmetric; None where nothing varies.

        Perez-Hernandez et al., J. Chem. Phys. 139, 015102 (2013).
        """
        from deeptime.decomposition import TICA

        standard = Standard.of(data)
        row = moments(data, standard, lag).values.sum(axis=0)
        if not len(standard.kept) or not row[0] > 0:
            return None
        model = (
            TICA(scaling=None)
            .fit_from_covariances(_covariances(row, reversible=True))
            .fetch_model()
        )
        directions = np.asarray(model.singular_vectors_left, dtype=np.float64)[:, :MOST_MODES]
        # a direction has no sign: it goes with the feature it depends on most
        sign = np.sign(directions[np.abs(directions).argmax(axis=0), range(directions.shape[1])])
        values = np.asarray(model.singular_values, dtype=np.float64)[:MOST_MODES]
        return cls(standard, directions * sign, values)

    def __call__(self, data: Trajectories) -> Array:
        """Components of all frames, shape (N, m)."""
        return np.asarray(self.standard(data.features) @ self.directions)


def vamp2(data: Trajectories, standard: Standard, lag: int) -> Reading:
    r"""VAMP-2 score of the features at `lag` frames, the constant function among them.

    .. math:: R_2 = 1 + \| C_{00}^{-1/2} C_{0τ} C_{ττ}^{-1/2} \|_F^2

    (Wu and Noé, J. Nonlinear Sci. 30, 23, 2020): 1 where nothing is remembered; at equal physical
    lag it can be compared between trajectories of different strides. It is that of the very data
    that it is told of: noise adds to it about (features)² over independent pairs.
    """
    if not len(standard.kept):
        return Reading.unknown("nothing varies")
    apart, features = len(data.first_of_pairs(lag)) / lag, len(standard.kept)
    if apart < LEAST_PAIRS * features:
        return Reading.unknown(f"{apart:.0f} lags of data are too few for {features} features")
    sums = moments(data, standard, lag)
    told = sums.estimate(lambda rows: np.array([[_score(row)] for row in rows]))
    return Reading.of(float(told.value[0]), float(told.stderr[0]), told.why)


def _score(row: Array) -> float:
    from deeptime.decomposition import VAMP

    if not row[0] > 0:
        return float("nan")
    model = VAMP().fit_from_covariances(_covariances(row, reversible=False)).fetch_model()
    return float(model.score(2))
