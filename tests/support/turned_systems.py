"""Systems on a circle, and CVs of them with periods of their own: nothing may hang on turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from msgen.systems.base import CV, Array, CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate, LinearCombination, PythonCV
from msgen.systems.potentials.python import PythonSystem, TorchPotential

TWO_PI = 2.0 * np.pi


@dataclass(frozen=True, eq=False)
class Unwrapped(Coordinate):
    """Wrong twin: an angle told as its raw coordinate."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.index]

    def values(self, positions: Array) -> Array:
        return positions[:, self.index]


@dataclass(frozen=True)
class Turned:
    """A system whose energy does not know in which turn x₀ stands, and a CV that must not either.

    Attributes
    ----------
    system : PythonSystem
        Two coordinates, the first on a circle.
    cvs : CVSet
    period : float
        Of x₀.
    """

    system: PythonSystem
    cvs: CVSet
    period: float

    def walkers(self, n: int, rng: np.random.Generator) -> Walkers:
        """Anywhere within the first turn."""
        x = np.column_stack([self.period * (rng.random(n) - 0.5), rng.standard_normal(n)])
        return Walkers(x)

    def turned(self, walkers: Walkers, turns: Array) -> Walkers:
        """The same, each some whole periods on."""
        x = walkers.positions.copy()
        x[:, 0] += self.period * turns
        return Walkers(x)


def circle(period: float) -> PythonSystem:
    """U = 2.5 (1 − cos 2θ) − 0.5 cos(θ − 0.3) + x₁²/2, θ = 2π x₀/period."""
    k = TWO_PI / period

    def energy(x: torch.Tensor) -> torch.Tensor:
        t = k * x[:, 0]
        return 2.5 * (1 - torch.cos(2 * t)) - 0.5 * torch.cos(t - 0.3) + 0.5 * x[:, 1] ** 2

    return PythonSystem(TorchPotential(energy, start=[0.0, 0.0]))


def turned(kind: str, rng: np.random.Generator) -> Turned:
    """'coordinate', 'python' (a period of its own), 'combination' or the wrong twin 'unwrapped'."""
    if kind == "python":
        period = float(rng.uniform(0.5, 20.0))
        phase = float(rng.uniform(-np.pi, np.pi))

        def angle(x: torch.Tensor) -> torch.Tensor:
            return TWO_PI / period * x[:, 0] + phase + 0.2 * torch.sin(x[:, 1])

        return Turned(circle(period), CVSet((PythonCV("t", angle, True, "rad"),)), period)
    plain: CV = Coordinate("t", 0, True)
    if kind == "unwrapped":
        plain = Unwrapped("t", 0, True)
    if kind == "combination":
        offset, factor = float(rng.uniform(-9.0, 9.0)), float(rng.choice([-2.0, -1.0, 2.0, 3.0]))
        plain = LinearCombination("t", (plain,), (factor,), offset)
    return Turned(circle(TWO_PI), CVSet((plain,)), TWO_PI)


def apart(a: Array | None, b: Array | None) -> float:
    """Largest difference; infinite where only one is not finite."""
    if a is None or b is None:
        return 0.0 if a is b else np.inf
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return np.inf
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0))


def spelled(xi: Array | None) -> bool:
    if xi is None:
        return True
    xi = xi[np.isfinite(xi)]
    return bool(((xi >= -np.pi) & (xi < np.pi)).all())
