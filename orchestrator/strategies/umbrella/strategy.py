"""The umbrella strategy: windows along the CVs, seeded by a conditional model, joined by MBAR.

After Crabtree, Bello-Rivas and Kevrekidis, Chaos 34, 053110 (2024), arXiv 2312.05715, whose loop
is: fit a model conditional on the CVs, start the walkers of each window from its samples, sample,
fit again. Here the model's label is λ ~ g(·|ξ(x)), so that p(x|λ) is the density of the window at
λ; it also proposes moves inside the windows, accepted by its own density, and neighbours exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder, decode
from msgen.actors.orders.configurations import LabelledConfigurations
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.umbrella import UmbrellaPayload, UmbrellaRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common.allocation import given_up
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.free_energies import pre_production_estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.second_look import due_look
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.orchestrator.strategies.umbrella.orders import FREE_ROUNDS, free_orders, window_orders
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.refinement import refined
from msgen.orchestrator.strategies.umbrella.schema import SETTLE
from msgen.orchestrator.strategies.umbrella.seed_pool import fit_windows_order, with_recent
from msgen.orchestrator.strategies.umbrella.seeding import seed_orders, with_seeds
from msgen.orchestrator.strategies.umbrella.state import UmbrellaState
from msgen.orchestrator.strategies.umbrella.windows import Windows, place
from msgen.systems.base import Array

MOST_ADAPT = 32
"""Rounds after which adaptation ends even if windows still lack overlap; the result says so."""
NEAR = 2.0
"""kT of a window's restraint up to which a find is near it."""
MOST_WINDOWS = 4
"""Times as many windows as there were at first that there may come to be."""


