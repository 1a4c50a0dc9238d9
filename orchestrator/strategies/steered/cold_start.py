"""What a chain has found: the states it has been to, and whether it goes to and fro between them.

A chain (`stratify: off`) may begin in one state and know of no other. The broad share of its
proposals reaches over the whole CV range, steered moves carry it there, and what it saw teaches the
next version of the proposals (S. Tamagnone, A. Laio and M. Gabrié, arXiv 2406.01524). Its moves
are reversible whatever the version, so that it has reached its stationary distribution when as many
go from each state to each other as come back. Only then does it teach the right weights, and only
then does the adaptation end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.exploration import searches
from msgen.orchestrator.strategies.common.finding_states import states_in
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.second_look import MOST_RELOOKS
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.state import AdaptState, ProduceState, Settling
from msgen.orchestrator.strategies.steered.switching import tuner_of
from msgen.orchestrator.strategies.steered.traffic import Traffic

KEPT = 2.0
"""Standard errors up to which moves balance well enough to be counted on under new proposals."""
FIT_EVERY = 4
"""Rounds between two fits while the chain has not settled."""
MOST_COLD = 80
"""Rounds after which the adaptation of a chain ends even if it has not settled."""


def cold(problem: Problem) -> bool:
    """Whether the campaign looks for states by its chain alone."""
    return not searches(problem)


def first_states(problem: Problem) -> Partition:
    """The states as they are known before anything was sampled."""
    named = problem.states()
    return Partition.whole(problem.periodic) if named is None else named


def found_states(problem: Problem, state: AdaptState) -> Partition:
    """The basins of what the chain has seen, where the campaign names no states."""
    if problem.boxes is not None:
        return state.states
    if problem.on_points:
        if 0 not in state.sightings:
            return state.states
        found = states_in(problem, state.sightings[0].xi, state.sightings[0].weight)
    elif 0 in state.flatteners:
        density = state.flatteners[0].populations().reshape(problem.grid.shape)
        found = find_basins(density, problem.grid, problem.names)
    else:
        return state.states
    # borders move a little with every round; what was said of the old states is worth more
    return found if len(found) != len(state.states) else state.states


def first_settling(problem: Problem, states: int, where: NDArray[np.int64]) -> Settling:
    """What is known of `states` when the adaptation begins with walkers in states `where`."""
    visited = np.bincount(where, minlength=states) > 0
    return Settling(Traffic.none(states), visited, unsettled=False, joined=not cold(problem))


def under_new_proposals(settling: Settling) -> Settling:
    """Moves are counted anew: a new version of the proposals is in use.

    Not where moves balance so far: moves are reversible under any version, and a chain whose
    crossings are dear would be asked for them again with every fit.
    """
    if settling.traffic.balances(KEPT):
        return settling
    return replace(settling, traffic=Traffic.none(len(settling.traffic.visits)))


def unvisited(state: AdaptState) -> tuple[str, ...]:
    """States that no walker has been to."""
    known = zip(state.states.names, state.settling.visited, strict=True)
    return tuple(name for name, visited in known if not visited)


def settle(
    problem: Problem, state: AdaptState, segments: Sequence[Segment], works: Works, planned: int
) -> tuple[AdaptState, bool]:
    """After a round of the adaptation, and whether the chain has settled in all states.

    After `planned` rounds it teaches its proposals on and on until it has. Paths are tuned anew
    when a state is found, and when a chain that began in one state goes to and fro for the first
    time: before, its proposals were not what they will be.
    """
    states, before = state.states, state.settling
    traffic, visited = before.traffic.with_round(states, segments, works), before.visited
    settled, rounds = traffic.settled, state.adapt - planned
    if cold(problem):
        now = found_states(problem, state)
        if len(now) > len(states):
            states, visited, settled = now, np.zeros(len(now), dtype=bool), False
            traffic = Traffic.none(len(now)).with_round(now, segments, Works.empty())
    seen = visited | (traffic.visits > 0)
    fresh, joins = bool((seen & ~visited).any()), settled and not before.joined
    unsettled = rounds > 0 and rounds % FIT_EVERY == 0 and not settled
    settling = Settling(traffic, seen, unsettled, joined=before.joined or settled)
    state = replace(state, states=states, settling=settling)
    if fresh or joins:
        state = replace(state, tuner=tuner_of(problem, state).again())
    return state, settled and (bool(seen.all()) or not cold(problem))


def found_late(
    problem: Problem, state: ProduceState, states: Partition, adapted: int
) -> AdaptState | ProduceState:
    """Back to adapting, where production came to a state of which nothing was known."""
    state = replace(state, missing=(), states=states)
    if state.relooks >= MOST_RELOOKS:
        return state
    return replace(
        state.adapting_again(adapted),
        settling=first_settling(problem, len(states), np.arange(len(states))),
        tuner=tuner_of(problem, state).again(),
    )
