"""One driver of every Markov chain: a kernel says how a chain begins and what a step is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from msgen.actors.kernels.base import Kernel, KernelResult, Mask, Recorder, Target
from msgen.systems.base import Array, Walkers


class ChainState(Protocol):
    """Where n walkers are, with whatever else a kernel carries from one step to the next.

    A NamedTuple of arrays and flags.
    """

    @property
    def x(self) -> Array:
        """Positions, shape (n, D)."""
        ...

    def _asdict(self) -> dict[str, Any]: ...


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


class Chain(Protocol):
    """A chain of n walkers that is taken on piece by piece, and can be put down in between.

    Attributes
    ----------
    accepted : Array, shape (n,)
        Proposals of each walker that were accepted.
    nonfinite : int
        Proposals refused for not being finite.
    """

    accepted: Array
    nonfinite: int

    @property
    def x(self) -> Array:
        """Positions, shape (n, D)."""
        ...

    def advance(self, n_steps: int) -> None:
        """So many steps."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Where it stands between two steps: arrays and numbers."""
        ...

    def resume(self, snapshot: Mapping[str, Any]) -> None:
        """Stand there."""
        ...


class ChainKernel(Kernel, Protocol):
    """A kernel whose calls can be made piece by piece."""

    @property
    def evaluations_per_step(self) -> int:
        """Energy and force evaluations that a step costs each walker; the start costs one."""
        ...

    def chain(self, target: Target, x: Array, rng: np.random.Generator) -> Chain:
        """The chain that a call from `x`, shape (n, D), goes through."""
        ...


class _Steps(Generic[S]):
    """Meets `Chain`."""

    def __init__(
        self, kernel: SteppedKernel[S], target: Target, x: Array, rng: np.random.Generator
    ) -> None:
        self._kernel, self._target, self._rng = kernel, target, rng
        self._state = kernel.init(target, x, rng)
        self.accepted, self.nonfinite = np.zeros(len(x)), 0

    @property
    def x(self) -> Array:
        """See `Chain`."""
        return self._state.x

    def advance(self, n_steps: int) -> None:
        """See `Chain`."""
        for _ in range(n_steps):
            self._state, outcome = self._kernel.step(self._target, self._state, self._rng)
            self.accepted += outcome.accepted
            self.nonfinite += int(outcome.nonfinite.sum())

    def snapshot(self) -> dict[str, Any]:
        """See `Chain`."""
        state = {name: np.array(value) for name, value in self._state._asdict().items()}
        return {"state": state, "accepted": self.accepted.copy(), "nonfinite": self.nonfinite}

    def resume(self, snapshot: Mapping[str, Any]) -> None:
        """See `Chain`."""
        kept = [snapshot["state"][name] for name in self._state._asdict()]
        self._state = type(self._state)(*(np.array(v) if np.ndim(v) else bool(v) for v in kept))
        self.accepted, self.nonfinite = np.array(snapshot["accepted"]), int(snapshot["nonfinite"])


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

    def chain(self, target: Target, x: Array, rng: np.random.Generator) -> Chain:
        """See `ChainKernel`."""
        return _Steps(self, target, x, rng)

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
