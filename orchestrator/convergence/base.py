"""What a criterion of convergence is, and what the campaign asks of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Criteria:
    """What `converge:` asks for; None asks for nothing.

    Attributes
    ----------
    state_error : float
        Largest standard error of any state's free energy, kT.
    surface_error : float or None
        Largest RMS standard error of the surface over visited bins lower than `below`, both kT.
    below : float
    r_hat : float or None
        Largest split R̂ of any CV.
    ess : float or None
        Least number of effective samples.
    round_trips : int
        Least number of round trips between every two states, where replicas are free to move.
    overlap : float
        Least overlap of forward and reverse work for every pair used, where they are stratified.
    hidden : float or None
        Largest share of the variance of anything watched that may lie between replicas of a state.
    unseen : float, 'auto' or None
        Largest bound on the share of probes that basins catch which nobody has seen; 'auto': as far
        as they can be paid from `probes`; None: none are made.
    probes : float
        Share of the evaluations that goes to them at most.
    """

    state_error: float = 0.1
    surface_error: float | None = 0.2
    below: float = 8.0
    r_hat: float | None = 1.05
    ess: float | None = 100.0
    round_trips: int = 10
    overlap: float = 0.03
    hidden: float | None = 0.2
    unseen: float | Literal["auto"] | None = "auto"
    probes: float = 0.1


class Criterion(Protocol):
    """What is known of one thing that has to hold; a strategy puts together its list of them."""

    def unmet(self, asked: Criteria) -> list[str]:
        """Every reason against convergence, with its numbers; empty where it holds."""
        ...


@runtime_checkable
class Ground(Criterion, Protocol):
    """A criterion without which an error means nothing, however large or small it is.

    `unmet` may ask for more: that it holds with its own uncertainty.
    """

    def ungrounded(self, asked: Criteria) -> list[str]:
        """Every reason for which errors have no ground; empty where they have."""
        ...


class ErrorSize(ABC):
    """A criterion that is of the size of an error alone: it may hold at the last look only."""

    @abstractmethod
    def unmet(self, asked: Criteria) -> list[str]:
        """See `Criterion`."""

    @abstractmethod
    def lacks(self, asked: Criteria) -> float:
        """How many times as many samples as there are it takes, σ being ∝ 1/√N; +∞ if unknown."""


def shown(value: float, digits: int = 2) -> str:
    """A number, or that it is unknown."""
    return "unknown" if np.isnan(value) else f"{value:.{digits}f}"
