"""Local moves, and independence moves of the whole configuration proposed by a flow.

The flow is retrained on what the replicas see (Gabrié, Rotskoff and Vanden-Eijnden, PNAS 119,
e2109420119, 2022), and frozen before anything counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.fit import FitPayload, FitRecord
from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.actors.orders.proposals import BroadGaussian, DefendedSpec
from msgen.actors.orders.walk import WalkPayload, WalkRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.solute.solute import SoluteCoordinates
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.free_replicas import FreeReplicas
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.learnt_steps import by_lag
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.flow_mcmc.propagating import (
    KEEP_PAIRS,
    PAIRS,
    lesson,
    record_of,
)
from msgen.orchestrator.strategies.flow_mcmc.schema import ADAPT_ROUNDS
from msgen.orchestrator.strategies.flow_mcmc.solute import report_moves
from msgen.orchestrator.strategies.flow_mcmc.state import FlowState
from msgen.orchestrator.strategies.flow_mcmc.weights import Weights
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.orchestrator.strategies.steered.switching import path_step
from msgen.systems.base import Array, System
from msgen.systems.coordinates.representation import Encoding

RECENT = 50
"""Times in a round at which every replica hands a configuration to the next fit."""
PROPOSALS = 4
"""Proposals of a replica, while the flow is refitted, for each configuration that it hands over."""
PER_VARIABLE = 600
"""Configurations that a fit of a molecule wants for each variable: alanine dipeptide's acceptance
was .08, .16 and .28 with 100, 200 and 400."""
ENOUGH = 100
"""Configurations for each variable without which a molecule's model is not worth fitting."""
KEEP, KEEP_MOLECULE = 3, 8
"""Rounds whose configurations a fit sees."""
WEIGHTS = 100
"""Log weights of proposals that every replica keeps of a round of production."""
MOST_ADAPT = 20
"""Rounds after which adaptation ends even if the acceptance still rises."""
RISE, STALLED = 1.03, 2
"""Adaptation ends when so many rounds in a row have not raised the acceptance by this factor."""


