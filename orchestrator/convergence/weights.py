"""Weights of independent draws: their tail, and states that the model misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msgen.orchestrator.convergence.base import Criteria, shown
from msgen.orchestrator.estimators.pareto import USABLE
from msgen.orchestrator.estimators.tail_index import BOUND


@dataclass(frozen=True)
class MissedStates:
    """States that the model misses, in words: errors mean nothing where one is."""

    states: Sequence[str]

    def unmet(self, asked: Criteria) -> list[str]:
        """One reason for each."""
        return list(self.states)

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: what is not drawn is in no error."""
        return self.unmet(asked)


@dataclass(frozen=True)
class WeightTail:
    """The Pareto exponents of the largest weights: what is above 0.7 may be led by undrawn ones.

    Attributes
    ----------
    exponents : Mapping of str to (float, float)
        k̂ of all draws and of those in each state, and its error; NaN where it is not known.
    """

    exponents: Mapping[str, tuple[float, float]]

    def unmet(self, asked: Criteria) -> list[str]:
        """Tails that are too heavy, or not known well enough to tell."""
        out = []
        for where, (k, error) in self.exponents.items():
            if not np.isfinite(k):
                out.append(f"tail of the weights, {where}: too few draws to tell how heavy it is")
            elif not k + BOUND * error <= USABLE:
                what = f"tail of the weights, {where}: k̂ {shown(k)} ± {shown(error)}"
                limit = f"asked that k̂ + {BOUND:g} σ be at most {USABLE:g}"
                out.append(f"{what}, {limit}; what was never drawn may decide")
        return out

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: without a variance there is no error."""
        return self.unmet(asked)
