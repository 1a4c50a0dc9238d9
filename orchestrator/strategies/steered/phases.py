"""From the exploration to the adaptation, and from there to production."""

from __future__ import annotations

import numpy as np

from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.strategies.common.allocation import allocate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.replica_pool import ReplicaPool
from msgen.orchestrator.strategies.steered.adaptation import areas
from msgen.orchestrator.strategies.steered.cold_start import first_settling, unvisited
from msgen.orchestrator.strategies.steered.learnt_dynamics import SeenSteps
from msgen.orchestrator.strategies.steered.profile import Profiling
from msgen.orchestrator.strategies.steered.state import (
    AdaptState,
    ExploreState,
    ProduceState,
    shared,
)
from msgen.orchestrator.strategies.steered.switching import frozen_schedule, points


def begin_adapt(
    problem: Problem, state: ExploreState, states: Partition, missing: tuple[str, ...]
) -> AdaptState:
    """Replicas go to the states that were found, from the seeds there are."""
    stratify = bool(problem.strategy["stratify"])
    strata = states if stratify else Partition.whole(problem.periodic)
    where = states.assign(state.pool.xi)
    stratum, seed = allocate(problem, where, np.ones(len(states)))
    if not stratify:
        stratum = np.zeros_like(stratum)
    return AdaptState(
        round=state.round,
        attempt=state.attempt,
        isomers=state.isomers,
        relooks=state.relooks,
        moves=state.moves,
        found=state.found,
        spent=state.spent,
        states=states,
        missing=missing,
        strata=strata,
        stratum=stratum,
        descent=seed.astype(np.int64),
        walkers=state.pool.walkers.without_velocities().take(seed),
        ladders={k: Ladder.plain(problem.local_g) for k in range(len(strata))},
        settling=first_settling(problem, len(states), where),
        log_mass=np.zeros(len(strata)),
    )


def begin_produce(problem: Problem, state: AdaptState) -> ProduceState:
    """Freeze everything; replicas go where the surface is widest."""
    stratify, flatten = bool(problem.strategy["stratify"]), float(problem.strategy["flatten"])
    stratum, seed = allocate(problem, state.stratum, areas(problem, state, flatten))
    walkers, pool = state.walkers.take(seed), ReplicaPool()
    if len(np.unique(seed)) < len(seed):
        # copies of one walker part ways from different velocities, and count as one
        walkers = walkers.without_velocities()
        first = {int(walker): i for i, walker in reversed(list(enumerate(seed)))}
        pool = ReplicaPool(ancestor=np.array([first[int(walker)] for walker in seed]))
    profile = None
    if points(problem):
        profile = Profiling.start(
            problem,
            frozen_schedule(problem, state),
            state.strata,
            state.flatteners,
            stratum,
            state.works,
        )
    kept = {
        **shared(state),
        "stratum": stratum,
        "descent": None if state.descent is None else state.descent[seed],
        "walkers": walkers,
        "replica_pool": pool,
        "xi": None if state.xi is None else state.xi[seed],
        "missing": state.missing if stratify else unvisited(state),
        "flatteners": {},
        "sightings": {},
        "fit_data": {},
        "seen_steps": SeenSteps(),
    }
    return ProduceState(**kept, profile=profile)
