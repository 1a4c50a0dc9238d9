"""The surfaces {x: ξ(x) = λ} on which an exactly moved CV keeps a walker, a batch at a time.

All projections are along M⁻¹∇ξ, the direction of the constraint forces of RATTLE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.switching.linear_level_sets import Planes, inverse_masses, linear_row
from msgen.systems.base import Array, CVSet
from msgen.systems.cvs.torch_cvs import Distance

RETURN = 1e-6
"""How far, in units of the coordinates, a reversed step may end from where the step began."""
NEWTON = 30
"""Iterations after which a projection is held to have no solution."""
CLOSE = 1e-10
"""|ξ − λ| at which a projection has converged."""


class LevelSets(Protocol):
    """Geometry of {ξ = λ} in the metric of the masses.

    Attributes
    ----------
    linear : bool
        Whether surfaces are parallel planes, on which no projection can fail.
    movable : bool
        Whether `displaced` is known in closed form.
    """

    linear: bool
    movable: bool

    def value(self, x: Array) -> Array:
        """ξ(x) without wrapping, shape (n, D) → (n, C)."""
        ...

    def tangent(self, x: Array, v: Array) -> Array:
        """v without its part along M⁻¹∇ξ(x), orthogonally in the mass metric; shape (n, D)."""
        ...

    def drift(self, old: Array, trial: Array, lam: Array) -> tuple[Array, Mask]:
        """trial + M⁻¹∇ξ(old)·μ on {ξ = lam}, shape (n, D), and whether such a μ was found."""
        ...

    def returns(self, old: Array, trial: Array, new: Array, lam: Array) -> Mask:
        """Whether `drift` from `new` back to {ξ = lam}, with this trial, ends at `old`."""
        ...

    def displaced(self, x: Array, lam: Array) -> tuple[Array, Array]:
        """A bijection of {ξ = ξ(x)} onto {ξ = lam} and ln of its volume factor, (n, D) and (n,).

        It keeps the direction of ∇ξ, so that tangent velocities stay tangent; the inverse of a
        displacement is the displacement back. The volume is that of δ(ξ − λ) dx.
        """
        ...

    def log_gram(self, x: Array) -> Array:
        """ln det(∇ξᵀ M⁻¹ ∇ξ) up to a constant, shape (n,)."""
        ...


class Spheres:
    """One distance of two particles: {|r_j − r_i| = λ}.

    ∇ξᵀ M⁻¹ ∇ξ = 1/m_i + 1/m_j is constant. Of the two points at which the line of constraint
    forces meets the sphere the one nearer to the trial is taken; the line may miss it, and the
    reversed step may take the other one: both are failures.

    Parameters
    ----------
    i, j : int array, shape (d,)
        Where the coordinates of the two particles stand; d is 2 for particles in a plane.
    masses : Array, shape (D,)

    Attributes
    ----------
    i, j : int array, shape (d,)
    of_i, of_j : float
        What each takes of a change of r⃗, so that their centre of mass stays.
    """

    linear = False
    movable = True

    def __init__(self, i: NDArray[np.int64], j: NDArray[np.int64], masses: Array) -> None:
        self.i, self.j = i, j
        m_i, m_j = float(masses[int(i[0])]), float(masses[int(j[0])])
        self.of_i, self.of_j = -m_j / (m_i + m_j), m_i / (m_i + m_j)

    def _arrow(self, x: Array) -> Array:
        return np.asarray(x[:, self.j] - x[:, self.i])

    def _unit(self, x: Array) -> Array:
        r = self._arrow(x)
        return np.asarray(r / np.sqrt(np.einsum("nd,nd->n", r, r))[:, None])

    def value(self, x: Array) -> Array:
        """See `LevelSets`."""
        r = self._arrow(x)
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", r, r))[:, None])

    def tangent(self, x: Array, v: Array) -> Array:
        """See `LevelSets`."""
        e = self._unit(x)
        along = np.einsum("nd,nd->n", self._arrow(v), e)
        return self._stretched(v, -along[:, None] * e)

    def _stretched(self, x: Array, change: Array) -> Array:
        """x with the change of r⃗ shared out between the two particles."""
        out = x.copy()
        out[:, self.i] += self.of_i * change
        out[:, self.j] += self.of_j * change
        return out

    def _step(self, e: Array, r: Array, lam: Array) -> tuple[Array, Mask]:
        """s of |r + s e| = λ, the smaller in size, shape (n,), and whether there is one."""
        b = np.einsum("nd,nd->n", r, e)
        c = np.einsum("nd,nd->n", r, r) - lam[:, 0] ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            root = np.sqrt(b * b - c)
            # c over the far root: no digits are lost where s is small
            s = -c / (b + np.where(b < 0.0, -root, root))
        # |r⃗| = |λ| would be met where λ is negative, and nothing drives back from there
        return s, np.isfinite(s) & (lam[:, 0] > 0.0)

    def drift(self, old: Array, trial: Array, lam: Array) -> tuple[Array, Mask]:
        """See `LevelSets`."""
        e = self._unit(old)
        s, found = self._step(e, self._arrow(trial), lam)
        return self._stretched(trial, np.where(found, s, 0.0)[:, None] * e), found

    def returns(self, old: Array, trial: Array, new: Array, lam: Array) -> Mask:
        """See `LevelSets`."""
        e, r = self._unit(new), self._arrow(trial)
        s, found = self._step(e, r, lam)
        back = r + np.where(found, s, np.nan)[:, None] * e
        return np.asarray(found & (np.abs(back - self._arrow(old)).max(axis=1) < RETURN))

    def displaced(self, x: Array, lam: Array) -> tuple[Array, Array]:
        """See `LevelSets`: r⃗ is stretched, a volume factor of (λ/r)^(d−1)."""
        r = self._arrow(x)
        factor = lam[:, 0] / np.sqrt(np.einsum("nd,nd->n", r, r))
        with np.errstate(invalid="ignore", divide="ignore"):
            volume = (len(self.i) - 1) * np.log(factor)
        return self._stretched(x, (factor - 1.0)[:, None] * r), volume

    def log_gram(self, x: Array) -> Array:
        """See `LevelSets`."""
        return np.zeros(len(x))


@dataclass(frozen=True)
class Surfaces:
    """Any differentiable CVs, by Newton's method; periodic ones compared modulo 2π.

    Attributes
    ----------
    cvs : CVSet
    masses : Array, shape (D,)
    """

    cvs: CVSet
    masses: Array
    linear = False
    movable = False

    def value(self, x: Array) -> Array:
        """See `LevelSets`."""
        return self.cvs(x)

    def _gradient(self, x: Array) -> Array:
        return self.cvs.value_and_gradient(x)[1]

    def tangent(self, x: Array, v: Array) -> Array:
        """See `LevelSets`."""
        g = self._gradient(x)
        weighted = g * inverse_masses(self.masses)
        gram = np.einsum("ncd,ned->nce", g, weighted)
        speed = np.einsum("ncd,nd->nc", g, v)
        mu = np.linalg.solve(gram, speed[..., None])[..., 0]
        return np.asarray(v - np.einsum("nc,ncd->nd", mu, weighted))

    def _missing(self, xi: Array, lam: Array) -> Array:
        d = lam - xi
        turns = 2.0 * np.pi * np.round(d / (2.0 * np.pi))
        return np.where(self.cvs.periodic, d - turns, d)

    def drift(self, old: Array, trial: Array, lam: Array) -> tuple[Array, Mask]:
        """See `LevelSets`."""
        weighted = self._gradient(old) * inverse_masses(self.masses)
        x, found = trial.copy(), np.zeros(len(trial), dtype=bool)
        live = np.flatnonzero(np.isfinite(trial).all(axis=1))
        for _ in range(NEWTON):
            xi, g = self.cvs.value_and_gradient(x[live])
            off = self._missing(xi, lam[live])
            done = np.abs(off).max(axis=1) < CLOSE
            found[live[done]] = True
            live, off, g = live[~done], off[~done], g[~done]
            gram = np.einsum("ncd,ned->nce", g, weighted[live])
            usable = np.isfinite(gram).all(axis=(1, 2)) & (np.abs(np.linalg.det(gram)) > 0.0)
            live, off, gram = live[usable], off[usable], gram[usable]
            if not len(live):
                break
            mu = np.linalg.solve(gram, off[..., None])[..., 0]
            x[live] += np.einsum("nc,ncd->nd", mu, weighted[live])
        return x, found

    def returns(self, old: Array, trial: Array, new: Array, lam: Array) -> Mask:
        """See `LevelSets`."""
        back, found = self.drift(new, trial, lam)
        return np.asarray(found & (np.abs(back - old).max(axis=1) < RETURN))

    def displaced(self, x: Array, lam: Array) -> tuple[Array, Array]:
        """Unknown for these."""
        raise NotImplementedError("only linear CVs and one distance can be displaced exactly")

    def log_gram(self, x: Array) -> Array:
        """See `LevelSets`."""
        g = self._gradient(x)
        gram = np.einsum("ncd,ned->nce", g, g * inverse_masses(self.masses))
        return np.asarray(np.linalg.slogdet(gram)[1])


def level_sets(cvs: CVSet, masses: Array) -> LevelSets:
    """The surfaces of some CVs, in the simplest form that there is.

    Parameters
    ----------
    cvs : CVSet
    masses : Array, shape (D,)
        0 for what never moves, such as z of particles in a plane.
    """
    found = [linear_row(cv, len(masses)) for cv in cvs.cvs]
    linear = [f for f in found if f is not None]
    if len(linear) == len(found):
        return Planes(
            np.array([row for row, _ in linear]), np.array([b for _, b in linear]), masses
        )
    if len(cvs) == 1 and isinstance(cvs.cvs[0], Distance):
        i, j = (3 * atom + np.arange(3) for atom in cvs.cvs[0].atoms)
        return Spheres(i[masses[i] > 0], j[masses[j] > 0], masses)
    return Surfaces(cvs, masses)
