"""Propagation at several temperatures, for potentials (all walkers at once).

Temperatures are multiples τ of the system's own, so that ρ*(x)^{1/τ} is the density of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree, decode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.local_kernel import first_step, local_kernel, own_timestep
from msgen.actors.kernels.base import BoltzmannTarget, Target
from msgen.actors.kernels.chain import Chain
from msgen.actors.slices import Slices, set_words, some_steps, words_of
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
        self._chain: Chain | None = None  # while a reading is under way
        self._steps = self._left = 0
        self._slices = context.slices or Slices(rng, lambda evaluations: False)
        self._slices.serve(self, lambda: {"evaluations": self.evaluations}, lambda tally: None)

    def stretch(self, readings: int, steps: int) -> list[Reading]:
        """See `Heated`; a reading is a slice, or several."""
        seen = []
        for _ in range(readings):
            read = self._slices.call(partial(self._begin, steps), _array)
            while not read.size:
                read = self._slices.call(self._go_on, _array)
            seen.append(Reading(read[:, :-1], read[:, -1].copy()))
        return seen

    def _begin(self, steps: int) -> Array:
        self._chain, self._steps, self._left = self._opened(), steps, steps
        self.evaluations += len(self._x)
        return self._go_on()

    def _go_on(self) -> Array:
        """ξ, and the energy after it, shape (n, C + 1); empty while there are steps to make."""
        chain = self._chain
        assert chain is not None
        done = some_steps(lambda: chain.advance(1), self._left)
        self._left -= done
        self.evaluations += done * self._kernel.evaluations_per_step * len(self._x)
        if self._left:
            return np.zeros((0, len(self._cvs) + 1))
        self._x, self._chain = chain.x, None
        self.evaluations += len(self._x)
        self.nonfinite += chain.nonfinite
        self.proposed += self._steps
        # by way of shares, as a whole call tells them: steps are tuned by the last digit
        self.accepted += chain.accepted / self._steps * self._steps
        energy = self._system.energy(Walkers(self._x)) / self._system.kT
        return np.column_stack([self._cvs(self._x), energy])

    def _opened(self) -> Chain:
        return self._kernel.chain(self._target, self._x.copy(), self._rng)

    def exchange(self, order: Ints) -> None:
        """See `Heated`."""
        self._slices.call(partial(self._exchange, order), _none)

    def _exchange(self, order: Ints) -> None:
        self._x = self._x[order]

    def walkers(self) -> Walkers:
        """See `Heated`."""
        return self._slices.call(
            lambda: Walkers(self._x.copy()), lambda tree: decode(Walkers, tree)
        )

    def snapshot(self) -> Tree:
        """See `msgen.actors.slices.Machine`."""
        kept: Tree = {
            "x": self._x.copy(),
            "evaluations": self.evaluations,
            "nonfinite": self.nonfinite,
            "tests": np.array([self.proposed, self.accepted]),
        }
        if self._chain is not None:
            kept |= {"chain": self._chain.snapshot(), "steps": self._steps, "left": self._left}
        return kept

    def resume(self, snapshot: Tree) -> None:
        """See `msgen.actors.slices.Machine`."""
        self._x, self._chain = np.array(snapshot["x"]), None
        if "chain" in snapshot:
            words = words_of(self._rng)  # what a chain begins with is put aside at once
            chain = self._opened()
            set_words(self._rng, words)
            chain.resume(snapshot["chain"])
            self._chain = chain
            self._steps, self._left = int(snapshot["steps"]), int(snapshot["left"])
        self.evaluations, self.nonfinite = snapshot["evaluations"], snapshot["nonfinite"]
        self.proposed, self.accepted = np.array(snapshot["tests"])


def _array(tree: Any) -> Array:
    return np.asarray(tree, dtype=np.float64)


def _none(tree: Any) -> None:
    return None
