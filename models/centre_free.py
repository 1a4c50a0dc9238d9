"""Densities of particles about their centre, from models that tell the centre apart."""

from __future__ import annotations

import numpy as np

from msgen.models.base import Array, Drawn
from msgen.models.defensive_mixture import Broad, draw

SAME = 1e-6
"""Relative difference of the centre's variances along the axes that is rounding."""


class CentreFree:
    """q₀(r) of r_i = y_i − c, where the model is q(y) = q₀(r) N(√N c; μ, s²).

    As of an `EquivariantFlow` and of an isotropic Gaussian. √N c are the d orthonormal coordinates
    of the centre, so that q₀ is normalised per volume of the space where Σ r_i = 0. μ and s follow
    from ln q at one draw and at what is shifted from it, whatever the model is made of.

    Parameters
    ----------
    model : Drawn
        Of N·d variables.
    particles : int

    Raises
    ------
    ValueError
        If the centre of the model's draws is no isotropic Gaussian apart.
    """

    def __init__(self, model: Drawn, particles: int) -> None:
        self._model, self._n = model, particles
        one = self._centred(model.sample(1, np.random.default_rng(0)))[0]
        d = one.shape[1]
        step = float(np.sqrt(np.mean(np.square(one))))
        shifts = step * np.concatenate([np.zeros((1, d)), np.eye(d), -np.eye(d)])
        told = model.log_prob((one + shifts[:, None, :]).reshape(2 * d + 1, -1))
        there, back = told[1 : d + 1], told[d + 1 :]
        curved = (there + back - 2.0 * told[0]) / (particles * step**2)
        if not (curved < 0).all() or np.ptp(curved) > SAME * np.abs(curved).max():
            raise ValueError("the model does not tell the centre apart as an isotropic Gaussian")
        self._variance = -1.0 / float(curved.mean())
        self._mean = self._variance * (there - back) / (2.0 * np.sqrt(particles) * step)

    @property
    def dim(self) -> int:
        """N·d."""
        return self._n * len(self._mean)

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """Draws about their centre, shape (n, N·d)."""
        return self._centred(self._model.sample(n, rng)).reshape(n, self.dim)

    def sample_with_log_prob(
        self, n: int, rng: np.random.Generator, context: Array | None = None
    ) -> tuple[Array, Array]:
        """The draws of `sample`, and ln q₀ of them, shape (n,)."""
        y, log_q = draw(self._model, n, rng)
        centre = y.reshape(n, self._n, len(self._mean)).mean(axis=1)
        return self._centred(y).reshape(n, self.dim), log_q - self._of_centre(centre)

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q₀ of what is left of y about its centre, shape (n,)."""
        centred = self._centred(y)
        origin = np.zeros((len(centred), centred.shape[2]))
        told = self._model.log_prob(centred.reshape(len(centred), self.dim))
        return np.asarray(told - self._of_centre(origin))

    def _of_centre(self, centre: Array) -> Array:
        """ln N(√N c; μ, s²), shape (n,)."""
        off = np.sqrt(self._n) * centre - self._mean
        volume = 0.5 * len(self._mean) * np.log(2.0 * np.pi * self._variance)
        return np.asarray(-0.5 * np.sum(off**2, axis=1) / self._variance - volume)

    def _centred(self, y: Array) -> Array:
        x = np.asarray(y, dtype=np.float64).reshape(len(y), self._n, y.shape[1] // self._n)
        return np.asarray(x - x.mean(axis=1, keepdims=True))


class DefendedCentreFree:
    """q = (1−ε)·model + ε·Gaussian, both about their centre; as `Defended` is of free variables.

    Parameters
    ----------
    model : CentreFree
    particles : int
    width : float
        Of the Gaussian, along each axis.
    eps : float
    """

    def __init__(self, model: CentreFree, particles: int, width: float, eps: float) -> None:
        zero = np.zeros(model.dim)
        wide = Broad([False] * model.dim, mean=zero, std=np.full(model.dim, width))
        self._model, self._broad, self._eps = model, CentreFree(wide, particles), eps

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, N·d)."""
        return self.sample_with_log_prob(n, rng)[0]

    def sample_with_log_prob(
        self, n: int, rng: np.random.Generator, context: Array | None = None
    ) -> tuple[Array, Array]:
        """Draws and ln q of them, shapes (n, N·d) and (n,)."""
        wide = rng.random(n) < self._eps
        y, model = np.empty((n, self._model.dim)), np.empty(n)
        if not wide.all():
            y[~wide], model[~wide] = self._model.sample_with_log_prob(int((~wide).sum()), rng)
        if wide.any():
            y[wide] = self._broad.sample(int(wide.sum()), rng)
            model[wide] = self._model.log_prob(y[wide])
        return y, self._mixed(model, y)

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y), shape (n,)."""
        return self._mixed(self._model.log_prob(y), y)

    def _mixed(self, model: Array, y: Array) -> Array:
        broad = np.log(self._eps) + self._broad.log_prob(y)
        with np.errstate(divide="ignore"):
            return np.asarray(np.logaddexp(np.log1p(-self._eps) + model, broad))
