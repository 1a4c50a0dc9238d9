"""Importance sampling: independent draws of a trained model of the full configuration, weighted.

A frozen, defended q gives draws, each with w = e^{−U/kT}/q: ln Z is the logarithm of the mean
weight, and every average a ratio of weighted sums (Noé et al., Science 365, eaaw1147, 2019). What a
model has never drawn is in none of this, and the weights of what it does draw may look perfect. So
walkers from all states that were found move on beside it, locally, and never teach what is tested:
where q gives them far too little, its modes have collapsed, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, decode
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.draw import DrawPayload, DrawRecord
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.fit_energy import FitEnergyPayload, FitEnergyRecord
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walk import WalkPayload, WalkRecord, WatchPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.estimators.diagnostics import kish
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.allocation import given_up
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.finding_states import states_in
from msgen.orchestrator.strategies.common.free_energies import pre_production_estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.second_look import due_look
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.importance.orders import (
    draw_orders,
    parts_of,
    recent_of,
    training_order,
    watch_orders,
)
from msgen.orchestrator.strategies.importance.production import Weighted
from msgen.orchestrator.strategies.importance.state import Drawn, ImportanceState, Learnt
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.orchestrator.strategies.steered.switching import path_step
from msgen.systems.base import System

KEEP = 3
"""Rounds whose walkers and draws the adaptive fit sees."""
MOST_ADAPT = 20
"""Fits after which adaptation ends even if the effective sample size still rises."""


class Importance:
    """Explore → adapt (walkers, draws, training) → produce (weighted draws of the frozen model).

    See `ImportanceState` for what is kept.
    """

    name = "importance"

    def __init__(self, problem: Problem, system: System) -> None:
        self.problem = problem
        self.spec = problem.strategy
        self._training = self.spec["training"]["kind"]
        kind = self.spec.get("coordinates", "auto")
        self._coordinates = exact_coordinates(kind, system, problem.angles)
        self._recent = recent_of(problem, self._coordinates.dim)

    def start(self) -> ImportanceState:
        """See `Strategy`."""
        problem = self.problem
        n = problem.replicas
        return ImportanceState(
            round=0,
            phase="explore" if self.spec["explore"]["pushes"] else "adapt",
            pool=Seeds.first(problem),
            walkers=problem.first_walkers().take(np.zeros(n, dtype=np.int64)),
            trail=np.zeros((0, problem.dim)),
            moves=LocalMoves.first(problem),
        )

    def read(self, tree: Tree) -> ImportanceState:
        """See `Strategy`."""
        return decode(ImportanceState, tree)

    def decide(self, state: ImportanceState) -> StepPlan:
        """See `Strategy`."""
        problem, phase = self.problem, state.phase
        if phase == "explore" and state.pool is not None:
            dt, step = path_step(problem, state.moves), state.moves.step_size
            pushes = explore.orders(problem, state.round, state.attempt, state.pool, dt, step)
            return StepPlan("explore", pushes)
        models = {} if state.model is None else {state.version: state.model}
        orders = list(watch_orders(problem, state, self._recent))
        if phase == "produce" or (self._training == "adaptive" and state.version >= 0):
            orders += draw_orders(problem, state)
        trains = phase == "adapt" and state.found is None
        if trains and (fit := training_order(problem, state, self._periodic)):
            orders.append(fit)
        return StepPlan(phase, tuple(orders), (), models)

    def absorb(self, state: ImportanceState, segments: Sequence[Segment]) -> ImportanceState:
        """See `Strategy`."""
        state = replace(state, round=state.round + 1)
        if state.phase == "explore" and state.pool is not None:
            return self._explored(state, state.pool, segments)
        moved = [s for s in segments if s.key[1] in (WalkPayload.kind, WatchPayload.kind)]
        records = [s.read(WalkRecord) for s in moved]
        if records:
            state = replace(state, walkers=WalkerRows.join([r.walkers for r in records]))
        if state.produced is not None and state.states is not None:
            produced = state.produced.with_round(self.problem, state.states, segments)
            return self._looked_again(replace(state, produced=produced), state.states)
        return self._adapted(state, segments, moved, records)

    def estimate(self, state: ImportanceState) -> Estimate:
        """See `Strategy`."""
        about = {"training": dict(state.told)}
        if state.states is None or state.produced is None or not state.produced.rounds:
            return pre_production_estimate(self.problem, state.phase, about)
        smooth = bool(self.spec["smooth"])
        return state.produced.estimate(self.problem, state.states, state.missing, about, smooth)

    def replicas(self, state: ImportanceState) -> int:
        """See `Strategy`: the walkers."""
        return self.problem.replicas

    def resize(self, state: ImportanceState, replicas: int) -> ImportanceState:
        """See `Strategy`: the walkers stay as many as they are."""
        return state

    def at_hand(self, state: ImportanceState) -> WalkerRows | None:
        """See `Learner`."""
        return state.walkers if state.phase == "produce" else None

    def begin_again(self, state: ImportanceState, finds: Finds) -> ImportanceState:
        """See `Learner`; the model goes on learning from the version in use."""
        parts = 1 if state.states is None else len(state.states)
        to = given_up(len(state.walkers), len(finds), parts)
        walkers = finds.put_among(state.walkers, to)
        seen = self._coordinates.encode(self.problem.positions(walkers))
        return replace(
            state,
            phase="adapt",
            adapt=0,
            fits=0,
            gain=0.0,
            best=0.0,
            told={},
            walkers=walkers,
            broad=BroadGaussian.about(seen),
            trail=np.concatenate([state.trail, finds.trail.reshape(-1, self.problem.dim)]),
            missing=(),
            states=None,
            found=None,
            produced=None,
        )

    def _looked_again(self, state: ImportanceState, states: Partition | None) -> ImportanceState:
        """One round from counting anew, where the surface shows more states than are counted.

        The model stays as it is.
        """
        rounds = state.rounds_produced
        found = due_look(self.problem, lambda: self.estimate(state), states, rounds, state.relooks)
        if found is None:
            return state
        return replace(
            state,
            phase="adapt",
            states=None,
            found=found,
            relooks=state.relooks + 1,
            missing=(),
            produced=None,
        )

    # what the phases make of their segments

    def _explored(
        self, state: ImportanceState, pool: Seeds, segments: Sequence[Segment]
    ) -> ImportanceState:
        problem = self.problem
        found = explore.absorb(problem, pool, segments)
        state = replace(
            state,
            pool=found.seeds,
            attempt=state.attempt + 1,
        )
        named = problem.states()
        states = named or found.basins(problem)
        seeds = states.assign(found.seeds.xi)
        # what the search has found gets its name when the adaptation is over
        lacking = [n for k, n in enumerate(states.names) if not (seeds == k).any()]
        missing = tuple(lacking if named else ())
        if missing and state.attempt < explore.EXPLORE_ROUNDS:
            return state
        walkers = found.seeds.walkers
        return replace(
            state,
            phase="adapt",
            missing=missing,
            walkers=walkers.without_velocities().take(_evenly(seeds, problem.replicas)),
            broad=BroadGaussian.about(self._coordinates.encode(problem.positions(walkers))),
        )

    def _adapted(
        self,
        state: ImportanceState,
        segments: Sequence[Segment],
        moved: Sequence[Segment],
        records: Sequence[WalkRecord],
    ) -> ImportanceState:
        seen = Learnt(
            np.concatenate([r.recent for r in records]),
            np.concatenate([r.recent_replica for r in records]),
        )
        adapt = state.adapt + 1
        keep = KEEP if self._training == "adaptive" else adapt
        state = replace(
            state,
            moves=state.moves.with_step(moved),
            trail=np.concatenate([state.trail, *(s.samples["cvs"] for s in moved)]),
            adapt=adapt,
            broad=state.broad or BroadGaussian.about(seen.recent),
            learnt=(*state.learnt, seen)[-keep:] if self._learns else (),
        )
        state = self._with_draws(state, [s for s in segments if s.key[1] == DrawPayload.kind])
        for fit in (s for s in segments if s.is_fit):
            state = _with_fit(state, fit)
        if state.found is not None or self._ready(state):
            state = self._frozen(state)
        return replace(state, best=max(state.best, state.gain))

    def _with_draws(self, state: ImportanceState, segments: Sequence[Segment]) -> ImportanceState:
        """And the draws that a fit may learn from."""
        records = [s.read(DrawRecord) for s in segments]
        recent = [r.recent for r in records if r.recent is not None]
        log_weight = [r.log_weight for r in records if r.log_weight is not None]
        if not recent:
            return state
        new = Drawn(np.concatenate(recent), np.concatenate(log_weight))
        gain = kish(new.log_weight) / int(self.spec["draws"])
        return replace(state, drawn=(*state.drawn, new)[-KEEP:], gain=gain)

    @property
    def _periodic(self) -> NDArray[np.bool_]:
        return np.array(self._coordinates.periodic, dtype=bool)

    @property
    def _learns(self) -> bool:
        """Whether walkers teach the model."""
        training = self.spec["training"]
        return self._training != "reverse_kl" or float(training["data"]) > 0

    def _ready(self, state: ImportanceState) -> bool:
        """All parts of the training are done, and draws no longer gain a tenth from a fit."""
        fits = state.fits
        if fits < parts_of(self.spec["training"]) or state.version < 0:
            return fits >= MOST_ADAPT and state.version >= 0
        if self._training != "adaptive":
            return True
        return state.gain <= 1.1 * state.best or fits >= MOST_ADAPT

    def _frozen(self, state: ImportanceState) -> ImportanceState:
        """The beginning of production."""
        states = self._states(state)
        return replace(
            state,
            phase="produce",
            states=states,
            produced=Weighted.start(self.problem, len(states)),
            learnt=(),
            drawn=(),
            pool=None,
            trail=np.zeros((0, self.problem.dim)),
        )

    def _states(self, state: ImportanceState) -> Partition:
        """The named states, or the basins of what was seen so far."""
        named = self.problem.states()
        if named is not None:
            return named
        if state.found is not None:
            return state.found
        return states_in(self.problem, state.trail)


def _with_fit(state: ImportanceState, fit: Segment) -> ImportanceState:
    """And what came of a training, or of a part of one."""
    # of a training in parts, what was clipped in each: most of it while it is hot
    before = list(state.told.get("clipped_by_part", ()))
    clipped = [*before, *(v for n, v in fit.counts.items() if n == "clipped")]
    told = {**fit.counts, **({"clipped_by_part": clipped} if clipped else {})}
    hot, model = state.hot, None
    if fit.key[1] == FitEnergyPayload.kind:
        part = fit.read(FitEnergyRecord)
        hot, model = part.hot, part.model
    else:
        model = fit.read(FitRecord).model
    state = replace(state, fits=state.fits + 1, told=told, hot=hot)
    if model is None:
        return state
    return replace(state, version=state.version + 1, model=model)


def _evenly(label: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Index of `number` walkers, as many as can be from every label there is."""
    found = [np.flatnonzero(label == k) for k in np.unique(label[label >= 0])]
    turns = ((found[i % len(found)], i // len(found)) for i in range(number))
    return np.array([mine[turn % len(mine)] for mine, turn in turns])
