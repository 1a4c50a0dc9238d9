"""Steps of a learnt dynamics in closed form: poor models of any, and twins that tell another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.models.base import Array


@dataclass(frozen=True)
class Drift:
    """y′ ~ N(a y + b, σ²), the further the longer the lag: a poor model of any dynamics."""

    keep: float
    shift: float
    width: float

    def sample(self, before: Array, lag: Array, rng: np.random.Generator) -> Array:
        mean, width = self._at(before, lag)
        return mean + width * rng.standard_normal(before.shape)

    def log_prob(self, after: Array, before: Array, lag: Array) -> Array:
        mean, width = self._at(before, lag)
        z = (after - mean) / width
        return np.asarray((-0.5 * z**2 - np.log(width)).sum(axis=1) - 0.5 * np.log(2 * np.pi))

    def _at(self, before: Array, lag: Array) -> tuple[Array, Array]:
        keep = self.keep ** lag[:, None]
        return keep * before + self.shift, self.width * np.sqrt(lag)[:, None]


class Mixed(Drift):
    """A wrong twin: what is drawn by one version is told by another."""

    def log_prob(self, after: Array, before: Array, lag: Array) -> Array:
        return Drift(self.keep, 0.0, self.width).log_prob(after, before, lag)


@dataclass(frozen=True)
class Relaxing(Drift):
    """The steps of an Ornstein–Uhlenbeck process about 0, of variance 1: in balance with it."""

    keep: float = 0.0
    shift: float = 0.0
    width: float = 0.0

    def _at(self, before: Array, lag: Array) -> tuple[Array, Array]:
        keep = np.exp(-lag)[:, None]
        return keep * before, np.sqrt(1.0 - keep**2)