class FlowMcmc(FreeReplicas[FlowState]):
    """Local and global moves; the model sees molecules in their internal coordinates."""

    name = "flow_mcmc"
    state_type = FlowState
    adapt_rounds = ADAPT_ROUNDS

    def __init__(self, problem: Problem, system: System) -> None:
        super().__init__(problem)
        self._solute = bool(self.spec.get("solute"))
        self._coordinates: Encoding
        if self._solute:
            self._coordinates = SoluteCoordinates.of(self.spec, system)
        else:
            kind = self.spec.get("coordinates", "auto")
            self._coordinates = exact_coordinates(kind, system, problem.angles)
        self._keep, self._recent = KEEP, RECENT
        self._enough, self._record = 1, problem.stride
        if problem.has_atoms:
            dim, self._keep = self._coordinates.dim, KEEP_MOLECULE
            self._enough = ENOUGH * dim
            self._recent = int(np.ceil(PER_VARIABLE * dim / (self._keep * problem.replicas)))
            steps = BLOCKS * int(self.spec["local"]["steps"])
            self._record = int(np.clip(steps // self._recent, 1, problem.stride))
        self._lags = tuple(int(lag) for lag in self.spec.get("proposal", {}).get("lags", ()))
        if self._lags:
            self._keep, self._recent = KEEP_PAIRS, PAIRS
            self._record = record_of(self._lags, int(self.spec["local"]["steps"]))

    def start(self) -> FlowState:
        """See `Strategy`."""
        problem = self.problem
        return FlowState(
            arriving=self.arrives,
            round=0,
            phase="explore",
            walkers=self.first_walkers(),
            trail=np.zeros((0, problem.dim)),
            moves=LocalMoves.first(problem),
            pool=Seeds.first(problem),
        )

    def decide(self, state: FlowState) -> StepPlan:
        """See `Strategy`."""
        if state.phase == "explore":
            dt, step = path_step(self.problem, state.moves), state.moves.step_size
            return explore.plan(self.problem, state.round, state.attempt, state.pool, dt, step)
        data, adapting = self._data(state), state.phase == "adapt"
        fits: tuple[WorkOrder, ...] = ()
        if adapting and len(data) >= self._enough:
            fit = self._lesson(data, np.concatenate(state.recent_replica))
            fits = (WorkOrder.of(state.round, fit, model_version=state.version),)
        models = {} if state.model is None else {state.version: state.model}
        return StepPlan(state.phase, self._walks(state), fits, models)

    def _lesson(self, data: Array, owner: NDArray[np.int64]) -> FitPayload | FitPropagatorPayload:
        if self._lags:
            return lesson(data, owner, self._coordinates, self._lags)
        return FitPayload(
            data=data,
            weights=np.ones(len(data)),
            stratum=np.zeros(len(data), dtype=np.int64),
            n_strata=1,
            periodic=np.array(self._coordinates.periodic),
            unit=owner,
            goes_on=True,
        )

    def _walks(self, state: FlowState) -> tuple[WorkOrder, ...]:
        """Local and global moves of all replicas."""
        adapting, steps = state.phase == "adapt", int(self.spec["local"]["steps"])
        return tuple(
            WorkOrder.of(
                state.round,
                WalkPayload(
                    walkers=state.walkers.take(group),
                    replicas=group,
                    blocks=self.blocks(state),
                    local_steps=steps,
                    record=self._record if adapting else self.problem.stride,
                    global_steps=int(self.spec["global_steps"]) if state.version >= 0 else 0,
                    step_size=state.moves.step_size,
                    epsilon=float(self.spec["broad"]),
                    recent=self._recent if adapting else 0,
                    weights=WEIGHTS,
                    broad=state.broad,
                    states=self._known(state),
                ),
                number,
                model_version=state.version,
                cost_hint=float(BLOCKS * steps * len(group)),
            )
            for number, group in enumerate(self.groups(state))
        )

    def proposal(self, state: FlowState) -> DefendedSpec | None:
        """See `Proposes`."""
        apart = self._solute or bool(self._lags)
        if apart or state.phase != "produce" or state.version < 0 or state.broad is None:
            return None
        return DefendedSpec(state.version, state.broad, float(self.spec["broad"]))

    def walkers_in(self, segment: Segment) -> WalkerRows:
        """See `FreeReplicas`."""
        return segment.read(WalkRecord).walkers

    def absorb(self, state: FlowState, segments: Sequence[Segment]) -> FlowState:
        """See `Strategy`."""
        if state.phase == "explore":
            return self._explored(replace(state, round=state.round + 1), segments)
        moves = [s for s in segments if not s.is_fit]
        if state.phase == "adapt":
            state = self._with_fits(state, [s for s in segments if s.is_fit])
        state = super().absorb(state, moves)
        if state.phase == "produce":
            return replace(
                state, best=max(state.best, state.acceptance), recent=(), recent_replica=()
            )
        return replace(state, best=max(state.best, state.acceptance))

    def adapted(self, state: FlowState, segments: Sequence[Segment]) -> FlowState:
        """After a round of the adaptation."""
        records = [s.read(WalkRecord) for s in segments]
        recent = np.concatenate([r.recent for r in records])
        owner = np.concatenate([r.recent_replica for r in records])
        proposed = sum(s.counts["global_proposed"] for s in segments)
        accepted = sum(s.counts["global_accepted"] for s in segments)
        acceptance = accepted / proposed if proposed else 0.0
        state = replace(
            state,
            recent=(*state.recent, recent)[-self._keep :],
            recent_replica=(*state.recent_replica, owner)[-self._keep :],
            acceptance=acceptance,
            stalled=0 if acceptance > RISE * state.best else state.stalled + 1,
        )
        return super().adapted(state, segments)

    def counted(self, state: FlowState, segments: Sequence[Segment]) -> FlowState:
        """After a round of production."""
        total = len(state.walkers)
        here, ancestor = state.roster.counted(total), state.roster.ancestors(total)
        weights = state.weights or Weights()
        weights = weights.with_round(segments, here, self.states(state), ancestor)
        return super().counted(replace(state, weights=weights), segments)

    def _with_fits(self, state: FlowState, fits: Sequence[Segment]) -> FlowState:
        """With the versions that were accepted."""
        for model in (fit.read(FitRecord).model for fit in fits):
            if model is not None:
                state = replace(state, version=state.version + 1, model=model)
        return state

    def estimate(self, state: FlowState) -> Estimate:
        """See `Strategy`; also ln Z, from the weights of the frozen model."""
        found = super().estimate(state)
        if self._solute:
            steps = int(self.spec["solute_path"]["steps"])
            about = report_moves(found.diagnostics, state.totals, steps)
            return replace(found, diagnostics=about)
        if self._lags and state.phase == "produce":
            told = {"propagator": by_lag(state.totals, self._lags)}
            return replace(found, diagnostics={**found.diagnostics, **told})
        weights = state.weights or Weights()
        difference = weights.difference()
        if difference is None:
            return found
        where = ", in internal coordinates" if self.problem.has_atoms else ""
        about = {
            **found.diagnostics,
            **({"isomers_refused": state.totals["isomers"]} if "isomers" in state.totals else {}),
            "model": weights.diagnostics(difference),
            "reweighted": weights.reweighted(list(found.states)),
            "warnings": weights.warnings(difference),
        }
        return replace(found, diagnostics=about, log_z=weights.log_z(difference, where))

    def estimate_before(self, state: FlowState) -> Estimate:
        """Before production."""
        found = super().estimate_before(state)
        return replace(found, diagnostics={"acceptance": {"global": state.acceptance}})

    def begin_again(self, state: FlowState, finds: Finds) -> FlowState:
        """See `Learner`; the flow goes on learning from the version in use."""
        made = super().begin_again(state, finds)
        seen = self._coordinates.encode(self.problem.positions(made.walkers))
        return replace(
            made,
            broad=BroadGaussian.about(seen),
            recent=(),
            recent_replica=(),
            acceptance=0.0,
            best=0.0,
            stalled=0,
            weights=None,
        )

    def sent_back(self, state: FlowState, found: Partition) -> FlowState:
        """See `FreeReplicas`; the weights of the frozen model are of what is left."""
        return replace(super().sent_back(state, found), weights=None)

    def blocks(self, state: FlowState) -> int:
        """While the flow is refitted, no more than make what is handed over independent."""
        slow = self.problem.has_atoms or bool(self._lags)
        if slow or state.phase == "produce" or state.version < 0:
            return super().blocks(state)
        wanted = PROPOSALS * self._recent / max(1, int(self.spec["global_steps"]))
        return int(np.clip(np.ceil(wanted), 1, BLOCKS))

    def is_ready(self, state: FlowState) -> bool:
        """Long enough, and the acceptance no longer rises."""
        stalled = state.version >= 0 and state.stalled >= STALLED
        return state.adapt >= MOST_ADAPT or (state.adapt >= self.adapt_rounds and stalled)

    def _explored(self, state: FlowState, segments: Sequence[Segment]) -> FlowState:
        found = explore.absorb(self.problem, state.pool, segments)
        state = replace(
            state,
            pool=found.seeds,
            attempt=state.attempt + found.attempts,
        )
        named = self.problem.states()
        states = named or found.basins(self.problem)
        seeds = states.assign(state.pool.xi)
        # what the search has found gets its name when the adaptation is over
        lacking = [n for k, n in enumerate(states.names) if not (seeds == k).any()]
        missing = tuple(lacking if named else ())
        if explore.goes_on(self.problem, found.seeds, state.attempt, missing):
            return state
        # as many replicas from every state found: their right weights are for the moves to find
        found_in = [np.flatnonzero(seeds == k) for k in range(len(states)) if (seeds == k).any()]
        pick = [found_in[i % len(found_in)] for i in range(self.problem.replicas)]
        index = np.array([p[(i // len(found_in)) % len(p)] for i, p in enumerate(pick)])
        seen = self._coordinates.encode(self.problem.positions(state.pool.walkers))
        return replace(
            state,
            phase="adapt",
            missing=missing,
            walkers=state.pool.walkers.without_velocities().take(index),
            descent=index.astype(np.int64),
            broad=BroadGaussian.about(seen),
        )

    def _known(self, state: FlowState) -> Partition:
        """The states, as far as they are known: those of a solute's moves are told by them."""
        named = state.states or self.problem.states()
        return named or Partition.whole(self.problem.periodic)

    def _data(self, state: FlowState) -> Array:
        return np.concatenate(state.recent) if state.recent else np.zeros((0, 1))
