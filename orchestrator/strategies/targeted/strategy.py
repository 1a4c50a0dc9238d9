"""The targeted strategy: each state has a model of its own, which joins it to the others.

explore: pushes over the CV range find the states. adapt: replicas sample in their states, and a
model of the full configuration is fitted to each until it gains no more on held-out samples.
produce: the models are frozen; samples and draws of the models give the states' free energies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, decode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.target import (
    FitTransportPayload,
    FitTransportRecord,
    Maps,
    TargetRecord,
)
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.allocation import allocate, groups
from msgen.orchestrator.strategies.common.basins import basins_with
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.free_energies import pre_production_estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.replica_pool import ReplicaPool
from msgen.orchestrator.strategies.common.second_look import due_look
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.orchestrator.strategies.steered.switching import path_step
from msgen.orchestrator.strategies.targeted.learning import Learning
from msgen.orchestrator.strategies.targeted.orders import (
    fit_orders,
    models_in_use,
    sampling_orders,
)
from msgen.orchestrator.strategies.targeted.production import Gathered
from msgen.orchestrator.strategies.targeted.state import (
    ExploringState,
    StatesState,
    TargetedState,
)

Ints = NDArray[np.int64]


class Targeted:
    """See the module; meets `msgen.orchestrator.base.Strategy`.

    Parameters
    ----------
    problem : Problem
    periodic : sequence of bool
        Of the variables that the models see.
    maps : str
        How states are mapped: 'models', 'interpolant' or 'none'.
    """

    name = "targeted"

    def __init__(self, problem: Problem, periodic: Sequence[bool], maps: Maps) -> None:
        self.problem = problem
        self.maps: Maps = maps
        self._periodic = np.array(periodic, dtype=bool)

    # the state machine

    def start(self) -> TargetedState:
        """See `Strategy`."""
        pool, moves = Seeds.first(self.problem), LocalMoves.first(self.problem)
        return ExploringState(round=0, phase="explore", pool=pool, moves=moves)

    def read(self, tree: Tree) -> TargetedState:
        """See `Strategy`."""
        if tree["phase"] == "explore":
            return decode(ExploringState, tree)
        return decode(StatesState, tree)

    def decide(self, state: TargetedState) -> StepPlan:
        """See `Strategy`."""
        problem = self.problem
        if isinstance(state, ExploringState):
            dt, step = path_step(problem, state.moves), state.moves.step_size
            return explore.plan(problem, state.round, state.attempt, state.pool, dt, step)
        return StepPlan(
            state.phase,
            sampling_orders(problem, state, self.maps),
            fit_orders(state, self._periodic, self.maps),
            models_in_use(state),
        )

    def absorb(self, state: TargetedState, segments: Sequence[Segment]) -> TargetedState:
        """See `Strategy`."""
        fits = [s for s in segments if s.is_fit]
        rest = [s for s in segments if not s.is_fit]
        if isinstance(state, ExploringState):
            return self._explored(replace(state, round=state.round + 1), segments)
        walkers = state.walkers.updated(
            len(state.stratum),
            self._groups(state),
            [s.read(TargetRecord).walkers for s in rest],
        )
        state = replace(state, round=state.round + 1, walkers=walkers)
        if state.phase == "adapt":
            return self._adapted(state, rest, fits)
        return self._produced(state, rest)

    def replicas(self, state: TargetedState) -> int:
        """See `Strategy`."""
        if isinstance(state, ExploringState):
            return self.problem.replicas
        return len(state.pool.at_work(len(state.stratum)))

    def resize(self, state: TargetedState, replicas: int) -> TargetedState:
        """See `Strategy`: not before production has begun."""
        if isinstance(state, ExploringState) or state.phase != "produce":
            return state
        made = state.pool.resized(state.stratum, replicas, self.problem.seed, state.round)
        walkers = state.walkers.take(made.parents)
        descent = None if state.descent is None else state.descent[made.parents]
        return replace(
            state, walkers=walkers, stratum=made.stratum, descent=descent, pool=made.pool
        )

    def at_hand(self, state: TargetedState) -> WalkerRows | None:
        """See `Learner`."""
        if isinstance(state, ExploringState) or state.phase != "produce":
            return None
        return state.walkers.take(state.pool.at_work(len(state.stratum)))

    def begin_again(self, state: TargetedState, finds: Finds) -> TargetedState:
        """See `Learner`: replicas are shared out anew, and the states' models begin anew."""
        if isinstance(state, ExploringState):
            raise ValueError("what was found before any state was known is part of the search")
        states = self._named()
        if states is None:
            problem = self.problem
            weight = np.exp(-np.nan_to_num(self.estimate(state).f_kT, nan=np.inf))
            states = basins_with(weight, finds.trail, problem.grid, problem.names)
        return self._shared_out(state, states, finds)

    def _shared_out(self, state: StatesState, states: Partition, finds: Finds) -> StatesState:
        """Replicas shared out anew over `states`, whose models are to be learnt."""
        problem = self.problem
        here = state.pool.at_work(len(state.stratum))
        # the last reading of each, NaN of one that has none
        xi = np.full((len(here), problem.dim), np.nan)
        if state.gathered is not None and state.gathered.production.series.shape[1]:
            xi = state.gathered.production.series[here, -1]
        descent = None if state.descent is None else state.descent[here]
        pool = finds.pooled(state.walkers.take(here), xi, descent, states)
        stratum, seed = allocate(problem, pool.where, np.ones(len(states)))
        learning = Learning.start(stratum, len(states))
        return replace(
            state,
            phase="adapt",
            adapt=0,
            states=states,
            missing=pool.missing(states),
            stratum=stratum,
            descent=pool.descent[seed],
            walkers=pool.walkers.take(seed),
            # versions that were in use are not used again for other models
            learning=replace(learning, newest=state.learning.newest),
            models={},
            maps={},
            totals={},
            gathered=None,
            pool=ReplicaPool(),
        )

    # explore

    def _explored(self, state: ExploringState, segments: Sequence[Segment]) -> TargetedState:
        problem = self.problem
        found = explore.absorb(problem, state.pool, segments)
        isomers = dict(state.isomers)
        for name, count in found.isomers.items():
            isomers[name] = isomers.get(name, 0) + count
        attempt, pool = state.attempt + found.attempts, found.seeds
        states = self._named()
        if states is None:
            states = found.basins(problem)
        where = states.assign(pool.xi)
        missing = tuple(n for k, n in enumerate(states.names) if not (where == k).any())
        if explore.goes_on(problem, pool, attempt, missing):
            return replace(state, pool=pool, isomers=isomers, attempt=attempt)
        # what lies in no state that is sampled starts no replica
        where = np.where(where < len(states), where, -1)
        stratum, seed = allocate(problem, where, np.ones(len(states)))
        return StatesState(
            round=state.round,
            phase="adapt",
            attempt=attempt,
            isomers=isomers,
            moves=state.moves,
            states=states,
            missing=missing,
            stratum=stratum,
            descent=seed.astype(np.int64),
            walkers=pool.walkers.without_velocities().take(seed),
            learning=Learning.start(stratum, len(states)),
        )

    def _named(self) -> Partition | None:
        """The named states and the rest, unless that is left out; None where they are found."""
        boxes, problem = self.problem.boxes, self.problem
        if boxes is None or problem.strategy["rest"] == "sample":
            return problem.states()
        return Partition.from_boxes(boxes, problem.names, problem.periodic, rest=None)

    # what comes back

    def _groups(self, state: StatesState) -> list[Ints]:
        """Replicas at work, those that share an order together."""
        return groups(self.problem, state.stratum, state.pool.at_work(len(state.stratum)))

    def _adapted(
        self, state: StatesState, segments: Sequence[Segment], fits: Sequence[Segment]
    ) -> StatesState:
        learning, models, maps = state.learning, dict(state.models), dict(state.maps)
        for fit in fits:
            k = fit.key[2]
            if fit.key[1] == FitTransportPayload.kind:
                learning = learning.with_map(k)
                maps[k] = fit.read(FitTransportRecord).model
                continue
            learning, model = learning.with_fit(k, fit), fit.read(FitRecord).model
            if model is not None:
                models[k] = model
        for group, segment in zip(self._groups(state), segments, strict=True):
            seen = segment.read(TargetRecord).configurations
            if seen is not None:
                learning = learning.with_configurations(int(state.stratum[group[0]]), seen)
        walkers = [s.read(TargetRecord).walkers for s in segments]
        moves = state.moves.with_step(segments)
        moves = moves.with_masses(self.problem, state.adapt, state.states, segments, walkers)
        adapt = state.adapt + 1
        learning, phase = replace(learning, rounds=adapt), state.phase
        if learning.done(self.maps == "interpolant"):
            # nothing is fitted any more
            learning, phase = replace(learning, data={}), "produce"
        return replace(
            state,
            phase=phase,
            adapt=adapt,
            learning=learning,
            models=models,
            maps=maps,
            moves=moves,
        )

    def _produced(self, state: StatesState, segments: Sequence[Segment]) -> StatesState:
        stratum, states = state.stratum, state.states
        gathered, ancestor = state.gathered, state.pool.ancestors(len(stratum))
        if gathered is None:
            descent = state.descent
            gathered = Gathered.start(self.problem, stratum, len(states), ancestor, descent)
        here = state.pool.counted(len(stratum))
        gathered = gathered.with_round(
            self.problem, states, stratum, segments, here, ancestor, state.descent
        )
        state = replace(
            state,
            gathered=gathered,
            pool=state.pool.after_round(),
            totals=with_counts(state.totals, segments),
        )
        rounds = gathered.production.rounds
        found = due_look(self.problem, lambda: self.estimate(state), states, rounds, state.relooks)
        if found is None:
            return state
        finds = Finds.none(state.walkers, self.problem.dim)
        return replace(self._shared_out(state, found, finds), relooks=state.relooks + 1)

    # estimates

    def estimate(self, state: TargetedState) -> Estimate:
        """See `Strategy`."""
        about: dict[str, Any] = {"isomers_left_out": dict(state.isomers)}
        if isinstance(state, StatesState):
            losses = zip(state.states.names, state.learning.losses.tolist(), strict=True)
            about["held_out_loss"] = dict(losses)
        if isinstance(state, ExploringState) or state.gathered is None:
            named = self._named()
            values = dict.fromkeys(named.names if named else (), StateEstimate(None, None))
            return pre_production_estimate(self.problem, state.phase, about, values)
        return state.gathered.estimate(
            self.problem, state.states, _rates(state.totals), about, state.missing
        )


def _rates(totals: Mapping[str, float]) -> dict[str, float]:
    if not totals.get("local_proposed"):
        return {}
    return {"local": totals["local_accepted"] / totals["local_proposed"]}
