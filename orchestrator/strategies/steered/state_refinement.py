"""Going back where the surface shows states that were not known."""

from __future__ import annotations

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.steered.state import ExploreState, ProduceState


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
