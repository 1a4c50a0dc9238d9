"""The targeted strategy: each state has a model of its own, which joins it to the others.

explore: pushes over the CV range find the states. adapt: replicas sample in their states, and a
model of the full configuration is fitted to each until it gains no more on held-out samples.
produce: the models are frozen; samples and draws of the models give the states' free energies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from msgen.actors.base import Segment, Tree
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.allocation import allocate, groups
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import young_estimate
from msgen.orchestrator.strategies.common.replica_pool import at_work, counted, resize, settle
from msgen.orchestrator.strategies.common.step_size import (
    first_step,
    step_of,
    tune_masses,
    tune_step,
)
from msgen.orchestrator.strategies.common.walker_rows import bare, first, rows, updated
from msgen.orchestrator.strategies.steered.switching import path_step
from msgen.orchestrator.strategies.targeted.orders import (
    TRANSPORT,
    Learning,
    fits,
    models,
    sampling,
)
from msgen.orchestrator.strategies.targeted.production import Gathered

TRAIL_WIDTH = 2.0
"""Bins over which the few hundred configurations of the exploration are smoothed."""


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

    def __init__(self, problem: Problem, periodic: Sequence[bool], maps: str) -> None:
        self.problem = problem
        self.maps = maps
        self._periodic = np.array(periodic, dtype=bool)

    # the state machine

    def start(self) -> Tree:
        """See `Strategy`."""
        return {
            "round": 0,
            "phase": "explore",
            "attempt": 0,
            "pool": {**first(self.problem), "xi": self.problem.start_xi[None]},
            "isomers": {},
            "step": first_step(self.problem),
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        problem, rnd = self.problem, int(state["round"])
        if state["phase"] == "explore":
            attempt, dt = int(state["attempt"]), path_step(problem, state)
            pushes = explore.orders(problem, rnd, attempt, state["pool"], dt, step_of(state))
            return StepPlan("explore", pushes)
        return StepPlan(
            state["phase"],
            sampling(problem, state, self.maps),
            fits(state, self._periodic, self.maps),
            models(state),
        )

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = {**state, "round": int(state["round"]) + 1}
        new = [s for s in segments if s.is_fit]
        rest = [s for s in segments if not s.is_fit]
        if state["phase"] == "explore":
            return self._explored(state, rest)
        self._keep_walkers(state, rest)
        if state["phase"] == "adapt":
            return self._adapted(state, rest, new)
        return self._produced(state, rest)

    def replicas(self, state: Tree) -> int:
        """See `Strategy`."""
        if "stratum" not in state:
            return self.problem.replicas
        return len(at_work(state, np.asarray(state["stratum"])))

    def resize(self, state: Tree, replicas: int) -> Tree:
        """See `Strategy`: not before production has begun."""
        if state["phase"] != "produce":
            return state
        return resize(state, np.asarray(state["stratum"]), replicas, self.problem.seed)

    # explore

    def _explored(self, state: Tree, segments: list[Segment]) -> Tree:
        problem = self.problem
        state["pool"], found = explore.absorb(problem, state["pool"], segments)
        isomers = dict(state["isomers"])
        for name, count in found["isomers"].items():
            isomers[name] = isomers.get(name, 0) + count
        state["isomers"] = isomers
        state["attempt"] = int(state["attempt"]) + 1
        states = self._named()
        if states is None:
            index = problem.grid.index(found["trail"])
            counts = np.bincount(index[index >= 0], minlength=problem.grid.size)
            counts = counts.reshape(problem.grid.shape)
            states = find_basins(counts, problem.grid, problem.names, smooth=TRAIL_WIDTH)
        where = states.assign(state["pool"]["xi"])
        missing = [n for k, n in enumerate(states.names) if not (where == k).any()]
        if missing and state["attempt"] < explore.EXPLORE_ROUNDS:
            return state
        # what lies in no state that is sampled starts no replica
        where = np.where(where < len(states), where, -1)
        stratum, seed = allocate(problem, where, np.ones(len(states)))
        pool = state.pop("pool")
        state.update(
            phase="adapt",
            adapt=0,
            states=states.tree(),
            missing=missing,
            stratum=stratum,
            walkers=rows(bare(pool), seed),
            learning=Learning.start(stratum, len(states)).tree(),
            models={},
            maps={},
            totals={},
            gathered={},
        )
        return state

    def _named(self) -> Partition | None:
        """The named states and the rest, unless that is left out; None where they are found."""
        boxes, problem = self.problem.boxes, self.problem
        if boxes is None or problem.strategy["rest"] == "sample":
            return problem.states()
        return Partition.from_boxes(boxes, problem.names, problem.periodic, rest=None)

    # what comes back

    def _keep_walkers(self, state: Tree, segments: list[Segment]) -> None:
        """Every replica goes on from where it ended."""
        stratum = np.asarray(state["stratum"])
        together = groups(self.problem, stratum, at_work(state, stratum))
        new = [segment.carry["walkers"] for segment in segments]
        state["walkers"] = updated(state["walkers"], len(stratum), together, new)

    def _adapted(self, state: Tree, segments: list[Segment], new: list[Segment]) -> Tree:
        learning = Learning.from_tree(state["learning"])
        for fit in new:
            if learning.take(fit):
                part = "maps" if fit.key[1] == TRANSPORT else "models"
                state[part] = {**state[part], str(fit.key[2]): fit.carry["model"]}
        stratum = np.asarray(state["stratum"])
        together = groups(self.problem, stratum, at_work(state, stratum))
        for group, segment in zip(together, segments, strict=True):
            learning.see(int(stratum[group[0]]), segment.carry["configurations"])
        tune_step(state, segments)
        tune_masses(self.problem, state, Partition.from_tree(state["states"]), segments)
        state["adapt"] = int(state["adapt"]) + 1
        learning.rounds = int(state["adapt"])
        if learning.done(self.maps == "interpolant"):
            state["phase"] = "produce"
            learning.forget()
        state["learning"] = learning.tree()
        return state

    def _produced(self, state: Tree, segments: list[Segment]) -> Tree:
        stratum = np.asarray(state["stratum"])
        states = Partition.from_tree(state["states"])
        gathered = self._gathered(state, states)
        gathered.absorb(self.problem, states, stratum, segments, counted(state, stratum))
        settle(state)
        state["gathered"] = gathered.tree()
        state["totals"] = _summed(state["totals"], segments)
        return state

    def _gathered(self, state: Tree, states: Partition) -> Gathered:
        if state["gathered"]:
            return Gathered.from_tree(state["gathered"])
        return Gathered.start(self.problem, np.asarray(state["stratum"]), len(states))

    # estimates

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        about = {"isomers_left_out": dict(state["isomers"])}
        if state["phase"] != "explore":
            held_out = Learning.from_tree(state["learning"]).losses
            states = Partition.from_tree(state["states"])
            about["held_out_loss"] = dict(zip(states.names, held_out.tolist(), strict=True))
        if state["phase"] != "produce" or not state["gathered"]:
            named = self._named()
            values = {n: StateEstimate(None, None) for n in (named.names if named else ())}
            return young_estimate(self.problem, values, state["phase"], about)
        return self._gathered(state, states).estimate(
            self.problem, states, _rates(state["totals"]), about, state["missing"]
        )


def _summed(totals: Mapping[str, float], segments: Sequence[Segment]) -> dict[str, float]:
    out = dict(totals)
    for segment in segments:
        for name, value in segment.counts.items():
            out[name] = out.get(name, 0.0) + value
    return out


def _rates(totals: Mapping[str, float]) -> dict[str, float]:
    if not totals.get("local_proposed"):
        return {}
    return {"local": totals["local_accepted"] / totals["local_proposed"]}
