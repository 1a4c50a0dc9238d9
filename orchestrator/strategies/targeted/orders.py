"""The orders of the targeted strategy: sampling in the states, and fits of their models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import WorkOrder
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.actors.orders.fit import FitPayload
from msgen.actors.orders.target import BridgeSpec, FitTransportPayload, Maps, TargetPayload
from msgen.models.base import ModelState
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.targeted.schema import FIT_ROUNDS
from msgen.orchestrator.strategies.targeted.state import StatesState

FRAMES = 10
"""Stretches of local sampling in one order, a configuration kept after each; more as the rounds go
on."""
LONGEST = 16
"""`FRAMES` of the longest round."""
LEARNT = 2000
"""Configurations of each state that a round of the adaptation adds."""


def sampling_orders(problem: Problem, state: StatesState, maps: Maps) -> tuple[WorkOrder, ...]:
    """Local sampling of every replica; in production also draws and maps of the models."""
    stratum, producing, frames = state.stratum, state.phase == "produce", FRAMES
    per_frame = max(1, int(problem.strategy["local"]["steps"]) // problem.stride)
    bridge = None
    if producing:
        rounds = 0 if state.gathered is None else state.gathered.production.rounds
        frames *= min(LONGEST, 1 + rounds // 4)
        bridge = BridgeSpec(
            versions=state.learning.versions,
            draws=int(problem.strategy["draws"]),
            maps=maps,
            transports=state.learning.transports,
            turn=rounds,
            steps=int(problem.strategy["annealing_steps"]),
        )
    out = []
    ids = state.pool.at_work(len(stratum))
    for number, group in enumerate(groups(problem, stratum, ids)):
        kept, chunks = frames, per_frame
        if not producing:
            # as many configurations of every state, however many replicas are in it
            here = int(np.count_nonzero(stratum == stratum[group[0]]))
            kept = max(FRAMES, -(-LEARNT // here))
            chunks = max(1, FRAMES * per_frame // kept)
        payload = TargetPayload(
            walkers=state.walkers.take(group),
            replicas=group,
            stratum=stratum[group],
            partition=state.states,
            ladder=Ladder.plain(problem.local_g),
            frames=kept,
            chunks=chunks,
            steps=problem.stride,
            step_size=state.moves.step_size,
            masses=state.moves.masses,
            bridge=bridge,
        )
        out.append(
            WorkOrder.of(
                state.round,
                payload,
                number,
                model_version=state.learning.newest if producing else -1,
                cost_hint=float(kept * chunks * problem.stride * len(group)),
            )
        )
    return tuple(out)


def fit_orders(
    state: StatesState, periodic: NDArray[np.bool_], maps: Maps
) -> tuple[WorkOrder, ...]:
    """A fit of the model of each state, and of the interpolants, in the rounds that begin them."""
    learning, rnd = state.learning, state.round
    if state.phase != "adapt" or state.adapt not in FIT_ROUNDS:
        return ()
    models = [
        WorkOrder.of(
            rnd,
            FitPayload(
                data=data,
                weights=np.ones(len(data)),
                stratum=np.zeros(len(data), dtype=np.int64),
                n_strata=1,
                periodic=periodic,
                goes_on=True,
            ),
            k,
            model_version=int(learning.versions[k]),
        )
        for k, data in sorted(learning.data.items())
    ]
    ends = learning.ends.tolist() if maps == "interpolant" else []
    joins = [
        WorkOrder.of(
            rnd,
            FitTransportPayload(learning.data[0], learning.data[k], periodic),
            k,
            model_version=int(learning.transports[k]),
        )
        for k in ends
    ]
    return (*models, *joins)


def models_in_use(state: StatesState) -> Mapping[int, ModelState]:
    """Every version in use."""
    learning = state.learning
    out = {int(learning.versions[k]): model for k, model in state.models.items()}
    out.update({int(learning.transports[k]): model for k, model in state.maps.items()})
    return out
