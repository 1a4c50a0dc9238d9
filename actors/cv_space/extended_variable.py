"""g(λ|ξ): where the steered target λ may stand, given where the CVs are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from msgen.systems.base import Array

NARROW = 50.0
"""κ from which scipy approximates the distribution function."""
TERMS = 12
"""Of the expansion: the next one is below 1e-14 at κ = `NARROW`."""


def wrap(angle: Array) -> Array:
    """Into [−π, π), in the floor form that holds for any angle."""
    return angle - 2.0 * np.pi * np.floor((angle + np.pi) / (2.0 * np.pi))


def von_mises_cdf(angle: Array, kappa: float) -> Array:
    """Distribution function of the von Mises density about 0, going on from turn to turn.

    From κ = `NARROW` on scipy takes a normal approximation, which is off by up to 3e-6, and by 1e-3
    of the function itself in its tail. There with s = 2√κ sin(θ/2) the density is

    .. math:: \\frac{e^{-s^2/2}\\,ds}{2π \\sqrt{κ}\\, e^{-κ} I_0(κ) \\sqrt{1 - s^2/4κ}}

    whose root is expanded in powers of s²/4κ, each an incomplete Gaussian moment; `TERMS` of them
    are exact to rounding.
    """
    if kappa < NARROW:
        return np.asarray(stats.vonmises.cdf(angle, kappa), dtype=np.float64)
    turns = np.round(angle / (2.0 * np.pi))
    s = 2.0 * np.sqrt(kappa) * np.sin(0.5 * (angle - 2.0 * np.pi * turns))
    bell, power = np.exp(-0.5 * s * s), s
    moment = np.sqrt(0.5 * np.pi) * special.erf(s / np.sqrt(2.0))
    total, factor = moment, 1.0
    for k in range(1, TERMS):
        moment = (2 * k - 1) * moment - power * bell
        power = power * s * s
        factor *= (2 * k - 1) / (8.0 * k * kappa)
        total = total + factor * moment
    return np.asarray(turns + 0.5 + total / (2.0 * np.pi * np.sqrt(kappa) * special.i0e(kappa)))


@dataclass(frozen=True)
class Conditional:
    """Product over CVs of von Mises (periodic) and Gaussian densities, normalised in λ.

    .. math:: g(λ|ξ) = \\prod_c \\frac{e^{κ_c \\cos(λ_c-ξ_c)}}{2π I_0(κ_c)}
              \\text{ or } \\sqrt{\\tfrac{κ_c}{2π}}\\, e^{-κ_c(λ_c-ξ_c)^2/2}

    so that π(x, λ) = ρ*(x) g(λ|ξ(x)) has exactly ρ* as its x-marginal.

    Attributes
    ----------
    kappa : Array, shape (C,) or (n, C)
        1/σ² of each CV; of each row, where every walker has a width of its own.
    periodic : bool array, shape (C,)
    """

    kappa: Array
    periodic: NDArray[np.bool_]

    def of_rows(self, index: NDArray[np.int64]) -> Conditional:
        """That of some rows, in this order."""
        return self if self.kappa.ndim == 1 else replace(self, kappa=self.kappa[index])

    def tiled(self, times: int) -> Conditional:
        """That of all rows, so many times one after another."""
        return (
            self if self.kappa.ndim == 1 else replace(self, kappa=np.tile(self.kappa, (times, 1)))
        )

    def spelled(self, xi: Array) -> Array:
        """ξ of any turn as the CVs spell it: angles in [−π, π); shape (…, C)."""
        return np.where(self.periodic, wrap(xi), xi)

    def displacement(self, a: Array, b: Array) -> Array:
        """a − b, the short way round for periodic CVs; shape (…, C)."""
        d = a - b
        return np.where(self.periodic, wrap(d), d)

    def energy(self, lam: Array, xi: Array) -> Array:
        """−ln g up to its constant, ≥ 0, shape (…, C) → (…,); kT."""
        d = lam - xi
        each = np.where(self.periodic, 2.0 * np.sin(0.5 * d) ** 2, 0.5 * d * d)
        return np.asarray((self.kappa * each).sum(-1))

    def slope(self, lam: Array, xi: Array) -> Array:
        """∂ energy/∂ξ, shape (…, C); kT per unit of the CV."""
        d = xi - lam
        return self.kappa * np.where(self.periodic, np.sin(d), d)

    @property
    def log_normaliser(self) -> float:
        """ln ∫ exp(−energy) dλ, of one width for all rows."""
        each = np.where(
            self.periodic,
            np.log(2.0 * np.pi * special.ive(0, self.kappa)),
            0.5 * np.log(2.0 * np.pi / self.kappa),
        )
        return float(each.sum())

    def log_density(self, lam: Array, xi: Array) -> Array:
        """ln g(λ|ξ), shape (…, C) → (…,)."""
        return -self.energy(lam, xi) - self.log_normaliser

    def sample(self, xi: Array, rng: np.random.Generator) -> Array:
        """One λ for every ξ, shape (n, C)."""
        out = np.empty_like(xi)
        for c, k in enumerate(self.kappa):
            if self.periodic[c]:
                out[:, c] = wrap(xi[:, c] + rng.vonmises(0.0, k, len(xi)))
            else:
                out[:, c] = xi[:, c] + rng.standard_normal(len(xi)) / np.sqrt(k)
        return out

    def interval_mass(self, xi: Array, c: int, edges: Array) -> Array:
        """Mass of g between consecutive `edges` of CV c, shape (n,) → (n, len(edges) − 1)."""
        d = edges[None, :] - xi[:, None]
        if self.periodic[c]:
            cdf = von_mises_cdf(d, float(self.kappa[c]))
        else:
            cdf = stats.norm.cdf(d * np.sqrt(self.kappa[c]))
        return np.asarray(np.diff(cdf, axis=1))
