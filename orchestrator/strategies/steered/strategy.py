"""The steered strategy: local sampling inside the states, switching paths between them.

explore: pushes over the CV range find the states. adapt: the flattening bias, the proposal model
and the switching paths are tuned. produce: all of it is frozen, and only now is anything counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.allocation import allocate, groups
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.replica_pool import at_work, counted, resize, settle
from msgen.orchestrator.strategies.common.step_size import (
    MASS_ROUNDS,
    first_step,
    step_of,
    tune_masses,
    tune_step,
)
from msgen.orchestrator.strategies.common.walker_rows import bare, first, rows, updated
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.adaptation import areas, fit_order, see
from msgen.orchestrator.strategies.steered.cold_start import (
    MOST_COLD,
    cold,
    first_states,
    forget_traffic,
    found_late,
    known_at_first,
    settling,
    unvisited,
)
from msgen.orchestrator.strategies.steered.estimate import balance, judged, production_of, young
from msgen.orchestrator.strategies.steered.orders import can_bridge, sampling_orders
from msgen.orchestrator.strategies.steered.profile import begin_profile, see_profile
from msgen.orchestrator.strategies.steered.state_refinement import MOST_RELOOKS, go_back, look_again
from msgen.orchestrator.strategies.steered.switching import path_step, totals_after, tuned, tuner_of

FIT_ROUNDS = (0, 2)
"""Rounds of the adaptation in which a fit begins, after the first local samples and the masses."""
TRAIL_WIDTH = 2.0
"""Bins over which the few hundred configurations of the exploration are smoothed."""
CHAIN_FIT_ROUNDS = (*FIT_ROUNDS, 5, 9)
"""The same for a chain, whose model also has to learn the weights of the states."""
MOST_ADAPT = 40
"""Rounds after which adaptation ends even if tuning has not."""
BALANCE_EVERY = 4
"""Rounds of production between two looks at where the error comes from."""


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
        self.young = 1 if problem.molecular else MASS_ROUNDS
        after = FIT_ROUNDS if self.stratify else CHAIN_FIT_ROUNDS
        self.fit_rounds = tuple(self.young + r for r in after)

    # the state machine

    def start(self) -> Tree:
        """See `Strategy`."""
        problem = self.problem
        pool: Tree = {**first(problem), "xi": problem.start_xi[None]}
        state: Tree = {
            "round": 0,
            "phase": "explore",
            "attempt": 0,
            "pool": pool,
            "isomers": {},
            "relooks": 0,
            "step": first_step(problem),
        }
        if cold(problem):
            states = first_states(problem)
            state.update(states=states.tree(), missing=[])
            self._begin_adapt(state, states)
        return state

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        rnd, phase = int(state["round"]), state["phase"]
        if phase == "explore":
            attempt, step = int(state["attempt"]), step_of(state)
            dt = path_step(self.problem, state)
            pushes = explore.orders(self.problem, rnd, attempt, state["pool"], dt, step)
            return StepPlan("explore", pushes)
        version = int(state["version"])
        models = {version: state["model"]} if version >= 0 else {}
        fits: tuple[WorkOrder, ...] = ()
        due = phase == "adapt" and (
            int(state["adapt"]) in self.fit_rounds or bool(state.get("unsettled"))
        )
        # nothing was seen yet where production has just sent the chain back
        if due and state["fit_data"] and can_bridge(self.problem, state):
            fits = (fit_order(self.problem, state, tuner_of(self.problem, state).best.g),)
        return StepPlan(phase, sampling_orders(self.problem, state), fits, models)

    def replicas(self, state: Tree) -> int:
        """See `Strategy`."""
        if "stratum" not in state:
            return self.problem.replicas
        return len(at_work(state, np.asarray(state["stratum"])))

    def resize(self, state: Tree, replicas: int) -> Tree:
        """See `Strategy`: not before production has begun."""
        if state["phase"] != "produce" or int(state["burn_in"]) > 0:
            return state
        return resize(state, np.asarray(state["stratum"]), replicas, self.problem.seed)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = dict(state)
        state["round"] = int(state["round"]) + 1
        fits = [s for s in segments if s.key[1] == "fit"]
        rest = [s for s in segments if s.key[1] != "fit"]
        if state["phase"] == "explore":
            return self._explored(state, rest)
        for fit in fits:
            self._take_model(state, fit)
        self._keep_walkers(state, rest)
        if state["phase"] == "adapt":
            return self._adapted(state, rest)
        return self._produced(state, rest)

    # explore

    def _explored(self, state: Tree, segments: list[Segment]) -> Tree:
        problem = self.problem
        state["pool"], found = explore.absorb(problem, state["pool"], segments)
        isomers = dict(state["isomers"])
        for name, count in found["isomers"].items():
            isomers[name] = isomers.get(name, 0) + count
        state["isomers"] = isomers
        state["attempt"] = int(state["attempt"]) + 1
        states = Partition.from_tree(state["found"]) if "found" in state else problem.states()
        if states is None:
            index = problem.grid.index(found["trail"])
            counts = np.bincount(index[index >= 0], minlength=problem.grid.size)
            counts = counts.reshape(problem.grid.shape)
            states = find_basins(counts, problem.grid, problem.names, smooth=TRAIL_WIDTH)
        seeds = states.assign(state["pool"]["xi"])
        missing = [k for k in range(len(states)) if not (seeds == k).any()]
        if missing and state["attempt"] < explore.EXPLORE_ROUNDS:
            return state
        state["states"] = states.tree()
        state["missing"] = [states.names[k] for k in missing]
        self._begin_adapt(state, states)
        return state

    def _begin_adapt(self, state: Tree, states: Partition) -> None:
        strata = states if self.stratify else Partition.whole(self.problem.periodic)
        where = states.assign(state["pool"]["xi"])
        stratum, seed = allocate(self.problem, where, np.ones(len(states)))
        if not self.stratify:
            stratum = np.zeros_like(stratum)
        pool = state.pop("pool")
        for key in ("xi", "resting", "settling"):
            state.pop(key, None)
        state.update(
            phase="adapt",
            adapt=0,
            strata=strata.tree(),
            stratum=stratum,
            walkers=rows(bare(pool), seed),
            ladders={str(k): Ladder.plain(self.problem.local_g).tree() for k in range(len(strata))},
            flatteners={},
            works=Works.empty().tree(),
            version=-1,
            model={},
            **known_at_first(self.problem, len(states), where),
            log_mass=np.zeros(len(strata)),
            fit_data={},
            tuner={},
            counts={},
        )

    # what comes back

    def _take_model(self, state: Tree, fit: Segment) -> None:
        if not fit.carry["accepted"] or state["phase"] != "adapt":
            return
        state["version"] = int(state["version"]) + 1
        state["model"] = fit.carry["model"]
        forget_traffic(state)
        state["log_mass"] = np.asarray(fit.carry["log_mass"])

    def _keep_walkers(self, state: Tree, segments: list[Segment]) -> None:
        """Every replica goes on from where it ended."""
        stratum = np.asarray(state["stratum"])
        together = groups(self.problem, stratum, at_work(state, stratum))
        r = len(stratum)
        new = [segment.carry["walkers"] for segment in segments]
        state["walkers"] = updated(state["walkers"], r, together, new)
        xi = np.array(state["xi"]) if "xi" in state else np.zeros((r, self.problem.dim))
        for segment, group in zip(segments, together, strict=True):
            # the CVs of a replica's last configuration are its last record
            last = segment.samples["cvs"].reshape(len(group), -1, self.problem.dim)[:, -1]
            xi[group] = last
        state["xi"] = xi
        state["counts"] = _summed(segments)

    def _adapted(self, state: Tree, segments: list[Segment]) -> Tree:
        problem = self.problem
        strata, states = (Partition.from_tree(state[k]) for k in ("strata", "states"))
        works = Works.of(segments)
        known = Works.from_tree(state["works"]).and_(works)
        state["works"] = known.tree()
        f = known.network(len(strata)).f if self.stratify else np.zeros(1)
        see(problem, state, segments, strata, f, self.flatten)
        tune_step(state, segments)
        tune_masses(problem, state, states, segments)
        state["adapt"] = int(state["adapt"]) + 1
        if state["adapt"] < self.young:
            return state
        tuner = tuned(problem, state, states, segments, works, f)
        state["tuner"] = tuner.tree()
        ready, most = tuner.done or not can_bridge(problem, state), MOST_ADAPT
        if not self.stratify:
            settled = settling(problem, state, segments, works, max(self.fit_rounds))
            ready = settled and ready and tuner_of(problem, state).done
            most = MOST_COLD if cold(problem) else MOST_ADAPT
        if state["adapt"] > max(self.fit_rounds) + 2 and (ready or state["adapt"] > most):
            self._begin_produce(state, strata)
        return state

    def _begin_produce(self, state: Tree, strata: Partition) -> None:
        """Freeze everything; replicas go where the surface is widest."""
        area = areas(self.problem, state, len(strata), self.flatten)
        stratum, seed = allocate(self.problem, np.asarray(state["stratum"]), area)
        walkers = rows(state["walkers"], seed)
        if len(np.unique(seed)) < len(seed):
            # copies of one walker part ways from different velocities
            walkers = bare(walkers)
        if not self.stratify:
            state["missing"] = unvisited(state)
        state.update(
            phase="produce",
            stratum=stratum,
            walkers=walkers,
            burn_in=1,
            produced_rounds=0,
            local_share=1.0,
            produced={},
            totals={},
        )
        begin_profile(self.problem, state, strata)
        for key in ("flatteners", "fit_data"):
            state[key] = {}

    def _produced(self, state: Tree, segments: list[Segment]) -> Tree:
        if int(state["burn_in"]) > 0:
            state["burn_in"] = int(state["burn_in"]) - 1
            return state
        states = Partition.from_tree(state["states"])
        production = production_of(self.problem, state, states)
        stratum = np.asarray(state["stratum"])
        production.grow(stratum)
        see_profile(self.problem, state, segments, production, counted(state, stratum))
        production.absorb(self.problem, states, segments, counted(state, stratum))
        settle(state)
        state["produced"] = production.tree()
        state["produced_rounds"] = production.rounds
        if not self.stratify:
            reached = production.states.sum(axis=0) > 0
            if any(states.names[k] in state["missing"] for k in np.flatnonzero(reached)):
                return found_late(self.problem, state, states, self.young)
        state["totals"] = totals_after(state, states, segments, self.stratify)
        if production.rounds % BALANCE_EVERY == 0:
            estimate = judged(self.problem, state, production, states)
            balance(self.problem, state, estimate)
            if self.problem.boxes is None and int(state["relooks"]) < MOST_RELOOKS:
                more = look_again(self.problem, estimate, states)
                if more is not None and cold(self.problem):
                    return found_late(self.problem, state, more, self.young)
                if more is not None:
                    go_back(state, more)
        return state

    # estimates

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        if state["phase"] == "produce" and state["produced"]:
            states = Partition.from_tree(state["states"])
            return judged(self.problem, state, production_of(self.problem, state, states), states)
        return young(self.problem, state)


def _summed(segments: Sequence[Segment]) -> dict[str, float]:
    total: dict[str, float] = {}
    for segment in segments:
        for name, value in segment.counts.items():
            total[name] = total.get(name, 0.0) + value
    return total
