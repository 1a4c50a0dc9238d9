"""The sampling orders of the steered strategy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Shared, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import ProposalSpec
from msgen.actors.orders.sample import PathSpec, SamplePayload
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import wants_curvature
from msgen.orchestrator.strategies.steered.flattening import PLAIN_SHARE
from msgen.orchestrator.strategies.steered.learnt_dynamics import lags_of
from msgen.orchestrator.strategies.steered.state import AdaptState, ProduceState
from msgen.orchestrator.strategies.steered.switching import frozen_schedule, tuner_of
from msgen.systems.base import Array

BLOCKS = 8
"""Stretches of local sampling in one order, a path after each where λ is absent."""
TUNING_BLOCKS = 24
"""Most of them while paths are tuned, and those of a chain in an analytic system."""
READINGS = 2560
"""Of the CVs in a round of the adaptation, of all replicas together: many replicas sample shorter
for it. What fits, masses and the bias learn from a round are readings."""
TUNING_PATHS = {"batched": 384, "molecule": 64}
"""Paths of a round in which they are tuned: those of an analytic system are cheap."""
GROWTH = 2
"""Rounds of production after which a round is longer by one `BLOCKS`: less to commit."""
LONGEST = 16
"""`BLOCKS` of the longest round: by then committing is next to nothing, and a crash costs more."""


def can_bridge(problem: Problem, state: AdaptState | ProduceState) -> bool:
    """Whether there is anywhere to go: another stratum, or a whole space to move in."""
    return not problem.strategy["stratify"] or len(np.unique(state.stratum)) > 1


def sampling_orders(problem: Problem, state: AdaptState | ProduceState) -> tuple[WorkOrder, ...]:
    """Local sampling of every replica, and paths once there is a model to propose them."""
    version = state.version if can_bridge(problem, state) else -1
    paths = _paths(problem, state) if version >= 0 else None
    blocks, chunks = _length(problem, state, version)
    curvature = isinstance(state, AdaptState) and wants_curvature(problem, state.adapt)
    shared: Shared = {}  # all orders hold one tree of the strata, the ladders and the paths
    return tuple(
        WorkOrder.of(
            state.round,
            SamplePayload(
                walkers=state.walkers.take(group),
                replicas=group,
                stratum=state.stratum[group],
                partition=state.strata,
                ladder=state.ladders[int(state.stratum[group[0]])],
                blocks=blocks,
                chunks=chunks,
                steps=problem.stride,
                step_size=state.moves.step_size,
                masses=state.moves.masses,
                curvature=curvature,
                paths=paths,
                partial=state.partial.get(int(state.stratum[group[0]])),
            ),
            number,
            model_version=version,
            cost_hint=float(blocks * chunks * problem.stride * len(group)),
            shared=shared,
        )
        for number, group in enumerate(groups(problem, state.stratum, state.at_work))
    )


def _length(problem: Problem, state: AdaptState | ProduceState, version: int) -> tuple[int, int]:
    """Blocks of an order, and chunks of each."""
    chunks, blocks = max(1, int(problem.strategy["local"]["steps"]) // problem.stride), BLOCKS
    if isinstance(state, ProduceState):
        chunks = max(1, round(chunks * state.local_share))
        blocks *= min(LONGEST, 1 + state.produced_rounds // GROWTH)
    elif problem.strategy["stratify"]:
        blocks = min(BLOCKS, -(-READINGS // (chunks * len(state.at_work))))
        if version >= 0:
            return _tuning_length(problem, state, blocks * chunks)
    elif version >= 0 and problem.batched:
        blocks = TUNING_BLOCKS
    return blocks, chunks


def _tuning_length(problem: Problem, state: AdaptState, chunks: int) -> tuple[int, int]:
    """The same while paths are tuned: about as much local sampling, in as many blocks as give
    enough paths of every candidate."""
    tried = len(tuner_of(problem, state).candidates)
    paths = TUNING_PATHS["batched" if problem.batched else "molecule"]
    blocks = min(TUNING_BLOCKS, paths / (PLAIN_SHARE * len(state.at_work)))
    blocks = tried * max(1, round(blocks / tried))
    return blocks, max(1, round(chunks / blocks))


def _paths(problem: Problem, state: AdaptState | ProduceState) -> PathSpec:
    """The paths of a round: candidates of the tuner, or in production the best settings."""
    schedules = tuner_of(problem, state).candidates
    if isinstance(state, ProduceState):
        schedules = (frozen_schedule(problem, state),)
    spec = problem.strategy
    return PathSpec(
        mode="strata" if spec["stratify"] else "chain",
        schedules=schedules,
        targets=_targets(state.strata, state.stratum),
        proposals=ProposalSpec(
            problem.broad(),
            float(spec["broad"]),
            state.log_mass,
            tuple(float(lag) for lag in lags_of(problem)),
        ),
    )


def _targets(strata: Partition, stratum: NDArray[np.int64]) -> Array:
    """Chance of each target given the source, (K, K): every other inhabited stratum alike."""
    n = len(strata)
    if n == 1:
        return np.ones((1, 1))
    inhabited = np.isin(np.arange(n), stratum)
    chance = np.tile(inhabited.astype(np.float64), (n, 1))
    np.fill_diagonal(chance, 0.0)
    return np.asarray(chance / np.maximum(chance.sum(axis=1, keepdims=True), 1.0))
