"""Whether a campaign has converged, and in words what is missing if not."""

from __future__ import annotations

from collections.abc import Iterable

from msgen.orchestrator.convergence.base import Criteria, Criterion


def judge(asked: Criteria, criteria: Iterable[Criterion]) -> tuple[bool, tuple[str, ...]]:
    """Hold what is known against what is asked; all of it must hold.

    Parameters
    ----------
    asked : Criteria
    criteria : iterable of Criterion
        In the order in which their reasons are told: first what takes the meaning from the rest.

    Returns
    -------
    converged : bool
    unmet : tuple of str
        Every reason against, with its numbers.
    """
    unmet = [reason for criterion in criteria for reason in criterion.unmet(asked)]
    return not unmet, tuple(unmet)
