"""Looking over the states again as sampling goes on, where the campaign names none."""

from __future__ import annotations

import numpy as np

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem

LOOK_EVERY = 4
"""Rounds of production between two looks."""
MOST_RELOOKS = 3
"""How often a campaign may go back because a new state was found."""
SURE = 0.5
"""kT: bins with a larger error say nothing about basins."""


def look_again(problem: Problem, estimate: Estimate, states: Partition) -> Partition | None:
    """The basins of the present surface, if there are more than `states`; else None.

    States cover all of CV space, so that a basin not known before is counted within another all the
    while; what changes is that it gets a free energy, and where states are strata replicas, of its
    own.
    """
    sure = np.nan_to_num(estimate.stderr_kT, nan=np.inf) < SURE
    sure &= np.nan_to_num(estimate.f_kT, nan=np.inf) < problem.criteria.below
    weight = np.where(sure, np.exp(-np.nan_to_num(estimate.f_kT, nan=np.inf)), 0.0)
    if not weight.any():
        return None
    found = find_basins(weight, problem.grid, problem.names, smooth=0.5)
    return found if len(found) > len(states) else None
