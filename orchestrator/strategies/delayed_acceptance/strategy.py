"""Walks by a surrogate that is refitted between rounds, and frozen before anything counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from msgen.actors.base import Segment, WorkOrder, bare
from msgen.actors.configurations.whole import free_particles, whole_coordinates
from msgen.actors.orders.delayed import (
    DelayedPayload,
    DelayedRecord,
    FitSurrogatePayload,
    FitSurrogateRecord,
    Labelled,
)
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common.free_replicas import FreeReplicas, FreeState
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.delayed_acceptance.comparison import Compared
from msgen.orchestrator.strategies.delayed_acceptance.learning import (
    ENOUGH,
    RISE,
    STALLED,
    FlowLearning,
    Rising,
    accepted,
)
from msgen.orchestrator.strategies.delayed_acceptance.schema import ADAPT_ROUNDS
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.systems.base import Array, System

MOST_ADAPT = 20
"""Rounds after which adaptation ends even if the acceptance still rises."""
NO_FLOW = (
    f"the flow has not proposed: fewer than {ENOUGH} configurations were seen before production"
)
"""Said where it was never fitted."""
FIRST_BLOCKS = 2
"""Stretches of a round while there is no surrogate, whose every step asks the system."""


@dataclass(frozen=True, kw_only=True)
class DelayedState(FreeState):
    """Beside what free replicas keep.

    Attributes
    ----------
    model : ModelState or None
        The surrogate in use.
    known : Labelled
        What surrogates are fitted to.
    calculated : int
        Configurations that have got a serial number.
    acceptance, best : float
        Of walks, in the last round and in the best one.
    stalled : int
        Rounds in a row that have not raised it.
    error : float
        Of the surrogate's energies where it was not shown them, kT; NaN where there is none.
    flow : FlowLearning or None
        None where no flow proposes.
    compared : Compared or None
        None before anything counts.
    alone : Array, shape (R, D), or None
        Where walkers are that go by the surrogate alone; NaN for one that is to begin.
    """

    model: ModelState | None = None
    known: Labelled
    calculated: int = 0
    acceptance: float = 0.0
    best: float = 0.0
    stalled: int = 0
    error: float = float("nan")
    flow: FlowLearning | None = None
    compared: Compared | None = None
    alone: Array | None = None

    @property
    def newest(self) -> int:
        """Version of the newest model; no two share one."""
        return self.version if self.flow is None else max(self.version, self.flow.version)


class DelayedAcceptance(FreeReplicas[DelayedState]):
    """Trajectories by a surrogate, tested by the system; populations are counted."""

    name = "delayed_acceptance"
    state_type = DelayedState
    adapt_rounds = ADAPT_ROUNDS

    def __init__(self, problem: Problem, system: System) -> None:
        super().__init__(problem)
        self._n_dof = system.n_dof
        topology = system.topology
        self._elements: tuple[str, ...] = ()
        if topology is not None:
            self._elements = tuple(
                "" if atom.element is None else str(atom.element.symbol) for atom in topology.atoms
            )
        self._periodic: tuple[bool, ...] = ()
        self._where = ", in internal coordinates" if problem.has_atoms else ""
        if free_particles(system):
            self._where = ", of positions about their centre"
        if self.spec["flow"]:
            self._periodic = whole_coordinates(system, problem.angles).periodic

    def start(self) -> DelayedState:
        """See `Strategy`."""
        problem = self.problem
        return DelayedState(
            arriving=self.arrives,
            round=0,
            phase="adapt",
            walkers=self.first_walkers(),
            trail=np.zeros((0, problem.dim)),
            moves=LocalMoves.first(problem),
            known=Labelled.none(self._n_dof),
            flow=FlowLearning() if self.spec["flow"] else None,
        )

    def decide(self, state: DelayedState) -> StepPlan:
        """See `Strategy`."""
        local = self.spec["local"]
        step, adapting = state.moves.step_size, state.phase == "adapt"
        flow = None if state.flow is None else state.flow.walks(self.spec["flow"], adapting)
        alone = None if adapting else self._alone(state)
        walks = tuple(
            WorkOrder.of(
                state.round,
                DelayedPayload(
                    walkers=state.walkers.take(group),
                    replicas=group,
                    blocks=self.blocks(state),
                    walks=int(local["steps"]),
                    moves=int(self.spec["moves"]),
                    leapfrog=int(local["leapfrog"]),
                    step_size=float(local["step_size"]) if step is None else step,
                    flow=flow,
                    alone=None if alone is None else alone[group],
                ),
                number,
                model_version=state.version,
                cost_hint=float(self.blocks(state) * int(local["steps"]) * len(group)),
            )
            for number, group in enumerate(self.groups(state))
        )
        models = {} if state.model is None else {state.version: state.model}
        if state.flow is not None and state.flow.model is not None:
            models[state.flow.version] = state.flow.model
        return StepPlan(state.phase, walks, self._fits(state) if adapting else (), models)

    def _fits(self, state: DelayedState) -> tuple[WorkOrder, ...]:
        """Of the surrogate, and of the flow."""
        fits: tuple[WorkOrder, ...] = ()
        if len(state.known) >= ENOUGH:
            payload = FitSurrogatePayload(state.known, self._elements, dict(self.spec["surrogate"]))
            fits = (WorkOrder.of(state.round, payload, model_version=state.version),)
        lesson = None if state.flow is None else state.flow.lesson(self._periodic)
        if state.flow is None or lesson is None:
            return fits
        return (*fits, WorkOrder.of(state.round, lesson, model_version=state.flow.version))

    def walkers_in(self, segment: Segment) -> WalkerRows:
        """See `FreeReplicas`."""
        return segment.read(DelayedRecord).walkers

    def blocks(self, state: DelayedState) -> int:
        """Few while every step of a trajectory asks the system."""
        return FIRST_BLOCKS if state.version < 0 else super().blocks(state)

    def absorb(self, state: DelayedState, segments: Sequence[Segment]) -> DelayedState:
        """See `Strategy`; a surrogate that comes when production has begun is left."""
        if state.phase == "adapt":
            for fit in (s for s in segments if s.is_fit):
                state = self._with_fit(state, fit)
        state = super().absorb(state, [s for s in segments if not s.is_fit])
        if state.flow is not None and state.phase == "produce":
            state = replace(state, flow=state.flow.frozen())
        return state

    def _with_fit(self, state: DelayedState, fit: Segment) -> DelayedState:
        """With what a fit has learnt, a version more."""
        if bare(fit.key[1]) != FitSurrogatePayload.kind:
            model = fit.read(FitRecord).model
            if state.flow is None or model is None:
                return state
            return replace(state, flow=replace(state.flow, version=state.newest + 1, model=model))
        done = fit.read(FitSurrogateRecord)
        # what came since it began has not been looked at
        newer = state.known.serial >= done.before
        rows = np.isin(state.known.serial, done.kept) | newer
        return replace(
            state,
            version=state.newest + 1,
            model=done.model,
            known=state.known.take(rows),
            error=float(fit.counts["held_out_loss"]),
        )

    def adapted(self, state: DelayedState, segments: Sequence[Segment]) -> DelayedState:
        """After a round of the adaptation: what was calculated is learnt from."""
        known, number = state.known, state.calculated
        for segment in segments:
            x = segment.samples["oracle_positions"]
            energy, gradient = (segment.samples[f"oracle_{k}"] for k in ("energy", "gradient"))
            known = known.more(x, energy, gradient, number)
            number += len(x)
        tested = sum(s.counts["global_proposed"] for s in segments)
        passed = sum(s.counts["global_accepted"] for s in segments)
        acceptance = passed / tested if tested else 0.0
        state = replace(
            state,
            known=known,
            calculated=number,
            acceptance=acceptance,
            best=max(state.best, acceptance),
            stalled=0 if acceptance > RISE * state.best else state.stalled + 1,
        )
        if state.flow is not None:
            state = replace(state, flow=state.flow.after(segments, int(self.spec["flow"]["moves"])))
        return super().adapted(state, segments)

    def is_ready(self, state: DelayedState) -> bool:
        """There is a surrogate, and the acceptance of its walks no longer rises."""
        if state.version < 0:
            return False
        settled = state.stalled >= STALLED
        if state.flow is not None:
            settled = settled and state.flow.version >= 0 and state.flow.moved.is_over
        return state.adapt >= MOST_ADAPT or (state.adapt >= self.adapt_rounds and settled)

    def begin_again(self, state: DelayedState, finds: Finds) -> DelayedState:
        """See `Learner`; surrogate and flow go on, and learn what they have not seen."""
        flow = None if state.flow is None else replace(state.flow.frozen(), moved=Rising())
        made = replace(super().begin_again(state, finds), flow=flow, compared=None, alone=None)
        return replace(made, acceptance=0.0, best=0.0, stalled=0)

    def counting_anew(self, state: DelayedState) -> DelayedState:
        """See `FreeReplicas`; what was compared is of what is left."""
        return replace(super().counting_anew(state), compared=None)

    def counted(self, state: DelayedState, segments: Sequence[Segment]) -> DelayedState:
        """After a round of production."""
        here = state.roster.counted(len(state.walkers))
        compared = (state.compared or Compared()).with_round(segments, self.states(state), here)
        alone = self._alone(state)
        if alone is not None:
            for group, segment in zip(self.groups(state), segments, strict=True):
                alone[group] = segment.read(DelayedRecord).alone
        return super().counted(replace(state, compared=compared, alone=alone), segments)

    def _alone(self, state: DelayedState) -> Array | None:
        """Walkers of the surrogate alone, as many as replicas; None where none are asked for."""
        if not self.spec["reweight"]:
            return None
        made = np.full((len(state.walkers), self._n_dof), np.nan)
        if state.alone is not None:
            made[: len(state.alone)] = state.alone
        return made

    def estimate(self, state: DelayedState) -> Estimate:
        """See `Strategy`; also what surrogate and flow say, beside what is counted.

        The states' F, and the verdict, are of the counts along the chain.
        """
        found = super().estimate(state)
        about: dict[str, Any] = {"surrogate": {"energy_error_kT": _told(state.error)}}
        if state.flow is not None:
            about["flow"] = accepted(state.totals)
            if state.phase == "produce" and state.flow.version < 0:
                about["warnings"] = [NO_FLOW]
        found = replace(found, diagnostics={**found.diagnostics, **about})
        if state.compared is None or state.produced is None:
            return found
        names, least = self.states(state).names, self.problem.criteria.overlap
        return state.compared.beside(found, state.produced, names, least, self._where)

    def estimate_before(self, state: DelayedState) -> Estimate:
        """Before production."""
        found = super().estimate_before(state)
        return replace(found, diagnostics={"acceptance": {"global": state.acceptance}})


def _told(value: float) -> float | None:
    return value if np.isfinite(value) else None
