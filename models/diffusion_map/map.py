"""Diffusion maps of a subsample: slow coordinates from data alone.

With the kernel K_ij = exp(−d_ij²/4ε) and q_i = Σ_j K_ij, eigenvectors of the row-normalised
K_ij (q_i q_j)^−α (R. R. Coifman and S. Lafon, Appl. Comput. Harmon. Anal. 21, 5 (2006)). α = 1
takes the density of the landmarks out of it. The kernel, ε (T. Berry, D. Giannakis and J. Harlim,
Phys. Rev. E 91, 032915 (2015)) and q are pydiffmap's; the eigenvectors are found from the symmetric
form of the matrix, because ARPACK as pydiffmap calls it starts at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from pydiffmap.diffusion_map import DiffusionMap as PyDiffusionMap

from msgen.models.base import Array

Select = Literal["farthest", "random"]
Scale = Literal["none", "sd", "increments"]
SMALLEST = 0.01
"""Components of a smaller eigenvalue are left out: the extension divides by it."""
_BLOCK = 2**22


def feature_scales(data: Array, periodic: Sequence[bool], scale: Scale) -> Array:
    """One factor per feature, by which distances are made comparable.

    Parameters
    ----------
    data : Array, shape (n, F)
        In time order where `scale` is 'increments'.
    periodic : sequence of bool, length F
        Which features are angles in rad.
    scale : {'none', 'sd', 'increments'}
        1; the inverse standard deviation, for an angle that of its cosine and sine together; the
        inverse of the median |change| from one row to the next, 1 for the fastest feature. The last
        is the metric of the noise (A. Singer, R. Erban, I. G. Kevrekidis and R. R. Coifman, Proc.
        Natl. Acad. Sci. 106, 16090 (2009), its diagonal): what changes slowly counts more, so that
        the slow direction comes first even where a gap in a fast one is wider. A median does not
        see the hops between metastable states, nor joints between trajectories.

    Raises
    ------
    ValueError
        If a feature never changes.
    """
    turns = np.asarray(periodic, dtype=bool)
    if scale == "none":
        return np.ones(data.shape[1])
    if scale == "sd":
        turn = np.sqrt(np.cos(data).var(axis=0) + np.sin(data).var(axis=0))
        size = np.where(turns, turn, data.std(axis=0))
    else:
        step = np.diff(data, axis=0)
        step = np.where(turns, (step + np.pi) % (2 * np.pi) - np.pi, step)
        size = np.median(np.abs(step), axis=0)
    still = np.flatnonzero(~(size > 0))
    if len(still):
        what = "never changes" if scale == "sd" else "does not change in half of all rows"
        raise ValueError(f"feature {still[0]} {what}, scale {scale} cannot be taken")
    return np.asarray((size.max() if scale == "increments" else 1.0) / size)


def farthest_points(points: Array, m: int, first: int) -> NDArray[np.int64]:
    """Rows of `points` (n, p), each the farthest from those before, beginning with `first`.

    Stops early where every row has been taken or coincides with one taken.
    """
    chosen = [first]
    distance = ((points - points[first]) ** 2).sum(axis=1)
    while len(chosen) < m:
        k = int(distance.argmax())
        if not distance[k] > 0:
            break
        chosen.append(k)
        distance = np.minimum(distance, ((points - points[k]) ** 2).sum(axis=1))
    return np.array(chosen)


@dataclass(frozen=True)
class DiffusionMap:
    """A fitted map, and its extension to other points.

    Attributes
    ----------
    index : int array, shape (m,)
        Rows of the data that are landmarks.
    landmarks : Array, shape (m, F)
        Their features.
    periodic : tuple of bool
        Which features are angles in rad; these count by cosine and sine.
    scales : Array, shape (F,)
        What each feature is multiplied by in distances.
    epsilon : float
        Kernel exp(−d²/4ε).
    alpha : float
    log_weights : Array, shape (m,)
        ln w_j = −α ln q_j + const, at most 0.
    eigenvalues : Array, shape (c,)
        μ of the normalised kernel, descending, without the trivial 1.
    values : Array, shape (m, c)
        Eigenvectors φ, largest |φ_j| = 1; zero is their own, Σ_j π_j φ_j = 0. The sign is such that
        φ rises with the column of scaled features it is most correlated with.
    """

    index: NDArray[np.int64]
    landmarks: Array
    periodic: tuple[bool, ...]
    scales: Array
    epsilon: float
    alpha: float
    log_weights: Array
    eigenvalues: Array
    values: Array

    @classmethod
    def fit(
        cls,
        data: Array,
        *,
        seed: int,
        periodic: Sequence[bool] | None = None,
        n_landmarks: int = 1000,
        select: Select = "farthest",
        scale: Scale = "none",
        epsilon: float | Literal["bgh"] = "bgh",
        alpha: float = 1.0,
        n_components: int = 4,
    ) -> DiffusionMap:
        """Choose landmarks and find the leading coordinates.

        Parameters
        ----------
        data : Array, shape (n, F)
            Features of n configurations.
        seed : int
            Of the first landmark, or of all of them; the same seed gives the same map.
        periodic : sequence of bool, length F, optional
            Which features are angles in rad; none by default.
        n_landmarks : int
            All rows where there are fewer.
        select : {'farthest', 'random'}
            Landmarks that cover the data evenly, barriers included; or as dense as the data.
        scale
            See `feature_scales`.
        epsilon : float or 'bgh'
            In scaled units squared.
        alpha : float
            From 0 to 1.
        n_components : int
            At most; those with an eigenvalue below `SMALLEST` are left out.

        Raises
        ------
        ValueError
            If the data are not finite, too few, or ε leaves nothing to find; or an option is out
            of range.
        """
        data = np.asarray(data, dtype=np.float64)
        if data.ndim != 2 or not np.isfinite(data).all():
            raise ValueError(f"the data, shape {data.shape}, are not finite rows of features")
        turns = tuple(map(bool, periodic)) if periodic is not None else (False,) * data.shape[1]
        if len(turns) != data.shape[1]:
            raise ValueError(f"periodic has {len(turns)} entries for {data.shape[1]} features")
        if epsilon != "bgh" and not 0 < epsilon < np.inf:
            raise ValueError(f"epsilon {epsilon:g} is not a positive number")
        if n_components < 1 or not 0 <= alpha <= 1:
            raise ValueError(f"{n_components} components at alpha {alpha:g}: 1 or more, 0 … 1")
        scales = feature_scales(data, turns, scale)
        points = _columns(data, turns, scales)
        rng = np.random.default_rng(seed)
        if select == "farthest":
            index = farthest_points(points, n_landmarks, int(rng.integers(len(points))))
        else:
            index = rng.choice(len(points), min(n_landmarks, len(points)), replace=False)
        m = len(index)
        if m < n_components + 2:
            raise ValueError(f"{m} distinct landmarks are too few for {n_components} coordinates")
        found = _spectrum(points[index], alpha, epsilon, n_components)
        width, log_weights, eigenvalues, vectors = found
        return cls(
            index, data[index], turns, scales, width, alpha, log_weights, eigenvalues, vectors
        )

    def _weights(self, data: Array) -> Array:
        """ln w_j − d_j²/4ε, shape (n, m)."""
        a = _columns(data, self.periodic, self.scales)
        b = _columns(self.landmarks, self.periodic, self.scales)
        d2 = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        return np.asarray(self.log_weights - d2 / (4 * self.epsilon))

    def transform(self, data: Array) -> Array:
        """All coordinates of feature rows (n, F) by Nyström's formula, shape (n, c).

        At a landmark they are `values`. (pydiffmap's ``transform`` leaves the division by μ out.)
        """
        data = np.asarray(data, dtype=np.float64)
        size = max(1, _BLOCK // len(self.index))
        parts = []
        for first in range(0, len(data), size):
            log_p = self._weights(data[first : first + size])
            p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
            parts.append(p @ self.values / p.sum(axis=1, keepdims=True))
        return np.concatenate(parts) / self.eigenvalues


def _columns(data: Array, periodic: Sequence[bool], scales: Array) -> Array:
    """Scaled features, of an angle the cosine and the sine, shape (n, p)."""
    columns = []
    for u, turns, s in zip(data.T, periodic, scales, strict=True):
        columns += [s * np.cos(u), s * np.sin(u)] if turns else [s * u]
    return np.stack(columns, axis=1)


def _spectrum(
    points: Array, alpha: float, epsilon: float | Literal["bgh"], n_components: int
) -> tuple[float, Array, Array, Array]:
    """ε, ln w, and the leading eigenvalues and vectors of the landmarks' kernel, signed.

    Raises
    ------
    ValueError
        If ε leaves nothing to find.
    """
    m = len(points)
    # all landmarks are neighbours of each other: a cut-off would make Φ jump
    peer = PyDiffusionMap.from_sklearn(alpha=alpha, k=m, epsilon=epsilon)
    peer.construct_Lmat(points)
    kernel = peer.kernel_matrix.toarray() * np.outer(peer.right_norm_vec, peer.right_norm_vec)
    root = np.sqrt(kernel.sum(axis=1))
    mu, vectors = scipy.linalg.eigh(
        kernel / np.outer(root, root), subset_by_index=[m - n_components - 1, m - 2]
    )
    mu, vectors = mu[::-1], vectors[:, ::-1] / root[:, None]
    kept = mu > SMALLEST
    if not kept[0]:
        raise ValueError(f"epsilon {peer.epsilon_fitted:g} spans all of the data; lower it")
    if not mu[0] < 1 - 1e-10:
        raise ValueError(f"epsilon {peer.epsilon_fitted:g} splits the data into pieces; raise it")
    log_weights = np.log(peer.right_norm_vec)
    signed = _signed(vectors[:, kept], points)
    return float(peer.epsilon_fitted), log_weights - log_weights.max(), mu[kept], signed


def _signed(vectors: Array, points: Array) -> Array:
    """Each column with largest |value| 1, rising with the feature it goes with best."""
    with np.errstate(invalid="ignore"):  # a column that never changes
        spread = points - points.mean(axis=0)
        r = (vectors - vectors.mean(axis=0)).T @ np.nan_to_num(spread / spread.std(axis=0))
    best = np.abs(r).argmax(axis=1)
    sign = np.where(r[np.arange(len(r)), best] < 0, -1.0, 1.0)
    return np.asarray(sign * vectors / np.abs(vectors).max(axis=0))
