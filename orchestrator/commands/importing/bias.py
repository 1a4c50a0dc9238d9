"""What windows were biased by: springs, or the hills of metadynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import wrap
from msgen.systems.base import Array

_MOST = 4_000_000
"""Hills times places that are evaluated at a time."""


class Bias(Protocol):
    """A bias that depends on the CVs alone."""

    def energy(self, xi: Array) -> Array:
        """In kT at ξ, shape (n, C) → (n,)."""
        ...


@dataclass(frozen=True)
class Spring:
    """½ κ (ξ − λ)², an angle to the nearest image.

    Attributes
    ----------
    centre, kappa : Array, shape (C,)
        κ in kT/unit²; 0 of a CV that was not restrained.
    periodic : bool array, shape (C,)
    """

    centre: Array
    kappa: Array
    periodic: NDArray[np.bool_]

    def energy(self, xi: Array) -> Array:
        """See `Bias`."""
        d = xi - self.centre
        d = np.where(self.periodic, wrap(d), d)
        return np.asarray((0.5 * self.kappa * d * d).sum(axis=1))


@dataclass(frozen=True)
class Hills:
    """Σ h exp(−½ Σ_c ((ξ_c − s_c)/σ_c)²).

    Attributes
    ----------
    at, sigma : Array, shape (H, C)
    height : Array, shape (H,)
        kT.
    periodic : bool array, shape (C,)
    """

    at: Array
    sigma: Array
    height: Array
    periodic: NDArray[np.bool_]

    def energy(self, xi: Array) -> Array:
        """See `Bias`."""
        size = max(1, _MOST // max(1, len(self.height)))
        return np.concatenate([self._of(xi[i : i + size]) for i in range(0, len(xi), size)])

    def _of(self, xi: Array) -> Array:
        d = xi[:, None] - self.at
        d = np.where(self.periodic, wrap(d), d) / self.sigma
        return np.asarray(np.exp(-0.5 * (d * d).sum(axis=2)) @ self.height)
