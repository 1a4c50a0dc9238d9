"""Markov models of trajectories: time scales, populations, and whether they are Markov at all.

Cells are k-means clusters of the features, counts those of all pairs of frames at the lag, weighted
by the earlier one. The reversible model of the counts is deeptime's (Trendelkamp-Schroer, Wu, Paul
and Noé, J. Chem. Phys. 143, 174101, 2015); its answers are right (the tests have a chain that is
known), its errors are not used: a Bayesian posterior takes every count for independent of the
others, and pairs that overlap are not (`test_posterior_of_overlapping_counts_is_too_narrow`). Ours
are by blocks of whole trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading
from msgen.orchestrator.estimators.dynamics.slow_modes import Standard
from msgen.orchestrator.estimators.dynamics.sums import Sums
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_CELLS = 50
MOST_FITTED = 20_000
"""Frames that clusters are placed by."""
MOST_SCALES = 3
APART = "the cells are not connected, or would not be without one block of trajectories"


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of CV space into the neighbourhoods of n centres.

    Attributes
    ----------
    standard : Standard
    centres : Array, shape (n, G)
        Standardised features.
    """

    standard: Standard
    centres: Array

    @classmethod
    def of(cls, data: Trajectories, number: int | None = None, seed: int = 0) -> Cells | None:
        """Clusters of the frames; by default one for every 100, `MOST_CELLS` at most.

        None where the CVs do not vary.
        """
        from deeptime.clustering import KMeans

        standard = Standard.of(data)
        if not len(standard.kept):
            return None
        frames = standard(data.features[data.weight > 0])
        if number is None:
            number = min(MOST_CELLS, max(2, len(frames) // 100))
        rows = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FITTED)).astype(np.int64)
        chosen = frames[rows]
        few = np.unique(chosen, axis=0)
        if len(few) <= number:
            return cls(standard, few)
        # one thread: the order of sums, and so the last bit, depends on how many there are
        kmeans = KMeans(number, max_iter=200, fixed_seed=seed, n_jobs=1)
        model = kmeans.fit(chosen, n_jobs=1).fetch_model()
        return cls(standard, np.unique(np.asarray(model.cluster_centers, np.float64), axis=0))

    def __len__(self) -> int:
        return len(self.centres)

    def assign(self, data: Trajectories) -> Ints:
        """The cell of every frame, shape (N,)."""
        _, nearest = cKDTree(self.centres).query(self.standard(data.features))
        return np.asarray(nearest, dtype=np.int64)


def counts(data: Trajectories, cell: Ints, n: int, lag: int) -> Sums:
    """Weight of transitions i → j at `lag` frames, column i·n + j, by block."""
    i = data.first_of_pairs(lag)
    return data.blocks.count(cell[i] * n + cell[i + lag], n * n, i, data.weight[i])


