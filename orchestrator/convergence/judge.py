"""Whether a campaign has converged, and in words what is missing if not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria, Criterion, ErrorSize, Ground


@dataclass(frozen=True)
class Verdict:
    """What one look at a campaign says; `looks` holds several against one another.

    Attributes
    ----------
    unmet : tuple of str
        Every reason against convergence, with its numbers.
    standing : bool
        Whether all criteria hold by their values, the size of the errors and what may yet turn out
        within the values' own uncertainty left aside.
    ungrounded : tuple of str
        Why the errors mean nothing; empty where they do.
    """

    unmet: tuple[str, ...]
    standing: bool
    ungrounded: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """Whether all of them hold at this look."""
        return not self.unmet


def judge(asked: Criteria, criteria: Iterable[Criterion]) -> Verdict:
    """Hold what is known against what is asked.

    Parameters
    ----------
    asked : Criteria
    criteria : iterable of Criterion
        In the order in which their reasons are told: first what takes the meaning from the rest.
    """
    unmet: list[str] = []
    ungrounded: list[str] = []
    standing = True
    for criterion in criteria:
        against = criterion.unmet(asked)
        unmet += against
        if isinstance(criterion, Ground):
            against = criterion.ungrounded(asked)
            ungrounded += against
        standing = standing and (not against or isinstance(criterion, ErrorSize))
    return Verdict(tuple(unmet), standing, tuple(ungrounded))
