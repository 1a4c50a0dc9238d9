"""The umbrella strategy: windows along the CVs, seeded by a conditional model, joined by MBAR.

After Crabtree, Bello-Rivas and Kevrekidis, Chaos 34, 053110 (2024), arXiv 2312.05715, whose loop
is: fit a model conditional on the CVs, start the walkers of each window from its samples, sample,
fit again. Here the model's label is λ ~ g(·|ξ(x)), so that p(x|λ) is the density of the window at
λ; it also proposes moves inside the windows, accepted by its own density, and neighbours exchange.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import young_estimate
from msgen.orchestrator.strategies.common.step_size import first_step, tune_step
from msgen.orchestrator.strategies.common.walker_rows import bare, first, joined, rows
from msgen.orchestrator.strategies.flow_mcmc.strategy import WIDE
from msgen.orchestrator.strategies.umbrella.orders import (
    FREE_ROUNDS,
    free_orders,
    seed_orders,
    window_orders,
)
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.seed_pool import Pool, fit_windows_order
from msgen.orchestrator.strategies.umbrella.windows import Windows, place
from msgen.systems.base import Array, System

SETTLE = 2
"""Rounds after walkers were seeded that do not count."""
MOST_ADAPT = 24
"""Rounds after which adaptation ends even if windows still lack overlap; the result says so."""
MOST_WINDOWS = 4
"""Times as many windows as there were at first that `auto` may come to."""


class Umbrella:
    """Windows of several walkers each; walker l of every window makes up ladder l.

    Ladders never exchange with one another, so that they are independent: their spread is the
    error, and R̂ between them says whether a window forgets where its walkers came from.

    Stages: gather (free sampling for the first fit) → fit → seed → sample (adapt: fits, seeds from
    better models, more windows where neighbours do not overlap) → produce, all frozen.
    """

    name = "umbrella"

    def __init__(self, problem: Problem, system: System) -> None:
        self.problem = problem
        self.spec = problem.strategy
        self.ladders = problem.replicas
        self._n_dof = system.n_dof
        self._by_model = self.spec["seeds"] == "model"

    def start(self) -> Tree:
        """See `Strategy`."""
        problem = self.problem
        windows = place(self.spec["windows"], self.spec["width"], problem.names, problem.grid)
        none = np.zeros(0, dtype=np.int64)
        return {
            "round": 0,
            "phase": "explore",
            "stage": "gather" if self._by_model else "seed",
            "windows": windows.tree(),
            "first_windows": len(windows),
            "walkers": rows(first(problem), np.zeros(self.ladders, dtype=np.int64)),
            "xi": np.repeat(problem.start_xi[None], self.ladders, axis=0),
            "who": none,
            "own_seed": np.zeros(0, dtype=bool),
            "unseeded": np.arange(len(windows)),
            "step": first_step(problem),
            "version": -1,
            "model": {},
            "fresh": False,
            "pool": Pool.empty(problem.dim).tree(),
            "broad": {},
            "turns": 0,
            "adapt": 0,
            "settled": 0,
            "seeding": {},
            "gaps": [],
            "watched": [],
            "produced": {},
            "totals": {},
            "states": {},
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        problem, windows = self.problem, Windows.from_tree(state["windows"])
        stage, phase = state["stage"], state["phase"]
        version = int(state["version"])
        models = {version: state["model"]} if version >= 0 else {}
        if stage == "gather":
            return StepPlan(phase, free_orders(problem, state, windows))
        if stage == "fit":
            return StepPlan(phase, (self._fit(state, windows),), (), models)
        if stage == "seed":
            return StepPlan(phase, seed_orders(problem, state, windows), (), models)
        fits: tuple[WorkOrder, ...] = ()
        if phase == "adapt" and self._by_model and int(state["turns"]) < int(self.spec["turns"]):
            fits = (self._fit(state, windows),)
        shares = self._shares(state, windows)
        return StepPlan(phase, window_orders(problem, state, windows, shares), fits, models)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = {**state, "round": int(state["round"]) + 1}
        moves = [s for s in segments if not s.is_fit]
        for fit in (s for s in segments if s.is_fit):
            if fit.carry["accepted"]:
                state["version"] = int(state["version"]) + 1
                state["model"] = fit.carry["model"]
                state["fresh"] = True
        stage = state["stage"]
        if stage == "gather":
            return self._gathered(state, moves)
        if stage == "fit":
            return {**state, "stage": "seed", "fresh": False}
        if stage == "seed":
            return self._seeded(state, moves)
        self._keep_walkers(state, moves)
        return (
            self._produced(state, moves)
            if state["phase"] == "produce"
            else self._adapted(state, moves)
        )

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        if not int(state["produced"].get("rounds", 0)):
            return self._young(state)
        totals = state["totals"]
        acceptance = {
            name: totals[f"{name}_accepted"] / totals[f"{name}_proposed"]
            for name in ("local", "global", "exchange")
            if totals.get(f"{name}_proposed")
        }
        production = WindowProduction.from_tree(state["produced"])
        about = {
            "windows": len(production.windows),
            "seeds": dict(state["seeding"]),
            "nonfinite": totals.get("nonfinite", 0.0),
        }
        own = np.asarray(state["own_seed"]).reshape(self.ladders, -1)
        independent = bool((own.sum(axis=0) >= 2).all())
        states = Partition.from_tree(state["states"])
        return production.estimate(self.problem, states, acceptance, about, independent)

    def replicas(self, state: Tree) -> int:
        """See `Strategy`."""
        if state["stage"] in ("gather", "fit"):
            return self.ladders
        return self.ladders * len(state["windows"]["centres"])

    def resize(self, state: Tree, replicas: int) -> Tree:
        """See `Strategy`: the ladders stay as many as they are."""
        return state

    # what the stages make of their segments

    def _gathered(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        self._learn(state, segments, free=True)
        moved = [s for s in segments if s.key[1] == "umbrella"]
        if moved:
            tune_step(state, moved)
            state["walkers"] = bare(joined([s.carry["walkers"] for s in moved]))
        if int(state["round"]) >= FREE_ROUNDS or not moved:
            state["stage"] = "fit"
        return state

    def _seeded(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """Seeds stand in their windows; what stood there before is gone."""
        n = len(state["windows"]["centres"])
        # each ladder's windows come back in the order of its tour
        index = [s.key[2] * n + np.asarray(s.carry["window"]) for s in segments]
        parts = [s.carry["walkers"] for s in segments]
        xi = [s.carry["xi"] for s in segments]
        own_seed = [np.asarray(s.carry["from_model"]) for s in segments]
        new = {int(k) for k in np.asarray(state["unseeded"])}
        before = len(state["who"]) // self.ladders
        if kept := [k for k in range(before) if k not in new]:
            ladders = np.arange(self.ladders)[:, None]
            index.append((ladders * n + np.array(kept)).reshape(-1))
            own = (ladders * before + np.array(kept)).reshape(-1)
            parts.append(bare(rows(state["walkers"], own)))
            xi.append(np.asarray(state["xi"])[own])
            own_seed.append(np.asarray(state["own_seed"])[own])
        order = np.argsort(np.concatenate(index), kind="stable")
        state["walkers"] = rows(joined(parts), order)
        state["xi"] = np.concatenate(xi)[order]
        state["own_seed"] = np.concatenate(own_seed)[order]
        state["who"] = np.arange(self.ladders * n)
        counts = dict(state["seeding"])
        for segment in segments:
            for name, value in segment.counts.items():
                counts[name] = counts.get(name, 0.0) + value
        state.update(
            seeding=counts,
            unseeded=np.zeros(0, dtype=np.int64),
            phase="adapt",
            stage="sample",
            settled=0,
            fresh=False,
        )
        return state

    def _adapted(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        windows = Windows.from_tree(state["windows"])
        tune_step(state, segments)
        state["adapt"] = int(state["adapt"]) + 1
        state["settled"] = int(state["settled"]) + 1
        self._learn(state, segments)
        late = int(state["adapt"]) >= MOST_ADAPT
        if state["fresh"] and int(state["turns"]) < int(self.spec["turns"]) and not late:
            # Algorithm 2: the walkers start again from what the better model offers
            state.update(turns=int(state["turns"]) + 1, fresh=False, stage="seed")
            state["unseeded"] = np.arange(len(windows))
            return state
        if int(state["settled"]) < SETTLE:
            return state
        look = WindowProduction.start(self.problem, windows, self.ladders, state["watched"])
        look.absorb(self.problem, segments)
        more, gaps = look.missing(self.problem, int(state["first_windows"]) * MOST_WINDOWS)
        state["gaps"] = list(gaps)
        if len(more) and self.spec["windows"] == "auto" and not late:
            grown = windows.plus(more)
            state["windows"] = grown.tree()
            state["unseeded"] = np.arange(len(windows), len(grown))
            state["stage"] = "seed"
            return state
        wanted = int(self.spec["turns"]) if self._by_model else 0
        if int(state["turns"]) >= wanted or late or not self._improving(state):
            self._freeze(state, look)
        return state

    def _learn(self, state: Tree, segments: Sequence[Segment], free: bool = False) -> None:
        """Configurations for the next fit, and the broad proposal about them."""
        if not self._by_model:
            return
        pool = Pool.from_tree(state["pool"]).plus(segments, free=free)
        state["pool"] = pool.tree()
        state["broad"] = {"mean": pool.y.mean(axis=0), "std": WIDE * pool.y.std(axis=0) + 1e-3}

    def _improving(self, state: Tree) -> bool:
        """Whether a better model may still come: each turn of the loop has a few rounds for it."""
        return int(state["adapt"]) < (SETTLE + 2) * (int(state["turns"]) + 1)

    def _freeze(self, state: Tree, look: WindowProduction) -> None:
        states = self.problem.states()
        if states is None:
            density = look.density(self.problem)
            states = find_basins(density, self.problem.grid, self.problem.names)
        windows = Windows.from_tree(state["windows"])
        produced = WindowProduction.start(self.problem, windows, self.ladders, state["watched"])
        state.update(
            phase="produce",
            states=states.tree(),
            produced=produced.tree(),
            pool=Pool.empty(self.problem.dim).tree(),
        )

    def _produced(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        production = WindowProduction.from_tree(state["produced"])
        production.absorb(self.problem, segments)
        totals = dict(state["totals"])
        for segment in segments:
            for name, value in segment.counts.items():
                totals[name] = totals.get(name, 0.0) + value
        state.update(produced=production.tree(), totals=totals)
        return state

    def _keep_walkers(self, state: Tree, segments: Sequence[Segment]) -> None:
        """Every slot goes on from where it ended."""
        slots = np.concatenate([s.samples["watched_replica"][:: _blocks(s)] for s in segments])
        order = np.argsort(slots.astype(np.int64), kind="stable")
        state["walkers"] = rows(joined([s.carry["walkers"] for s in segments]), order)
        state["xi"] = np.concatenate([s.carry["xi"] for s in segments])[order]
        state["who"] = np.concatenate([s.carry["who"] for s in segments])[order]
        state["watched"] = list(segments[0].carry["watched"])

    def _shares(self, state: Tree, windows: Windows) -> Array:
        """Relative length of each window's stretches, ≥ 1, shape (K,)."""
        if not int(state["produced"].get("rounds", 0)):
            return np.ones(len(windows))
        return WindowProduction.from_tree(state["produced"]).shares(self.problem)

    def _fit(self, state: Tree, windows: Windows) -> WorkOrder:
        return fit_windows_order(self.problem, state, windows)

    def _young(self, state: Tree) -> Estimate:
        states = self.problem.states()
        names = states.names if states is not None else ()
        values = {name: StateEstimate(None, None) for name in names}
        about = {"windows": len(state["windows"]["centres"]), "gaps": list(state["gaps"])}
        return young_estimate(self.problem, values, state["phase"], about)


def _blocks(segment: Segment) -> int:
    """Rows of 'watched' that each slot has."""
    replica = segment.samples["watched_replica"]
    return int(np.count_nonzero(replica == replica[0]))
