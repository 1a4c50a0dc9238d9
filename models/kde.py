"""Kernel density estimate on CVs: the young model, for when there are few samples.

q(y) = Σ_k w_k Π_i K(y_i; c_ki, h_ki), with Gaussian kernels on linear columns and von Mises
kernels, κ = 1/h², on angles. Many samples are merged into few kernels that keep each cluster's mean
and variance. The bandwidth is Silverman's rule times a factor chosen by held-out likelihood:
Silverman alone smears separate states into one another.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, logsumexp

from msgen.models.base import Array, FitReport, ModelState, Space
from msgen.models.config import ModelConfig
from msgen.models.validation import check_rows, check_weights, no_context

FACTORS = (0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0)
_CHUNK = 2048


@dataclass(frozen=True, kw_only=True)
class KdeConfig(ModelConfig):
    """Periodicity per column and the most kernels that are kept."""

    kernels: int


class KernelDensity:
    """A `GenerativeModel` of weighted kernels; deterministic in data and seed.

    Parameters
    ----------
    config : KdeConfig
    """

    def __init__(self, config: KdeConfig) -> None:
        self.config = config
        self._angles = np.array(config.periodic, dtype=bool)
        d = len(config.periodic)
        # before a fit: one broad kernel, so that the density is always normalised
        self._set(np.zeros((1, d)), np.ones((1, d)), np.ones(1))

    @property
    def dim(self) -> int:
        """d."""
        return len(self.config.periodic)

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Place the kernels; there is nothing to go on from, every fit is `fresh`.

        Parameters
        ----------
        data : Array, shape (n, d)
        weights : Array, shape (n,), or None
        context : None
            A kernel density has none.
        seed : int
            Decides the held-out split that picks the bandwidth.

        Raises
        ------
        ValueError
            For wrong shapes, values that are not finite, fewer than 2 samples, or a context.
        """
        start = time.perf_counter()
        if context is not None:
            raise ValueError("a kernel density takes no context")
        y = check_rows("data", data, self.dim)
        w = check_weights(weights, len(y))
        w = np.ones(len(y)) if w is None else w
        y, w = y[w > 0], w[w > 0] / w.sum()
        if len(y) < 2:
            raise ValueError(f"a kernel density needs at least 2 samples, got {len(y)}")
        order = np.random.default_rng(seed).permutation(len(y))
        n_held = max(1, len(y) // 5)
        held, train = order[:n_held], order[n_held:]
        history = []
        label = self._cluster(y[train], w[train])
        for factor in FACTORS:
            self._place(y[train], w[train], label, factor)
            history.append(self._loss(y[held], w[held]))
        self._place(y, w, self._cluster(y, w), FACTORS[int(np.argmin(history))])
        return FitReport(
            train_loss=self._loss(y, w),
            held_out_loss=min(history),
            epochs=1,
            seconds=time.perf_counter() - start,
        )

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d); angles in [−π, π)."""
        k = rng.choice(len(self._weights), size=n, p=self._weights)
        out = self._centres[k] + self._width[k] * rng.standard_normal((n, self.dim))
        for i in np.flatnonzero(self._angles):
            turn = rng.vonmises(0.0, self._width[k, i] ** -2)
            out[:, i] = _wrap(self._centres[k, i] + turn)
        return out

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y), shape (n,); −inf where y is not finite."""
        rows = np.atleast_2d(np.asarray(y, dtype=np.float64))
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        rows = np.where(finite[:, None], rows, 0.0)
        parts = [self._log_prob(rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)]
        return np.where(finite, np.concatenate([*parts, np.empty(0)]), -np.inf)

    def state(self) -> ModelState:
        """Centres, widths and weights; `msgen.models.load` is the inverse."""
        return ModelState(
            {**self.config.to_json(), "kind": "kde", "dim": self.dim},
            {
                "centres": self._centres.copy(),
                "width": self._width.copy(),
                "weights": self._weights.copy(),
            },
        )

    @classmethod
    def from_state(cls, state: ModelState) -> KernelDensity:
        """The model `state` was taken from."""
        model = cls(KdeConfig.from_json(state.config))
        model._set(*(np.array(state.arrays[k]) for k in ("centres", "width", "weights")))
        return model

    def _set(self, centres: Array, width: Array, weights: Array) -> None:
        self._centres, self._width, self._weights = centres, width, weights
        kappa = width**-2
        # ln of 2π I₀(κ) without the factor e^κ, which is taken into the exponent κ(cos Δ − 1)
        log_norm = np.where(
            self._angles,
            np.log(2 * np.pi * i0e(kappa)),
            np.log(width) + 0.5 * np.log(2 * np.pi),
        )
        self._kappa, self._log_weight = kappa, np.log(weights) - log_norm.sum(axis=1)

    def _log_prob(self, y: Array) -> Array:
        exponent = np.broadcast_to(self._log_weight, (len(y), len(self._weights))).copy()
        for i in range(self.dim):
            delta = y[:, i, None] - self._centres[None, :, i]
            cost = 1 - np.cos(delta) if self._angles[i] else 0.5 * delta * delta
            exponent -= self._kappa[:, i] * cost
        return np.asarray(logsumexp(exponent, axis=1), dtype=np.float64)

    def _loss(self, y: Array, w: Array) -> float:
        return float(-(w @ self.log_prob(y)) / w.sum())

    def _place(self, y: Array, w: Array, label: NDArray[np.intp], factor: float) -> None:
        w = w / w.sum()
        spread = self._spread(y, w)
        effective = 1 / np.sum(w * w)
        silverman = (4 / (self.dim + 2) / effective) ** (1 / (self.dim + 4))
        h = np.maximum(factor * silverman * spread, 1e-6)
        n = int(label.max()) + 1
        mass = np.bincount(label, w, n)
        first = np.unique(label, return_index=True)[1]
        offset = self._difference(y, y[first][label])
        mean = np.stack([np.bincount(label, w * o, n) for o in offset.T], axis=1) / mass[:, None]
        square = np.stack([np.bincount(label, w * o * o, n) for o in offset.T], axis=1)
        variance = np.maximum(square / mass[:, None] - mean**2, 0.0)
        centres = y[first] + mean
        centres[:, self._angles] = _wrap(centres[:, self._angles])
        self._set(centres, np.sqrt(h * h + variance), mass / mass.sum())

    def _spread(self, y: Array, w: Array) -> Array:
        mean = w @ y
        linear = np.sqrt(w @ (y - mean) ** 2)
        length = np.hypot(w @ np.cos(y), w @ np.sin(y))
        # circular standard deviation, bounded by that of the uniform angle
        circular = np.minimum(np.sqrt(-2 * np.log(np.clip(length, 1e-12, 1.0))), np.pi / np.sqrt(3))
        return np.asarray(np.maximum(np.where(self._angles, circular, linear), 1e-6))

    def _difference(self, a: Array, b: Array) -> Array:
        delta = a - b
        delta[:, self._angles] = _wrap(delta[:, self._angles])
        return delta

    def _cluster(self, y: Array, w: Array) -> NDArray[np.intp]:
        y = y / np.where(self._angles, 1.0, self._spread(y, w / w.sum()))
        # farthest-point centres reach rare states, which a random subset would drop
        n = len(y)
        if n <= self.config.kernels:
            return np.arange(n)
        label = np.zeros(n, dtype=np.intp)
        nearest = np.full(n, np.inf)
        centre = 0
        for k in range(self.config.kernels):
            distance = (self._difference(y, y[centre : centre + 1]) ** 2).sum(axis=1)
            closer = distance < nearest
            label[closer], nearest[closer] = k, distance[closer]
            centre = int(np.argmax(nearest))
            if nearest[centre] <= 0:
                break
        return np.unique(label, return_inverse=True)[1].reshape(n)


def build(space: Space, *, kernels: int) -> KernelDensity:
    """One that is not yet fitted; SpecError for a context."""
    no_context("kde", space)
    return KernelDensity(KdeConfig(periodic=space.periodic, kernels=kernels))


def _wrap(angle: Array) -> Array:
    turned = angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi))
    return np.asarray(np.where(turned >= np.pi, turned - 2 * np.pi, turned))
