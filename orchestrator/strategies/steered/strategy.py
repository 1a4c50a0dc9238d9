"""The steered strategy: local sampling inside the states, switching paths between them.

explore: pushes over the CV range find the states. adapt: the flattening bias, the proposal model
and the switching paths are tuned. produce: all of it is frozen, and only now is anything counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.orders.sample import SampleRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.allocation import given_up, groups
from msgen.orchestrator.strategies.common.finding_states import states_with
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.rounds import MASS_ROUNDS
from msgen.orchestrator.strategies.common.second_look import (
    LOOK_EVERY,
    MOST_RELOOKS,
    look_again,
)
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.orchestrator.strategies.steered.adaptation import (
    fit_order,
    tune_moves,
    tune_paths,
    update_adaptation,
    with_model,
)
from msgen.orchestrator.strategies.steered.cold_start import (
    MOST_COLD,
    cold,
    first_settling,
    first_states,
    found_late,
    settle,
)
from msgen.orchestrator.strategies.steered.crossings import chain_crossings, steps_by_lag
from msgen.orchestrator.strategies.steered.estimate import (
    balance,
    estimate_before,
    production_estimate,
)
from msgen.orchestrator.strategies.steered.learnt_dynamics import SeenSteps, lags_of
from msgen.orchestrator.strategies.steered.orders import can_bridge, sampling_orders
from msgen.orchestrator.strategies.steered.phases import begin_adapt, begin_produce
from msgen.orchestrator.strategies.steered.profile import with_readings
from msgen.orchestrator.strategies.steered.schema import FIT_ROUNDS
from msgen.orchestrator.strategies.steered.state import (
    AdaptState,
    ExploreState,
    ProduceState,
    SteeredState,
    read_state,
)
from msgen.orchestrator.strategies.steered.state_refinement import go_back
from msgen.orchestrator.strategies.steered.switching import path_step, tuner_of
from msgen.systems.base import Array

CHAIN_FIT_ROUNDS = (*FIT_ROUNDS, 5, 9)
"""The same for a chain, whose model also has to learn the weights of the states."""
MOST_ADAPT = 40
"""Rounds after which adaptation ends even if tuning has not."""

S = TypeVar("S", AdaptState, ProduceState)


class Steered:
    """See the module; meets `msgen.orchestrator.base.Strategy`.

    Parameters
    ----------
    problem : Problem
    """

    name = "steered"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.stratify = bool(problem.strategy["stratify"])
        self.flatten = float(problem.strategy["flatten"])
        self.lags = lags_of(problem)
        # before that, masses are tuned
        self.untuned_rounds = MASS_ROUNDS if problem.batched else 1
        after = FIT_ROUNDS if self.stratify else CHAIN_FIT_ROUNDS
        self.fit_rounds = tuple(self.untuned_rounds + r for r in after)

    # the state machine

    def start(self) -> SteeredState:
        """See `Strategy`."""
        problem = self.problem
        pool, moves = explore.Seeds.first(problem), LocalMoves.first(problem)
        state = ExploreState(round=0, pool=pool, moves=moves)
        if cold(problem):
            return begin_adapt(problem, state, first_states(problem), missing=())
        return state

    def read(self, tree: Tree) -> SteeredState:
        """See `Strategy`."""
        return read_state(tree)

    def decide(self, state: SteeredState) -> StepPlan:
        """See `Strategy`."""
        problem = self.problem
        if isinstance(state, ExploreState):
            dt, step = path_step(problem, state.moves), state.moves.step_size
            return explore.plan(problem, state.round, state.attempt, state.pool, dt, step)
        models = {} if state.model is None else {state.version: state.model}
        fits: tuple[WorkOrder, ...] = ()
        if isinstance(state, AdaptState) and self._teaches(state):
            fits = (fit_order(problem, state, tuner_of(problem, state).best),)
        return StepPlan(state.phase, sampling_orders(problem, state), fits, models)

    def replicas(self, state: SteeredState) -> int:
        """See `Strategy`."""
        if state.stratum is None:
            return self.problem.replicas
        return len(state.replica_pool.at_work(len(state.stratum)))

    def resize(self, state: SteeredState, replicas: int) -> SteeredState:
        """See `Strategy`: not before production has begun."""
        if not isinstance(state, ProduceState) or state.burn_in > 0:
            return state
        pool, seed = state.replica_pool, self.problem.seed
        made = pool.resized(state.stratum, replicas, seed, state.round)
        return replace(
            state,
            stratum=made.stratum,
            descent=None if state.descent is None else state.descent[made.parents],
            walkers=state.walkers.take(made.parents),
            xi=None if state.xi is None else state.xi[made.parents],
            replica_pool=made.pool,
        )

    def absorb(self, state: SteeredState, segments: Sequence[Segment]) -> SteeredState:
        """See `Strategy`."""
        fits = [s for s in segments if s.is_fit]
        rest = [s for s in segments if not s.is_fit]
        spent = sum(s.evaluations for s in segments)
        state = replace(state, spent=state.spent.with_round(spent, state.phase == "adapt"))
        if isinstance(state, ExploreState):
            return self._explored(replace(state, round=state.round + 1), segments)
        if isinstance(state, ProduceState):
            return self._produced(self._sampled(state, rest), rest)
        for fit in fits:
            state = with_model(state, fit)
        return self._adapted(self._sampled(state, rest), rest)

    def at_hand(self, state: SteeredState) -> WalkerRows | None:
        """See `Learner`."""
        return state.walkers.take(state.at_work) if isinstance(state, ProduceState) else None

    def begin_again(self, state: SteeredState, finds: Finds) -> SteeredState:
        """See `Learner`: replicas are shared out anew, those who rest leave."""
        if not isinstance(state, ProduceState) or state.xi is None:
            raise ValueError("nothing was sampled yet from which to go back")
        problem, here, states = self.problem, state.at_work, self.problem.states()
        if states is None:
            states = states_with(problem, self.estimate(state).f_kT, self._seen(state), finds.trail)
        descent = None if state.descent is None else state.descent[here]
        walkers, xi = state.walkers.take(here), state.xi[here]
        if not self.stratify:
            to = given_up(len(here), len(finds), len(states))
            old = np.zeros(len(here), np.int64) if descent is None else descent
            made = state.adapting_again(self.untuned_rounds)
            return replace(
                made,
                relooks=state.relooks,
                states=states,
                walkers=finds.put_among(walkers, to),
                xi=np.where(to[:, None] < 0, xi, finds.xi[to]),
                descent=np.where(to < 0, old, int(old.max(initial=0)) + 1 + to),
                settling=first_settling(problem, len(states), states.assign(xi)),
                tuner=tuner_of(problem, state).again(),
            )
        pool = finds.pooled(walkers, xi, descent, states)
        seeds = explore.Seeds(pool.walkers, pool.xi)
        found = None if problem.boxes is not None else states
        begun = ExploreState(
            round=state.round,
            attempt=state.attempt,
            isomers=state.isomers,
            relooks=state.relooks,
            moves=state.moves,
            found=found,
            pool=seeds,
        )
        made = begin_adapt(problem, begun, states, pool.missing(states))
        assert made.descent is not None
        return replace(made, descent=pool.descent[made.descent])

    def estimate(self, state: SteeredState) -> Estimate:
        """See `Strategy`."""
        if isinstance(state, ProduceState) and state.produced is not None:
            return production_estimate(self.problem, state, state.produced)
        return estimate_before(self.problem, state)

    # what comes back

    def _seen(self, state: ProduceState) -> tuple[Array, Array]:
        """Samples of production and their weights."""
        done = state.produced
        if done is None:
            return np.zeros((0, self.problem.dim)), np.zeros(0)
        return done.seen(done.network.f if self.stratify else np.zeros(1))

    def _teaches(self, state: AdaptState) -> bool:
        """Whether a fit of the proposals begins in this round."""
        due = state.adapt in self.fit_rounds or state.settling.unsettled
        # nothing was seen yet where production has just sent the chain back
        seen = bool(state.seen_steps) if self.lags else bool(state.fit_data)
        return due and seen and can_bridge(self.problem, state)

    def _explored(self, state: ExploreState, segments: Sequence[Segment]) -> SteeredState:
        problem = self.problem
        found = explore.absorb(problem, state.pool, segments)
        isomers = dict(state.isomers)
        for name, count in found.isomers.items():
            isomers[name] = isomers.get(name, 0) + count
        attempt = state.attempt + found.attempts
        state = replace(state, pool=found.seeds, isomers=isomers, attempt=attempt)
        states = problem.states() if state.found is None else state.found
        if states is None:
            states = found.basins(problem)
        seeds = states.assign(state.pool.xi)
        missing = tuple(n for k, n in enumerate(states.names) if not (seeds == k).any())
        if explore.goes_on(problem, found.seeds, attempt, missing):
            return state
        return begin_adapt(problem, state, states, missing)

    def _sampled(self, state: S, segments: Sequence[Segment]) -> S:
        """The next round: every replica goes on from where it ended."""
        together = groups(self.problem, state.stratum, state.at_work)
        r, dim = len(state.stratum), self.problem.dim
        new = [segment.read(SampleRecord).walkers for segment in segments]
        xi = np.zeros((r, dim)) if state.xi is None else np.array(state.xi)
        for segment, group in zip(segments, together, strict=True):
            # the CVs of a replica's last configuration are its last record
            xi[group] = segment.samples["cvs"].reshape(len(group), -1, dim)[:, -1]
        return replace(
            state,
            round=state.round + 1,
            walkers=state.walkers.updated(r, together, new),
            xi=xi,
            counts=with_counts({}, segments),
        )

    def _adapted(self, state: AdaptState, segments: Sequence[Segment]) -> SteeredState:
        problem = self.problem
        works = Works.of(segments)
        state = replace(state, works=state.works.and_(works))
        f = state.works.network(len(state.strata)).f if self.stratify else np.zeros(1)
        state = update_adaptation(problem, state, segments, f, self.flatten)
        if self.lags:
            # steps by other masses are of another dynamics
            seen = SeenSteps() if state.adapt <= self.untuned_rounds else state.seen_steps
            state = replace(state, seen_steps=seen.with_round(problem, segments))
        state = tune_moves(problem, state, segments)
        if state.adapt < self.untuned_rounds:
            return state
        state = tune_paths(problem, state, segments, works, f)
        tuner = tuner_of(problem, state)
        ready, most = tuner.done or not can_bridge(problem, state), MOST_ADAPT
        if not self.stratify:
            state, settled = settle(problem, state, segments, works, max(self.fit_rounds))
            ready = settled and ready and tuner_of(problem, state).done
            most = MOST_COLD if cold(problem) else MOST_ADAPT
        if state.adapt > max(self.fit_rounds) + 2 and (ready or state.adapt > most):
            return begin_produce(problem, state)
        return state

    def _produced(self, state: ProduceState, segments: Sequence[Segment]) -> SteeredState:
        if state.burn_in > 0:
            return replace(state, burn_in=state.burn_in - 1)
        problem, states, counted = self.problem, state.states, state.counted
        production = state.produced
        if production is None:
            production = Production.start(
                problem, state.stratum, len(states), state.ancestors, state.descent
            )
        production = production.grown(state.stratum, state.ancestors, state.descent)
        profile = with_readings(state.profile, problem, segments, production, counted)
        production = production.with_round(problem, states, segments, counted)
        state = replace(
            state,
            replica_pool=state.replica_pool.after_round(),
            produced=production,
            produced_rounds=production.rounds,
            profile=profile,
        )
        if not self.stratify:
            reached = np.flatnonzero(production.states.sum(axis=0) > 0)
            if any(states.names[k] in state.missing for k in reached):
                return found_late(problem, state, states, self.untuned_rounds)
        state = replace(state, totals=self._totals(state, segments))
        if production.rounds % LOOK_EVERY:
            return state
        return self._reviewed(state, production)

    def _totals(self, state: ProduceState, segments: Sequence[Segment]) -> dict[str, float]:
        """What was done in production, with a round's counts, crossings and steps of paths."""
        works, crossed = Works.of(segments), 0.0
        by_lag: dict[str, float] = {}
        if len(works) and not self.stratify:
            crossed = float(chain_crossings(state.states, segments, works).sum())
            if self.lags:
                by_lag = steps_by_lag(self.lags, state.states, segments, works)
        done = {
            **by_lag,
            **state.counts,
            "crossings": crossed,
            "path_steps": works["path_steps"].sum(),
        }
        totals = dict(state.totals)
        for name, value in done.items():
            totals[name] = totals.get(name, 0.0) + float(value)
        return totals

    def _reviewed(self, state: ProduceState, production: Production) -> SteeredState:
        """Where the effort goes from here, and whether the surface shows states not known yet."""
        problem = self.problem
        estimate = production_estimate(problem, state, production)
        state = balance(problem, state, estimate)
        if problem.boxes is not None or state.relooks >= MOST_RELOOKS:
            return state
        seen = self._seen(state) if problem.on_points else None
        more = look_again(problem, estimate, state.states, seen)
        if more is None:
            return state
        if cold(problem):
            return found_late(problem, state, more, self.untuned_rounds)
        return go_back(state, more)
