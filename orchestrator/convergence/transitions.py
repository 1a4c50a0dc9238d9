"""Replicas that move over all states by themselves: whether they come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgen.orchestrator.convergence.base import Criteria, Pair


@dataclass(frozen=True)
class Passages:
    """How often replicas left a state, and how often one that had left it came back."""

    left: int
    returned: int


@dataclass(frozen=True)
class Transitions:
    """Round trips of replicas; a state never left and re-entered is never converged.

    Attributes
    ----------
    states : sequence of str
    round_trips : Mapping of two state names to int
        In either order; none where they are not named.
    passages : Mapping of state name to Passages
    """

    states: Sequence[str]
    round_trips: Mapping[Pair, int] = field(default_factory=dict)
    passages: Mapping[str, Passages] = field(default_factory=dict)

    def unmet(self, asked: Criteria) -> list[str]:
        """States that are never left or re-entered, and pairs with too few round trips."""
        out = []
        for name in self.states:
            seen = self.passages.get(name, Passages(0, 0))
            if seen.left == 0:
                out.append(f"{name}: never left")
            elif seen.returned == 0:
                out.append(f"{name}: left {seen.left} times but never re-entered")
        for i, b in enumerate(self.states):
            for a in self.states[:i]:
                trips = self.round_trips.get((a, b), self.round_trips.get((b, a), 0))
                if trips < asked.round_trips:
                    out.append(f"{a} to {b}: {trips} round trips, asked {asked.round_trips}")
        return out
