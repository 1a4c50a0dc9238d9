"""A one-dimensional double well whose exact draws show what a kernel does to the density."""

from __future__ import annotations

import numpy as np

from msgen.actors.kernels.base import (
    BoltzmannTarget,
    Kernel,
    Target,
)
from msgen.systems.base import Array, Walkers

RIGHT, WRONG = 4.5, 8.0
"""σ within which a kernel is right, and beyond which it is wrong."""
N = 20_000


class Well:
    """U = 4.5x⁴ − 5x² + x, kT = 1: two unequal wells; infinite (or NaN) beyond |x| > `wall`."""

    n_dof, kT, deterministic = 1, 1.0, True
    masses = np.ones(1)

    def __init__(self, wall: float = np.inf, outside: float = np.inf) -> None:
        self.wall, self.outside = wall, outside

    def initial(self) -> Walkers:
        return Walkers(np.zeros((1, 1)))

    def energy(self, walkers: Walkers) -> Array:
        return self.energy_and_force(walkers)[0]

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        x = walkers.positions
        u = (4.5 * x**4 - 5.0 * x**2 + x)[:, 0]
        return np.where(np.abs(x[:, 0]) > self.wall, self.outside, u), -(18 * x**3 - 10 * x + 1)


GRID = np.linspace(-3, 3, 60_001)
DENSITY = np.exp(-(4.5 * GRID**4 - 5.0 * GRID**2 + GRID))
DENSITY /= DENSITY.sum()
OBSERVABLES = (lambda x: x, lambda x: x**2, lambda x: (x > 0).astype(float))


def exact_draws(n: int, seed: int, density: Array = DENSITY) -> Walkers:
    u = np.random.default_rng(seed).random(n)
    return Walkers(np.interp(u, np.cumsum(density), GRID)[:, None])


def worst_sigma(x: Array, density: Array = DENSITY) -> float:
    return max(
        abs(f(x).mean() - density @ f(GRID)) / (f(x).std() / np.sqrt(len(x))) for f in OBSERVABLES
    )


def drift(kernel: Kernel, target: Target | None = None, n_steps: int = 30) -> float:
    result = kernel(
        target or BoltzmannTarget(Well()),
        exact_draws(N, 1),
        np.random.default_rng(2),
        n_steps=n_steps,
    )
    return worst_sigma(result.walkers.positions[:, 0])
