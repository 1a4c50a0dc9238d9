"""The harmonic or von Mises restraint that steers CVs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array


@dataclass(frozen=True)
class Restraint:
    """U_λ(x)/kT = Σ_c −κ_c cos(ξ_c − λ_c) for periodic CVs, κ_c (ξ_c − λ_c)²/2 for the others.

    It is −ln g(λ|ξ) up to a constant, g being von Mises or Gaussian with κ = 1/σ².

    Attributes
    ----------
    centre : Array, shape (C,)
        λ.
    kappa : Array, shape (C,)
        κ, in 1/unit².
    """

    centre: Array
    kappa: Array

    def energy_kT(self, xi: Array, periodic: NDArray[np.bool_]) -> Array:
        """The restraint's energy in kT at ξ, shape (…, C) → (…,)."""
        d = np.asarray(xi) - self.centre
        return np.asarray(
            np.where(periodic, -self.kappa * np.cos(d), 0.5 * self.kappa * d * d).sum(-1)
        )
