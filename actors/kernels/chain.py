"""One driver of every Markov chain: a kernel says how a chain begins and what a step is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from msgen.actors.kernels.base import KernelResult, Mask, Recorder, Target
from msgen.systems.base import Array, Walkers


class ChainState(Protocol):
    """Where n walkers are, with whatever else a kernel carries from one step to the next."""

    @property
    def x(self) -> Array:
        """Positions, shape (n, D)."""
        ...


S = TypeVar("S", bound=ChainState)


class Outcome(NamedTuple):
    """What came of one step of n walkers.

    Attributes
    ----------
    accepted : Mask, shape (n,)
        Whose proposal was accepted, or who moved where nothing is tested.
    log_ratio : Array, shape (n,)
        ln of the acceptance ratio; see `KernelResult.log_ratio`.
    nonfinite : Mask, shape (n,)
        Whose proposal was refused for not being finite.
    """

    accepted: Mask
    log_ratio: Array
    nonfinite: Mask


class SteppedKernel(ABC, Generic[S]):
    """A kernel that is a loop over one step, as in BlackJAX: `init` and `step`, both pure.

    Attributes
    ----------
    evaluations_per_step : int
        Energy and force evaluations that a step costs each walker; `init` costs one.
    """

    @property
    def evaluations_per_step(self) -> int:
        """See the class."""
        return 1

    @abstractmethod
    def init(self, target: Target, x: Array, rng: np.random.Generator) -> S:
        """The state of a chain that begins at `x`, shape (n, D)."""

    @abstractmethod
    def step(self, target: Target, state: S, rng: np.random.Generator) -> tuple[S, Outcome]:
        """The state one step later, and what came of the step."""

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` steps from a fresh `init`; 0 in `record_every` records nothing."""
        return run_chain(
            self.init(target, np.array(walkers.positions, dtype=np.float64), rng),
            lambda state: self.step(target, state, rng),
            walkers,
            n_steps=n_steps,
            record_every=record_every,
            evaluations_per_step=self.evaluations_per_step,
        )


def run_chain(
    state: S,
    step: Callable[[S], tuple[S, Outcome]],
    walkers: Walkers,
    *,
    n_steps: int,
    record_every: int,
    evaluations_per_step: int = 1,
) -> KernelResult:
    """Take `n_steps` steps from `state`, and count and collect what comes of them.

    Parameters
    ----------
    state : ChainState
        Where the chain begins; it has cost one evaluation a walker.
    step : callable
        A state to the next one and its outcome.
    walkers : Walkers
        Whose positions the state was made from.
    n_steps, record_every : int
        See `Kernel`.
    evaluations_per_step : int
        Of each walker.

    Raises
    ------
    ValueError
        For fewer than one step or a negative interval.
    """
    n = len(state.x)
    recorder = Recorder(n_steps, record_every, state.x.shape)
    accepted, probability, nonfinite = np.zeros(n), np.zeros(n), 0
    for k in range(n_steps):
        state, outcome = step(state)
        accepted += outcome.accepted
        probability += np.exp(np.minimum(outcome.log_ratio, 0.0))
        nonfinite += int(outcome.nonfinite.sum())
        recorder.note(k, state.x)
    return KernelResult(
        walkers.with_positions(state.x),
        accepted / n_steps,
        probability / n_steps,
        outcome.log_ratio,
        n * (n_steps * evaluations_per_step + 1),
        nonfinite,
        recorder.frames,
    )
