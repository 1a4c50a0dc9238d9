"""Walkers that go by a surrogate alone, weighed for the system: what reweighting gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Density, Kernel, Target
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class SurrogateAlone:
    """Chains of e^{−Ũ/kT}, with ln w = −(U − Ũ)/kT where a stretch ends.

    Nothing of them goes back to the walkers that the system tests.

    Parameters
    ----------
    surrogate : Target
    moves : tuple of (Kernel, int)
        What a stretch is made of, and how many steps of each.
    oracle : Density
        The system's; asked once for each walker and stretch.
    cvs : callable
        Positions (n, D) → CVs (n, C).
    """

    surrogate: Target
    moves: tuple[tuple[Kernel, int], ...]
    oracle: Density
    cvs: Callable[[Array], Array]

    def __call__(
        self, x: Array, replicas: NDArray[np.int64], stretches: int, rng: np.random.Generator
    ) -> tuple[Array, dict[str, Array]]:
        """So many stretches from x (n, D): where they end, and columns.

        'alone_log_weight' (−inf where the system has no density), 'alone_cvs' and 'alone_replica',
        replica after replica.
        """
        weights, seen = [], []
        for _ in range(stretches):
            for kernel, steps in self.moves:
                x = kernel(self.surrogate, Walkers(x), rng, n_steps=steps).walkers.positions
            with np.errstate(invalid="ignore"):
                weight = self.oracle.log_density(x) - self.surrogate.log_density(x)
            weights.append(np.where(np.isfinite(weight), weight, -np.inf))
            seen.append(self.cvs(x))
        xi = np.stack(seen, axis=1)
        return x, {
            "alone_log_weight": np.stack(weights, axis=1).reshape(-1),
            "alone_cvs": xi.reshape(-1, xi.shape[2]),
            "alone_replica": np.repeat(replicas.astype(np.float64), stretches),
        }
