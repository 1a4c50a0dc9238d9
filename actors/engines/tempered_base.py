"""Propagation at several temperatures, for potentials (all walkers at once).

Temperatures are multiples τ of the system's own, so that ρ*(x)^{1/τ} is the density of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.actors.engines.local_kernel import first_step, local_kernel, own_timestep
from msgen.actors.kernels.base import BoltzmannTarget, Target
from msgen.systems.base import Array, Walkers

Ints = NDArray[np.int64]

_POWER = {"hmc": 2.0, "mala": 1.0}
"""A step s of HMC acts as a mass 1/s², one of MALA as 1/s."""


@dataclass
class Reading:
    """What rows showed at one time.

    Attributes
    ----------
    xi : Array, shape (n, C)
    energy : Array, shape (n,)
        U/kT at the system's own temperature.
    """

    xi: Array
    energy: Array


class Heated(Protocol):
    """Rows, each at its own temperature, that walkers are exchanged between.

    Attributes
    ----------
    nonfinite : int
        Since it was made.
    proposed, accepted : Array, shape (n,)
        Metropolis tests of the local kernel in each row.
    """

    nonfinite: int
    proposed: Array
    accepted: Array

    @property
    def evaluations(self) -> int:
        """Since it was made; an energy that is read counts."""
        ...

    def stretch(self, readings: int, steps: int) -> list[Reading]:
        """`readings` times `steps` local steps of every row."""
        ...

    def exchange(self, order: Ints) -> None:
        """Row i goes on with the walker of row `order`[i], at its own temperature."""
        ...

    def walkers(self) -> Walkers:
        """The walkers as they stand, row after row."""
        ...


@dataclass(frozen=True)
class HeatedTarget:
    """ρ(x)^{1/τ}, a τ for every walker of the batch."""

    base: Target
    tau: Array

    def log_density(self, x: Array) -> Array:
        """ln ρ(x)/τ, shape (n,)."""
        return self.base.log_density(x) / self.tau

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """ln ρ(x)/τ, shape (n,), and its gradient, shape (n, D)."""
        value, gradient = self.base.log_density_and_gradient(x)
        return value / self.tau, gradient / self.tau[:, None]


def heated_masses(kind: str, masses: Array, tau: Array, step: Array) -> Array:
    """Masses with which one kernel moves every row as it should, shape (n, D).

    m/τ gives the dynamics of mass m at temperature τ: forces are divided by τ and thermal speeds
    multiplied by √τ. Tuned step sizes that differ from the first are in the masses as well.

    Parameters
    ----------
    kind : str
        Of the local kernel.
    masses : Array, shape (D,)
    tau, step : Array, shape (n,)
    """
    scale = (step[0] / step) ** _POWER.get(kind, 0.0) / tau
    return np.asarray(scale[:, None] * masses)


class HeatedArray:
    """Meets `Heated` for analytic and Python systems; the kernels draw their own velocities."""

    def __init__(
        self,
        context: WorkerContext,
        walkers: Walkers,
        tau: Array,
        step: Array | None,
        rng: np.random.Generator,
    ) -> None:
        spec, system = context.setup["strategy"]["local"], context.system
        kind = str(spec["kind"])
        begun = first_step(kind, own_timestep(system))
        sizes = np.full(len(tau), begun) if step is None else step
        masses = heated_masses(kind, system.masses, tau, sizes)
        self._kernel = local_kernel(spec, system, float(sizes[0]), masses)
        self._target = HeatedTarget(BoltzmannTarget(system), tau)
        self._system, self._cvs, self._rng = system, context.cvs, rng
        self._x = np.array(walkers.positions, dtype=np.float64)
        self.evaluations = self.nonfinite = 0
        self.proposed, self.accepted = np.zeros(len(tau)), np.zeros(len(tau))

    def stretch(self, readings: int, steps: int) -> list[Reading]:
        """See `Heated`."""
        seen = []
        for _ in range(readings):
            done = self._kernel(self._target, Walkers(self._x), self._rng, n_steps=steps)
            self._x = done.walkers.positions
            self.evaluations += done.evaluations + len(self._x)
            self.nonfinite += done.nonfinite
            self.proposed += steps
            self.accepted += done.accepted * steps
            energy = self._system.energy(Walkers(self._x)) / self._system.kT
            seen.append(Reading(self._cvs(self._x), energy))
        return seen

    def exchange(self, order: Ints) -> None:
        """See `Heated`."""
        self._x = self._x[order]

    def walkers(self) -> Walkers:
        """See `Heated`."""
        return Walkers(self._x.copy())
