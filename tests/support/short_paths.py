"""Short transition paths over a low barrier in one dimension, whose density is known exactly.

Of overdamped steps the path density is a product of Gaussians, so that every marginal of the
ensemble of paths from A to B is a product of matrices on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.overdamped import Overdamped

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
EDGE = 0.7
"""A lies below −EDGE, B above EDGE."""
HEIGHT, TILT = 2.0, 0.3


class Wells:
    """ln ρ* = −h (x² − 1)² − a x, a Target in one dimension."""

    def log_density(self, x: Array) -> Array:
        r = x[:, 0]
        return np.asarray(-HEIGHT * (r * r - 1.0) ** 2 - TILT * r)

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        r = x[:, :1]
        return self.log_density(x), -4.0 * HEIGHT * r * (r * r - 1.0) - TILT


def region(positions: Array) -> Ints:
    x = positions[:, 0]
    return np.where(x < -EDGE, 0, np.where(x > EDGE, 1, -1))


class Normal:
    """A normal density to shoot from."""

    def __init__(self, mean: float, width: float) -> None:
        self.mean, self.width = mean, width

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        return self.mean + self.width * rng.standard_normal((n, 1))

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        z = (y[:, 0] - self.mean) / self.width
        return np.asarray(-0.5 * z * z - np.log(self.width * np.sqrt(2 * np.pi)))


@dataclass(frozen=True)
class ExactPaths:
    """The ensemble of paths from A to B of overdamped steps.

    Attributes
    ----------
    x : Array, shape (G,)
        Grid.
    marginal : Array, shape (F, G)
        Probability of each frame to be at each grid point.
    crossing : float
        Z times the probability of a stationary path to be of the ensemble.
    log_z : float
    step : Array, shape (G, G)
        From frame to frame.
    """

    x: Array
    marginal: Array
    crossing: float
    log_z: float
    step: Array

    @classmethod
    def of(cls, kernel: Overdamped, frames: int, stride: int) -> ExactPaths:
        x = np.linspace(-2.6, 2.6, 521)
        width = x[1] - x[0]
        log_density, gradient = Wells().log_density_and_gradient(x[:, None])
        variance = 2.0 * kernel.dt * float(np.asarray(kernel.diffusion))
        mean = x + 0.5 * variance * gradient[:, 0]
        step = np.exp(-0.5 * (x[None] - mean[:, None]) ** 2 / variance)
        step *= width / np.sqrt(2 * np.pi * variance)
        moved = np.linalg.matrix_power(step, stride)
        label = region(x[:, None])
        ahead = [np.exp(log_density) * width * (label == 0)]
        behind = [(label == 1).astype(np.float64)]
        for _ in range(frames - 1):
            ahead.append(ahead[-1] @ moved)
            behind.append(moved @ behind[-1])
        joint = np.array([a * b for a, b in zip(ahead, behind[::-1], strict=True)])
        crossing = float(joint[0].sum())
        log_z = float(np.log(np.sum(np.exp(log_density)) * width))
        return cls(x, joint / joint.sum(axis=1, keepdims=True), crossing, log_z, moved)

    def mean(self) -> Array:
        """⟨x⟩ of each frame."""
        return np.asarray(self.marginal @ self.x)

    def below(self, at: float) -> Array:
        """Probability of each frame to be below."""
        return np.asarray(self.marginal[:, self.x < at].sum(axis=1))

    def rates(self) -> tuple[float, tuple[float, float]]:
        """The rate from A to B a frame, and ln P(A) and ln P(B) against what is between.

        Of a chain whose frames are the two of these paths, and whose density is all but ρ.
        """
        x, step = self.x, self.step
        label = region(x[:, None])
        p = np.exp(Wells().log_density(x[:, None]))
        p /= p.sum()
        rest, ahead = label < 0, (label == 1).astype(np.float64)
        inside = np.eye(int(rest.sum())) - step[np.ix_(rest, rest)]
        ahead[rest] = np.linalg.solve(inside, step[np.ix_(rest, label == 1)].sum(axis=1))
        flux = float(np.sum(p[label == 0] * (step[label == 0] @ ahead)))
        shares = [float(np.log(p[label == k].sum() / p[rest].sum())) for k in (0, 1)]
        return flux / float(p @ (1.0 - ahead)), (shares[0], shares[1])
