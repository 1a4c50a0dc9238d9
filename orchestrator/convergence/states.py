"""The states themselves: found at all, and more than one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria


@dataclass(frozen=True)
class NeverFound:
    """States that the campaign names and nothing has come to."""

    states: Sequence[str]

    def unmet(self, asked: Criteria) -> list[str]:
        """One reason for each."""
        return [f"{name}: never found" for name in self.states]


@dataclass(frozen=True)
class TwoStates:
    """How many states are known."""

    number: int

    def unmet(self, asked: Criteria) -> list[str]:
        """A single one has no difference to another."""
        if self.number > 1:
            return []
        return [f"only {self.number} state known: there is no difference to converge"]
