"""How many energy evaluations a strategy still takes to converge, from its own data or its plan."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgen.orchestrator.convergence.base import Criteria, ErrorSize
from msgen.orchestrator.convergence.looks import HELD, LEAST_MEMORIES, LEAST_ROUNDS, Looks
from msgen.orchestrator.estimates import Estimate
from msgen.orchestrator.forecast import Least

UNMET = 3.0
"""Times the production so far, where something is unmet whose course nobody can project."""
UNKNOWN = 10.0
"""Times the production so far, where an error that is asked for is not known at all."""
AT_LEAST = 1.1
"""Times the production so far, where all is as it should be but for what looks say."""
OVERDUE = 0.5
"""Of what was spent on learning, if it takes longer than planned, that it is taken to go on for."""


def to_go(estimate: Estimate, looks: Looks, sizes: Iterable[ErrorSize], asked: Criteria) -> float:
    """Of a strategy that counts.

    Errors fall as 1/√N, R̂ − 1 as 1/N, and effective samples grow as N, N being the length of
    production; what holds has to have held for its last third. A projection and no bound: it
    decides who has the next turn, and no sample.

    Parameters
    ----------
    estimate : Estimate
        As `looks` have judged it.
    looks : Looks
    sizes : iterable of ErrorSize
        Errors that are asked for.
    asked : Criteria
    """
    if estimate.converged:
        return 0.0
    extent, found = estimate.extent, estimate.diagnostics
    assert extent is not None
    times = [size.lacks(asked) for size in sizes]
    times = [min(one, UNKNOWN) if math.isinf(one) else one for one in times]
    times.append(LEAST_ROUNDS / max(1, extent.rounds))
    if extent.memories > 0:
        times.append(LEAST_MEMORIES / extent.memories)
    r_hat, ess = found.get("r_hat"), found.get("ess")
    if asked.r_hat is not None and isinstance(r_hat, float) and r_hat > asked.r_hat > 1:
        times.append((r_hat - 1) / (asked.r_hat - 1))
    if asked.ess is not None and isinstance(ess, float) and ess > 0:
        times.append(asked.ess / ess)
    if not estimate.standing:
        times.append(UNMET)
    elif looks.held_since is not None:
        times.append(HELD * looks.held_since / looks.length)
    known = [one for one in times if not math.isnan(one)]
    return (max(AT_LEAST, *known) - 1.0) * looks.length


def planned(least: Least, spent: int) -> float:
    """Of one that has not begun to count, at the least: by its plan, later if it is overdue."""
    production = least.stretch * least.stretches * least.production
    first = least.converged - production
    return production + (first - spent if spent <= first else OVERDUE * spent)