@dataclass(frozen=True, eq=False)
class Fit:
    """The reversible Markov model of one matrix of counts.

    Attributes
    ----------
    inside : int array, shape (m,)
        The largest set of cells that can all be reached from each other.
    share : float
        Of all counts, those that start in there.
    transition : Array, shape (m, m)
    stationary : Array, shape (m,)
    """

    inside: Ints
    share: float
    transition: Array
    stationary: Array

    @classmethod
    def of(cls, c: Array) -> Fit:
        """By maximum likelihood under detailed balance; c is (n, n)."""
        from deeptime.markov.msm import MaximumLikelihoodMSM

        _, label = connected_components(c > 0, directed=True, connection="strong")
        weight = np.bincount(label, c.sum(axis=1))
        inside = np.flatnonzero(label == int(weight.argmax()))
        share = float(weight.max() / max(c.sum(), 1e-300))
        sub = c[np.ix_(inside, inside)]
        if len(inside) < 2:
            return cls(inside, share, np.ones((1, 1)), np.ones(1))
        # counts of small weight would look like none to its thresholds
        scaled = sub / sub.sum() * len(sub) * 1e3
        model = MaximumLikelihoodMSM(reversible=True).fit_from_counts(scaled).fetch_model()
        t = np.asarray(model.transition_matrix, dtype=np.float64)
        return cls(inside, share, t, np.asarray(model.stationary_distribution, dtype=np.float64))

    def time_scales(self, lag: float, number: int) -> Array:
        r"""Implied time scales −τ/ln λᵢ, slowest first, NaN for those that are not there."""
        root = np.sqrt(self.stationary)
        symmetric = root[:, None] * self.transition / root
        values = np.linalg.eigvalsh(0.5 * (symmetric + symmetric.T))[::-1][1 : 1 + number]
        out = np.full(number, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[: len(values)] = np.where(
                (values > 0) & (values < 1), -lag / np.log(values), np.nan
            )
        return out

    def slow(self) -> Array:
        """The second right eigenvector on all cells inside, shape (m,)."""
        root = np.sqrt(self.stationary)
        symmetric = root[:, None] * self.transition / root
        _, vectors = np.linalg.eigh(0.5 * (symmetric + symmetric.T))
        return np.asarray(vectors[:, -2] / root)

    def populations(self, membership: Array) -> Array:
        """Of sets, by the share of each cell in each, `membership` (n, S) → (S,)."""
        return np.asarray(self.stationary @ membership[self.inside])


@dataclass(frozen=True)
class MarkovModel:
    """A reversible Markov model, as it is told.

    Attributes
    ----------
    lag : float
        In the unit of the trajectories.
    cells : int
    connected : float
        Share of the counts in the cells that can be reached from each other; the model is of them.
    time_scales : Curve
        Implied time scales by rank, 1 the slowest.
    slowest : Curve
        The slowest against the lag: level where the cells are Markov.
    populations : Mapping of str to Reading
        Stationary populations of the states.
    """

    lag: float
    cells: int
    connected: float
    time_scales: Curve
    slowest: Curve
    populations: dict[str, Reading]


def markov_model(
    data: Trajectories, cells: Cells, lag: int, membership: dict[str, Array], lags: Ints
) -> MarkovModel:
    """Fit at `lag` frames, and the slowest time scale at all of `lags`.

    Parameters
    ----------
    membership : dict of str to Array, shape (n,)
        For each state the share of each cell that is in it, see `shares`.
    """
    cell, n = cells.assign(data), len(cells)
    sets = np.stack([*membership.values(), np.zeros(n)], axis=1)
    time = lag * data.stride
    full = Fit.of(counts(data, cell, n, lag).values.sum(axis=0).reshape(n, n))

    def at_lag(rows: Array) -> Array:
        fits = [Fit.of(row.reshape(n, n)) for row in rows]
        told = [[f.time_scales(time, MOST_SCALES), f.populations(sets)] for f in fits]
        return np.array(
            [_of_whole(f, full, np.concatenate(t)) for f, t in zip(fits, told, strict=True)]
        )

    told = counts(data, cell, n, lag).estimate(at_lag)
    value, stderr = told.value, told.stderr
    scales = np.array([_slowest(data, cell, n, int(one)) for one in lags]).reshape(-1, 2)
    ranks = np.arange(1.0, 1 + MOST_SCALES)
    populations = {
        name: Reading.of(float(value[MOST_SCALES + k]), float(stderr[MOST_SCALES + k]), APART)
        for k, name in enumerate(membership)
    }
    return MarkovModel(
        time,
        n,
        full.share,
        Curve.of(ranks, value[:MOST_SCALES], stderr[:MOST_SCALES], APART),
        Curve.of(lags.astype(np.float64) * data.stride, scales[:, 0], scales[:, 1], APART),
        populations,
    )


def _slowest(data: Trajectories, cell: Ints, n: int, lag: int) -> tuple[float, float]:
    """The slowest time scale at a lag in frames, and its error."""
    sums = counts(data, cell, n, lag)
    full = Fit.of(sums.values.sum(axis=0).reshape(n, n))

    def scale(rows: Array) -> Array:
        fits = [Fit.of(row.reshape(n, n)) for row in rows]
        return np.array([_of_whole(f, full, f.time_scales(lag * data.stride, 1)) for f in fits])

    told = sums.estimate(scale)
    return float(told.value[0]), float(told.stderr[0])


def _of_whole(fit: Fit, full: Fit, told: Array) -> Array:
    """NaN where the largest set is another one than that of all trajectories."""
    return told if fit.share >= 0.99 * full.share else np.full(len(told), np.nan)


def shares(data: Trajectories, cell: Ints, n: int, label: Ints, number: int) -> Array:
    """Share of the weight of each cell that has each label (−1: none), shape (n, number)."""
    total = np.bincount(cell, data.weight, minlength=n)
    kept = label >= 0
    flat = cell[kept] * number + label[kept]
    found = np.bincount(flat, data.weight[kept], minlength=n * number).reshape(n, number)
    return np.asarray(found / np.maximum(total, 1e-300)[:, None])
