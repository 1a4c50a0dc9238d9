"""Weights of independent draws: their tail, and states that the model misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria, shown
from msgen.orchestrator.estimators.pareto import USABLE


@dataclass(frozen=True)
class MissedStates:
    """States that the model misses, in words: errors mean nothing where one is."""

    states: Sequence[str]

    def unmet(self, asked: Criteria) -> list[str]:
        """One reason for each."""
        return list(self.states)


@dataclass(frozen=True)
class WeightTail:
    """k̂, the Pareto exponent of the largest weights; above 0.7 they have no believable error."""

    pareto_k: float

    def unmet(self, asked: Criteria) -> list[str]:
        """A tail that is too heavy."""
        if self.pareto_k <= USABLE:
            return []
        what = f"tail of the weights: k̂ {shown(self.pareto_k)}, asked at most {USABLE:g}"
        return [f"{what}; what was never drawn may decide"]
