"""What windows were biased by: springs, or the hills of metadynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import wrap
from msgen.systems.base import Array

STRETCHED = "stretched-gaussian"
KERNELS = ("gaussian", STRETCHED)
"""As HILLS names them."""
_END = 6.25
"""PLUMED's DP2CUTOFF."""
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
    """Σ h exp(−d²), d² = ½ Σ_c ((ξ_c − s_c)/σ_c)².

    Those of PLUMED end where d² is 6.25 (``METAD``); since version 2.8 they are stretched to be 0
    there, h (exp(−d²) − e^−6.25)/(1 − e^−6.25), and continuous.

    Attributes
    ----------
    at, sigma : Array, shape (H, C)
    height : Array, shape (H,)
        kT.
    periodic : bool array, shape (C,)
    kernel : str, optional
        One of `KERNELS`; None for Gaussians that do not end.
    """

    at: Array
    sigma: Array
    height: Array
    periodic: NDArray[np.bool_]
    kernel: str | None = None

    def energy(self, xi: Array) -> Array:
        """See `Bias`."""
        size = max(1, _MOST // max(1, len(self.height)))
        return np.concatenate([self._of(xi[i : i + size]) for i in range(0, len(xi), size)])

    def _of(self, xi: Array) -> Array:
        d = xi[:, None] - self.at
        d = np.where(self.periodic, wrap(d), d) / self.sigma
        half = 0.5 * (d * d).sum(axis=2)
        hill = np.exp(-half)
        if self.kernel == STRETCHED:
            hill = (hill - np.exp(-_END)) / (1.0 - np.exp(-_END))
        if self.kernel is not None:
            hill = np.where(half < _END, hill, 0.0)
        return np.asarray(hill @ self.height)