class Umbrella:
    """Windows of several walkers each; walker l of every window makes up ladder l.

    Ladders never exchange with one another, so that they are independent: their spread is the
    error, and R̂ between them says whether a window forgets where its walkers came from.

    Stages: gather (free sampling for the first fit) → fit → seed → sample (adapt: fits, seeds from
    better models, more windows where neighbours do not overlap) → produce, all frozen.
    """

    name = "umbrella"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.spec = problem.strategy
        self.ladders = problem.replicas
        self._by_model = self.spec["seeds"] == "model"

    def start(self) -> UmbrellaState:
        """See `Strategy`."""
        problem = self.problem
        windows = place(self.spec["windows"], self.spec["width"], problem.names, problem.grid)
        return UmbrellaState(
            round=0,
            phase="explore",
            stage="gather" if self._by_model else "seed",
            windows=windows,
            first_windows=len(windows),
            walkers=problem.first_walkers().take(np.zeros(self.ladders, dtype=np.int64)),
            xi=np.repeat(problem.start_xi[None], self.ladders, axis=0),
            who=np.zeros(0, dtype=np.int64),
            own_seed=np.zeros(0, dtype=bool),
            unseeded=np.arange(len(windows)),
            moves=LocalMoves.first(problem),
            pool=LabelledConfigurations.empty(problem.dim),
        )

    def read(self, tree: Tree) -> UmbrellaState:
        """See `Strategy`."""
        return decode(UmbrellaState, tree)

    def decide(self, state: UmbrellaState) -> StepPlan:
        """See `Strategy`."""
        problem, phase = self.problem, state.phase
        models = {} if state.model is None else {state.version: state.model}
        if state.stage == "gather":
            return StepPlan(phase, free_orders(problem, state))
        if state.stage == "fit":
            return StepPlan(phase, (self._fit(state),), (), models)
        if state.stage == "seed":
            return StepPlan(phase, seed_orders(problem, state), (), models)
        fits: tuple[WorkOrder, ...] = ()
        if phase == "adapt" and self._by_model and self._turns_left(state):
            fits = (self._fit(state),)
        return StepPlan(phase, window_orders(problem, state, self._shares(state)), fits, models)

    def absorb(self, state: UmbrellaState, segments: Sequence[Segment]) -> UmbrellaState:
        """See `Strategy`."""
        state = replace(state, round=state.round + 1)
        moves = [s for s in segments if not s.is_fit]
        for fit in (s.read(FitRecord) for s in segments if s.is_fit):
            if fit.accepted:
                state = replace(state, version=state.version + 1, model=fit.model, fresh=True)
        if state.stage == "gather":
            return self._gathered(state, moves)
        if state.stage == "fit":
            return replace(state, stage="seed", fresh=False)
        if state.stage == "seed":
            return with_seeds(state, self.ladders, moves)
        state = _with_walkers(state, moves)
        if state.produced is None:
            return self._adapted(state, moves)
        produced = state.produced.with_round(self.problem, moves)
        state = replace(state, produced=produced, totals=with_counts(state.totals, moves))
        return self._looked_again(state)

    def estimate(self, state: UmbrellaState) -> Estimate:
        """See `Strategy`."""
        if state.states is None or state.produced is None or not state.produced.rounds:
            return self._estimate_before(state)
        totals = state.totals
        acceptance = {
            name: totals[f"{name}_accepted"] / totals[f"{name}_proposed"]
            for name in ("local", "global", "exchange")
            if totals.get(f"{name}_proposed")
        }
        about = {
            "windows": len(state.produced.windows),
            "seeds": dict(state.seeding),
            "nonfinite": totals.get("nonfinite", 0.0),
        }
        independent = self._independent(state)
        return state.produced.estimate(self.problem, state.states, acceptance, about, independent)

    def replicas(self, state: UmbrellaState) -> int:
        """See `Strategy`."""
        if state.stage in ("gather", "fit"):
            return self.ladders
        return self.ladders * len(state.windows)

    def resize(self, state: UmbrellaState, replicas: int) -> UmbrellaState:
        """See `Strategy`: the ladders stay as many as they are."""
        return state

    def at_hand(self, state: UmbrellaState) -> WalkerRows | None:
        """See `Learner`."""
        return state.walkers if state.produced is not None else None

    def begin_again(self, state: UmbrellaState, finds: Finds) -> UmbrellaState:
        """See `Learner`: in some ladders, windows about a find start from it."""
        ladder = given_up(self.ladders, len(finds), 1)
        place = np.full((self.ladders, len(state.windows)), -1, dtype=np.int64)
        away = state.windows.energies(finds.xi)
        for k in range(len(finds)):
            near = away[:, k] <= max(NEAR, float(away[:, k].min()))
            place[np.ix_(ladder == k, near)] = k
        to = place.reshape(-1)
        return replace(
            state,
            phase="adapt",
            walkers=finds.put_among(state.walkers, to),
            xi=np.where(to[:, None] < 0, state.xi, finds.xi[to]),
            who=np.arange(len(state.who)),
            own_seed=state.own_seed & (to < 0),
            adapt=0,
            settled=0,
            produced=None,
            states=None,
            totals={},
        )

    def _looked_again(self, state: UmbrellaState) -> UmbrellaState:
        """With the states that the surface shows: nothing in the windows depends on them."""
        if state.states is None or state.produced is None:
            return state
        found = due_look(
            self.problem,
            lambda: self.estimate(state),
            state.states,
            state.produced.rounds,
            state.relooks,
        )
        return state if found is None else replace(state, states=found, relooks=state.relooks + 1)

    # what the stages make of their segments

    def _gathered(self, state: UmbrellaState, segments: Sequence[Segment]) -> UmbrellaState:
        state = self._with_recent(state, segments, free=True)
        moved = [s for s in segments if s.key[1] == UmbrellaPayload.kind]
        if moved:
            walkers = WalkerRows.join([s.read(UmbrellaRecord).walkers for s in moved])
            state = replace(
                state, moves=state.moves.with_step(moved), walkers=walkers.without_velocities()
            )
        if state.round >= FREE_ROUNDS or not moved:
            return replace(state, stage="fit")
        return state

    def _adapted(self, state: UmbrellaState, segments: Sequence[Segment]) -> UmbrellaState:
        state = replace(
            self._with_recent(state, segments),
            moves=state.moves.with_step(segments),
            adapt=state.adapt + 1,
            settled=state.settled + 1,
        )
        windows, late = state.windows, state.adapt >= MOST_ADAPT
        if state.fresh and self._turns_left(state) and not late:
            # Algorithm 2: the walkers start again from what the better model offers
            everywhere = np.arange(len(windows))
            return replace(
                state, turns=state.turns + 1, fresh=False, stage="seed", unseeded=everywhere
            )
        # on their way to where a narrower window holds them, or by moves that hardly lead anywhere
        if state.settled < 1 or not (state.moves.tuned(segments) or late):
            return state
        look = self._nothing(state).with_round(self.problem, segments)
        state = replace(state, gaps=look.gaps(self.problem))
        better = windows if late else self._refined(state, look)
        if len(better) > len(windows):
            new = np.arange(len(windows), len(better))
            return replace(state, windows=better, unseeded=new, stage="seed")
        if better is not windows:
            return replace(state, windows=better, settled=-1)
        if state.settled < SETTLE:
            return state
        # a better model may still come: each turn of the loop has a few rounds for it
        hopeful = state.adapt < (SETTLE + 2) * (state.turns + 1)
        if self._by_model and self._turns_left(state) and hopeful and not late:
            return state
        return self._frozen(state, look)

    def _refined(self, state: UmbrellaState, look: WindowProduction) -> Windows:
        """More and narrower windows where the file leaves that open, else those there are.

        A number of windows whose width is open is how many there are at first: that they do not
        overlap at our width is not what was asked for.
        """
        asked, widths = self.spec["windows"], isinstance(self.spec["width"], str)
        numbers = asked != "auto" and all(isinstance(n, int) for n in asked.values())
        more = asked == "auto" or (numbers and widths)
        most = state.first_windows * MOST_WINDOWS if more else 0
        # over several CVs windows on the way between two would stand off their grid
        along_one = len(state.windows.biased) == 1
        better = refined(self.problem, look, most, widths=widths and along_one)
        same = np.array_equal(better.kappa, state.windows.kappa)
        return state.windows if same else better

    def _with_recent(
        self, state: UmbrellaState, segments: Sequence[Segment], *, free: bool = False
    ) -> UmbrellaState:
        """With configurations for the next fit, and the broad proposal about them."""
        if not self._by_model:
            return state
        pool = with_recent(state.pool, segments, free=free)
        return replace(state, pool=pool, broad=BroadGaussian.about(pool.y))

    def _frozen(self, state: UmbrellaState, look: WindowProduction) -> UmbrellaState:
        """Production begins; `look` is what the last round has seen."""
        states = self.problem.states()
        if states is None:
            problem = self.problem
            density, readings = look.density(problem), look.readings(problem)
            states = find_basins(density, problem.grid, problem.names, readings=readings)
        return replace(
            state,
            phase="produce",
            states=states,
            produced=self._nothing(state),
            pool=LabelledConfigurations.empty(self.problem.dim),
        )

    # pieces

    def _nothing(self, state: UmbrellaState) -> WindowProduction:
        return WindowProduction.start(self.problem, state.windows, self.ladders)

    def _turns_left(self, state: UmbrellaState) -> bool:
        return state.turns < int(self.spec["turns"])

    def _shares(self, state: UmbrellaState) -> Array:
        """Relative length of each window's stretches, ≥ 1, shape (K,)."""
        produced, asked = state.produced, self.problem.criteria.round_trips
        # longer ones would keep walkers from travelling, which nothing makes up for
        travel = self.spec["exchange"] and not self._independent(state)
        if produced is None or (travel and produced.trips.number < asked):
            return np.ones(len(state.windows))
        return produced.shares(self.problem)

    def _independent(self, state: UmbrellaState) -> bool:
        """Whether every window has walkers that descend from no other's start."""
        own = state.own_seed.reshape(self.ladders, -1)
        return bool((own.sum(axis=0) >= 2).all())

    def _fit(self, state: UmbrellaState) -> WorkOrder:
        seed = self.problem.seed
        return fit_windows_order(seed, state.round, state.pool, state.windows, state.version)

    def _estimate_before(self, state: UmbrellaState) -> Estimate:
        """Before anything counts."""
        about = {"windows": len(state.windows), "gaps": list(state.gaps)}
        return pre_production_estimate(self.problem, state.phase, about)


def _with_walkers(state: UmbrellaState, segments: Sequence[Segment]) -> UmbrellaState:
    """Every slot goes on from where it ended."""
    records = [s.read(UmbrellaRecord) for s in segments]
    order = np.argsort(np.concatenate([r.slots for r in records]), kind="stable")
    return replace(
        state,
        walkers=WalkerRows.join([r.walkers for r in records]).take(order),
        xi=np.concatenate([r.xi for r in records])[order],
        who=np.concatenate([r.who for r in records])[order],
    )
