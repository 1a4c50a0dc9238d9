"""Works that join states in which replicas are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria, Pair, shown
from msgen.orchestrator.estimators.left_out import Bounded


@dataclass(frozen=True)
class WorkOverlaps:
    """Overlap of forward and reverse work.

    Attributes
    ----------
    states : sequence of str
        All states, the one that the others are measured against first.
    overlaps : Mapping of two state names to Bounded
        Of every pair used; they must join all states.
    """

    states: Sequence[str]
    overlaps: Mapping[Pair, Bounded]

    def unmet(self, asked: Criteria) -> list[str]:
        """Pairs that overlap too little, or may do so, and states that no pair joins."""
        out = self.ungrounded(asked)
        for (a, b), overlap in self.overlaps.items():
            if overlap.value >= asked.overlap and not overlap.bound >= asked.overlap:
                down_to = f"{overlap.value:.3f}, down to {shown(overlap.bound, 3)}"
                what = f"overlap of forward and reverse work {down_to} by replicas left out"
                out.append(f"{a} to {b}: {what}, asked {asked.overlap:g}")
        return out

    def ungrounded(self, asked: Criteria) -> list[str]:
        """Pairs that overlap too little, and states that no pair joins."""
        out = [
            f"{a} to {b}: overlap of forward and reverse work {shown(overlap.value, 3)}, "
            f"asked {asked.overlap:g}"
            for (a, b), overlap in self.overlaps.items()
            if not overlap.value >= asked.overlap
        ]
        names = list(self.states)
        reached = set(names[:1])
        for _ in names:
            reached |= {x for pair in self.overlaps for x in pair if reached & set(pair)}
        return out + [
            f"{name}: no works join it to {names[0]}" for name in names if name not in reached
        ]
