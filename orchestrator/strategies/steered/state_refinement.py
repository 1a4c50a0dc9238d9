"""Looking over the states again as sampling goes on, where the campaign names none."""

from __future__ import annotations

import numpy as np

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.steered.state import ExploreState, ProduceState

MOST_RELOOKS = 3
"""How often a campaign may go back because a new state was found."""
SURE = 0.5
"""kT: bins with a larger error say nothing about basins."""


def look_again(problem: Problem, estimate: Estimate, states: Partition) -> Partition | None:
    """The basins of the present surface, if there are more than `states`; else None.

    Strata cover all of CV space, so that a basin not known before is counted within its stratum all
    the while; what changes is that it gets replicas and a free energy of its own.
    """
    sure = np.nan_to_num(estimate.stderr_kT, nan=np.inf) < SURE
    sure &= np.nan_to_num(estimate.f_kT, nan=np.inf) < problem.criteria.below
    weight = np.where(sure, np.exp(-np.nan_to_num(estimate.f_kT, nan=np.inf)), 0.0)
    if not weight.any():
        return None
    found = find_basins(weight, problem.grid, problem.names, smooth=0.5)
    return found if len(found) > len(states) else None


def go_back(state: ProduceState, found: Partition) -> ExploreState:
    """Back to exploring, now for walkers of every state in `found`; nothing counted so far is kept.

    What was counted was unbiased, but the replicas' new strata are other ensembles.

    Raises
    ------
    ValueError
        Before a round was sampled.
    """
    if state.xi is None:
        raise ValueError("nothing was sampled yet from which to go back")
    return ExploreState(
        round=state.round,
        isomers=state.isomers,
        relooks=state.relooks + 1,
        moves=state.moves,
        found=found,
        spent=state.spent,
        pool=Seeds(state.walkers.without_velocities(), state.xi),
        states=state.states,
        works=state.works,
        tuner=state.tuner,
        stratum=state.stratum,
        replica_pool=state.replica_pool,
    )
