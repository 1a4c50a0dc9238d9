"""Dynamics with a mass matrix: stiff and soft directions, however they lie, are equally fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.chain import ChainKernel
from msgen.actors.kernels.switching.linear_level_sets import linear_row
from msgen.systems.base import CV, Array, CVSet, System, Walkers
from msgen.systems.pause import pause
from msgen.systems.potentials.linear_transform import LinearForm, Sheared, ShearedCV

STEP = 1e-4
"""Of finite differences, in units of the thermal displacement of a free coordinate."""


class PreconditionedEngine(ArrayEngine):
    """An `ArrayEngine` in coordinates in which the mass matrix is the identity.

    Parameters
    ----------
    system, cvs
    make : callable
        The local kernel of a system.
    masses : Array, shape (D, D)
        M, positive definite; any gives the same densities.
    """

    def __init__(
        self, system: System, cvs: CVSet, make: Callable[[System], ChainKernel], masses: Array
    ) -> None:
        self._sheared = Sheared(system, masses)
        inside = tuple(sheared(cv, self._sheared.matrix, system.n_dof) for cv in cvs.cvs)
        super().__init__(self._sheared, CVSet(inside), make(self._sheared))

    def load(self, walkers: Walkers) -> Array:
        """See `Engine`."""
        return super().load(self._inside(walkers))

    def walkers(self) -> Walkers:
        """See `Engine`."""
        return self._outside(super().walkers())

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        """See `Engine`."""
        done = super().switch(self._inside(walkers), start, stop, schedule)
        return replace(done, walkers=self._outside(done.walkers))

    def _inside(self, walkers: Walkers) -> Walkers:
        return Walkers(self._sheared.inside(walkers.positions))

    def _outside(self, walkers: Walkers) -> Walkers:
        return Walkers(self._sheared.outside(walkers.positions))


def sheared(cv: CV, matrix: Array, n_dof: int) -> CV:
    """A CV of x = A y as one of y; a linear one stays linear, and is known to be."""
    known = linear_row(cv, n_dof)
    if known is None or cv.periodic:
        return ShearedCV(cv, matrix)
    row, offset = known
    return LinearForm(cv.name, row @ matrix, offset)


def curvature(system: System, x: Array) -> tuple[Array, int]:
    """Mean of ∇∇U over configurations, by central differences of forces.

    At equilibrium it is ⟨∇U ∇Uᵀ⟩/kT, and kT times the inverse covariance where U is quadratic: the
    mass matrix that makes all directions equally fast. Few configurations say more of it than many
    say of a covariance.

    Parameters
    ----------
    x : Array, shape (n, D)

    Returns
    -------
    curvature : Array, shape (D, D)
        Symmetric.
    evaluations : int
    """
    n, d = x.shape
    h = STEP * np.sqrt(system.kT / np.where(system.masses > 0, system.masses, 1.0))
    out = np.empty((d, d))
    for i in range(d):
        shift = np.zeros(d)
        shift[i] = h[i]
        pause()
        both = np.concatenate([x - shift, x + shift])
        _, force = system.energy_and_force(Walkers(both))
        out[i] = (force[:n] - force[n:]).mean(axis=0) / (2.0 * h[i])
    return np.asarray(0.5 * (out + out.T)), 2 * n * d
