"""Analytic and Python potentials in batches, with velocities that outlast calls and orders."""

from __future__ import annotations

import numpy as np

from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.langevin import Langevin, LangevinState
from msgen.systems.base import Array, CVSet, System, Walkers


class InertialEngine(ArrayEngine):
    """Langevin dynamics as one trajectory, however many calls it is cut into.

    Where `ArrayEngine` draws velocities in every call, as moves inside a test may, here a walker
    goes on with its own. Free walkers only.

    Parameters
    ----------
    system, cvs
    kernel : Langevin
    """

    def __init__(self, system: System, cvs: CVSet, kernel: Langevin) -> None:
        super().__init__(system, cvs, kernel)
        self._langevin = kernel
        self._state: LangevinState

    @property
    def _unit(self) -> Array:
        """√(kT/m), in which the kernel keeps velocities."""
        return np.sqrt(self.system.kT / np.asarray(self._langevin.masses, dtype=np.float64))

    def load(self, walkers: Walkers) -> Array:
        """See `Engine`."""
        xi = super().load(walkers)
        self._state = self._langevin.init(self._target, self._x, self._rng)
        self.tally.evaluations += len(self._x)
        if walkers.velocities is not None:
            self._state = self._state._replace(velocity=walkers.velocities / self._unit)
        return xi

    def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
        """See `Engine`.

        Raises
        ------
        ValueError
            If a walker is to be restrained.
        """
        if on.any():
            raise ValueError("a restraint is no part of the dynamics that are followed")
        for _ in range(n_steps):
            self._state, outcome = self._langevin.step(self._target, self._state, self._rng)
            self.tally.nonfinite += int(outcome.nonfinite.sum())
        moved = n_steps * len(self._x)
        self.tally.evaluations += moved
        self.tally.proposals += moved
        self.tally.accepted += moved
        self._before, self._x = self._x, self._state.x
        return self.cvs(self._x)

    def walkers(self) -> Walkers:
        """See `Engine`."""
        return Walkers(self._x.copy(), self._state.velocity * self._unit)
