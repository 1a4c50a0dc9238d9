"""Analytic and Python potentials in batches, with velocities that outlast calls and orders."""

from __future__ import annotations

import numpy as np

from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.langevin import Langevin
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

    @property
    def _unit(self) -> Array:
        """√(kT/m), in which the kernel keeps velocities."""
        return np.sqrt(self.system.kT / np.asarray(self._langevin.masses, dtype=np.float64))

    def load(self, walkers: Walkers) -> Array:
        """See `Engine`."""
        xi = super().load(walkers)
        free = np.zeros(len(self._x), dtype=bool)
        super()._start(np.zeros((len(self._x), len(self.cvs))), free, 0)
        if walkers.velocities is not None:
            assert self._chain is not None
            kept = self._chain.snapshot()
            kept["state"]["velocity"] = walkers.velocities / self._unit
            self._chain.resume(kept)
        return xi

    def _start(self, lam: Array, on: Mask, n_steps: int) -> None:
        """The chain is the one that was loaded.

        Raises
        ------
        ValueError
            If a walker is to be restrained.
        """
        if on.any():
            raise ValueError("a restraint is no part of the dynamics that are followed")
        self._steps = self._left = n_steps

    def _finish(self) -> Array:
        chain, moved = self._chain, self._steps * len(self._x)
        assert chain is not None
        self._before, self._x = self._x, chain.x
        self.tally.proposals += moved
        self.tally.accepted += moved
        self.tally.nonfinite += chain.nonfinite
        chain.nonfinite = 0
        return self.cvs(self._x)

    def walkers(self) -> Walkers:
        """See `Engine`."""
        assert self._chain is not None
        return Walkers(self._x.copy(), self._chain.snapshot()["state"]["velocity"] * self._unit)
