"""Importance sampling: independent draws of a trained model of the full configuration, weighted.

A frozen, defended q gives draws, each with w = e^{−U/kT}/q: ln Z is the logarithm of the mean
weight, and every average a ratio of weighted sums (Noé et al., Science 365, eaaw1147, 2019). What a
model has never drawn is in none of this, and the weights of what it does draw may look perfect. So
walkers from all states that were found move on beside it, locally, and never teach what is tested:
where q gives them far too little, its modes have collapsed, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.estimators.diagnostics import kish
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import young_estimate
from msgen.orchestrator.strategies.common.step_size import first_step, step_of, tune_step
from msgen.orchestrator.strategies.common.walker_rows import bare, first, joined, positions, rows
from msgen.orchestrator.strategies.importance.orders import (
    draw_orders,
    parts_of,
    recent_of,
    training_order,
    watch_orders,
)
from msgen.orchestrator.strategies.importance.production import Weighted
from msgen.orchestrator.strategies.steered.switching import path_step
from msgen.systems.base import Array, System

WIDE = 2.0
"""Width of the broad Gaussian, in standard deviations of what was seen."""
KEEP = 3
"""Rounds whose walkers and draws the adaptive fit sees."""
MOST_ADAPT = 20
"""Fits after which adaptation ends even if the effective sample size still rises."""


class Importance:
    """Explore → adapt (walkers, draws, training) → produce (weighted draws of the frozen model).

    `state['learnt']` holds the last rounds' walkers and `state['drawn']` the last draws with their
    weights; `fits` counts trainings, or parts of one.
    """

    name = "importance"

    def __init__(self, problem: Problem, system: System) -> None:
        self.problem = problem
        self.spec = problem.strategy
        self._training = self.spec["training"]["kind"]
        self._coordinates = exact_coordinates(self.spec.get("coordinates", "auto"), system)
        self._recent = recent_of(problem, self._coordinates.dim)

    def start(self) -> Tree:
        """See `Strategy`."""
        problem = self.problem
        search = bool(self.spec["explore"]["pushes"])
        return {
            "round": 0,
            "phase": "explore" if search else "adapt",
            "attempt": 0,
            "pool": {**first(problem), "xi": problem.start_xi[None]},
            "walkers": rows(first(problem), np.zeros(problem.replicas, dtype=np.int64)),
            "trail": np.repeat(problem.start_xi[None], problem.replicas, axis=0),
            "missing": [],
            "step": first_step(problem),
            "broad": {},
            "adapt": 0,
            "fits": 0,
            "hot": None,
            "version": -1,
            "model": {},
            "learnt": [],
            "drawn": [],
            "gain": 0.0,
            "best": 0.0,
            "told": {},
            "states": {},
            "produced": {},
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        problem, phase, rnd = self.problem, state["phase"], int(state["round"])
        if phase == "explore":
            dt, attempt = path_step(problem, state), int(state["attempt"])
            pushes = explore.orders(problem, rnd, attempt, state["pool"], dt, step_of(state))
            return StepPlan("explore", pushes)
        version = int(state["version"])
        models = {version: state["model"]} if version >= 0 else {}
        orders = list(watch_orders(problem, state, self._recent))
        if phase == "produce" or (self._training == "adaptive" and version >= 0):
            orders += draw_orders(problem, state)
        if phase == "adapt" and (fit := training_order(problem, state, self._periodic)):
            orders.append(fit)
        return StepPlan(phase, tuple(orders), (), models)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = {**state, "round": int(state["round"]) + 1}
        if state["phase"] == "explore":
            return self._explored(state, list(segments))
        moved = [s for s in segments if s.key[1] in ("walk", "watch")]
        if moved:
            state["walkers"] = joined([s.carry["walkers"] for s in moved])
        if state["phase"] == "produce":
            states = Partition.from_tree(state["states"])
            produced = Weighted.from_tree(state["produced"])
            state["produced"] = produced.absorb(self.problem, states, segments).tree()
            return state
        return self._adapted(state, segments, moved)

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        about = {"training": dict(state["told"])}
        if not state["produced"] or not int(state["produced"]["rounds"]):
            states = self.problem.states()
            names = states.names if states is not None else ()
            values = {name: StateEstimate(None, None) for name in names}
            return young_estimate(self.problem, values, state["phase"], about)
        states = Partition.from_tree(state["states"])
        smooth = bool(self.spec["smooth"])
        return Weighted.from_tree(state["produced"]).estimate(
            self.problem, states, state["missing"], about, smooth
        )

    def replicas(self, state: Tree) -> int:
        """See `Strategy`: the walkers."""
        return self.problem.replicas

    def resize(self, state: Tree, replicas: int) -> Tree:
        """See `Strategy`: the walkers stay as many as they are."""
        return state

    # what the phases make of their segments

    def _explored(self, state: Tree, segments: list[Segment]) -> Tree:
        problem = self.problem
        state["pool"], found = explore.absorb(problem, state["pool"], segments)
        state["attempt"] = int(state["attempt"]) + 1
        state["trail"] = np.concatenate([state["trail"], found["trail"]])
        states = self._states(state)
        seeds = states.assign(state["pool"]["xi"])
        missing = [n for k, n in enumerate(states.names) if not (seeds == k).any()]
        if missing and state["attempt"] < explore.EXPLORE_ROUNDS:
            return state
        state["missing"] = missing
        state["walkers"] = rows(bare(state["pool"]), _evenly(seeds, problem.replicas))
        state["broad"] = _broad(self._coordinates.encode(positions(problem, state["pool"])))
        state["phase"] = "adapt"
        return state

    def _adapted(self, state: Tree, segments: Sequence[Segment], moved: list[Segment]) -> Tree:
        tune_step(state, moved)
        names = ("recent", "recent_replica")
        seen = {n: np.concatenate([s.carry[n] for s in moved]) for n in names}
        state["trail"] = np.concatenate([state["trail"], *(s.samples["cvs"] for s in moved)])
        state["adapt"] = int(state["adapt"]) + 1
        if not state["broad"]:
            state["broad"] = _broad(seen["recent"])
        keep = KEEP if self._training == "adaptive" else int(state["adapt"])
        state["learnt"] = [*state["learnt"], seen][-keep:] if self._learns else []
        if drawn := [s.carry for s in segments if s.key[1] == "draw"]:
            new = {n: np.concatenate([c[n] for c in drawn]) for n in ("recent", "log_weight")}
            state["drawn"] = [*state["drawn"], new][-KEEP:]
            state["gain"] = kish(new["log_weight"]) / int(self.spec["draws"])
        for fit in (s for s in segments if s.is_fit):
            state["fits"] = int(state["fits"]) + 1
            # of a training in parts, what was clipped in each: most of it while it is hot
            before = list(state["told"].get("clipped_by_part", ()))
            clipped = [*before, *(v for n, v in fit.counts.items() if n == "clipped")]
            state["told"] = {**fit.counts, **({"clipped_by_part": clipped} if clipped else {})}
            state["hot"] = fit.carry.get("hot", state["hot"])
            if fit.carry["accepted"]:
                state["version"] = int(state["version"]) + 1
                state["model"] = fit.carry["model"]
        if self._ready(state):
            self._freeze(state)
        state["best"] = max(float(state["best"]), float(state["gain"]))
        return state

    @property
    def _periodic(self) -> NDArray[np.bool_]:
        return np.array(self._coordinates.periodic, dtype=bool)

    @property
    def _learns(self) -> bool:
        """Whether walkers teach the model."""
        training = self.spec["training"]
        return self._training != "reverse_kl" or float(training["data"]) > 0

    def _ready(self, state: Tree) -> bool:
        """All parts of the training are done, and draws no longer gain a tenth from a fit."""
        fits = int(state["fits"])
        if fits < parts_of(self.spec["training"]) or int(state["version"]) < 0:
            return fits >= MOST_ADAPT and int(state["version"]) >= 0
        if self._training != "adaptive":
            return True
        return float(state["gain"]) <= 1.1 * float(state["best"]) or fits >= MOST_ADAPT

    def _freeze(self, state: Tree) -> None:
        states = self._states(state)
        state.update(
            phase="produce",
            states=states.tree(),
            produced=Weighted.start(self.problem, len(states)).tree(),
            learnt=[],
            drawn=[],
            pool={},
            trail=self.problem.start_xi[None],
        )

    def _states(self, state: Tree) -> Partition:
        """The named states, or the basins of what was seen so far."""
        named = self.problem.states()
        if named is not None:
            return named
        grid = self.problem.grid
        index = grid.index(state["trail"])
        counts = np.bincount(index[index >= 0], minlength=grid.size).reshape(grid.shape)
        return find_basins(counts, grid, self.problem.names)


def _evenly(label: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Index of `number` walkers, as many as can be from every label there is."""
    found = [np.flatnonzero(label == k) for k in np.unique(label[label >= 0])]
    turns = ((found[i % len(found)], i // len(found)) for i in range(number))
    return np.array([mine[turn % len(mine)] for mine, turn in turns])


def _broad(x: Array) -> Tree:
    return {"mean": x.mean(axis=0), "std": WIDE * x.std(axis=0) + 1e-3}
