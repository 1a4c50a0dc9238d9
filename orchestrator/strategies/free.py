"""Strategies whose replicas move over all states by themselves and are counted.

`FlowMcmc`: local moves and independence moves of the full configuration, proposed by a flow that is
retrained on what the replicas see (Gabrié, Rotskoff and Vanden-Eijnden, PNAS 119, e2109420119,
2022). `Local`: local moves only, the honest baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.kernels.tempered import Ladder
from msgen.actors.partition import Partition
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.strategies import explore
from msgen.orchestrator.strategies.allocation import groups
from msgen.orchestrator.strategies.basins import find_basins
from msgen.orchestrator.strategies.bridging import path_step
from msgen.orchestrator.strategies.problem import Problem
from msgen.orchestrator.strategies.production import Production, young_estimate
from msgen.orchestrator.strategies.roster import at_work, counted, resize, settle
from msgen.orchestrator.strategies.stepping import first_step, step_of, tune_step
from msgen.orchestrator.strategies.walkers import first, number, rows, updated
from msgen.systems.base import Array, System

BLOCKS = 10
"""Stretches of local (and global) moves in one order; more as the rounds go on."""
RECENT = 25
"""Times in a round at which every replica hands a configuration to the next fit."""
KEEP = 3
"""Rounds whose configurations a fit sees."""
LOCAL_ADAPT = 4
"""Rounds in which `Local` tunes its step size."""
FLOW_ADAPT = 7
"""Rounds in which `FlowMcmc` refits."""
MOST_ADAPT = 20
"""Rounds after which adaptation ends even if the acceptance still rises."""
WIDE = 2.0
"""Width of the broad Gaussian, in standard deviations of the data."""


class Local:
    """Local sampling only. It cannot converge unless its replicas go to and fro by themselves."""

    name = "local"
    adapt_rounds = LOCAL_ADAPT

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.spec = problem.strategy

    def start(self) -> Tree:
        """See `Strategy`."""
        r = self.problem.replicas
        return {
            "round": 0,
            "phase": "adapt",
            "adapt": 0,
            "walkers": rows(first(self.problem), np.zeros(r, dtype=np.int64)),
            "trail": np.repeat(self.problem.start_xi[None], r, axis=0),
            "step": first_step(self.problem),
            "version": -1,
            "produced": {},
            "totals": {},
            "missing": [],
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        problem, whole = self.problem, Partition.whole(self.problem.periodic)
        per_block = max(1, int(self.spec["local"]["steps"]) // problem.stride)
        orders = tuple(
            WorkOrder(
                int(state["round"]),
                "sample",
                number,
                {
                    "walkers": rows(state["walkers"], group),
                    "replicas": group,
                    "stratum": np.zeros(len(group), dtype=np.int64),
                    "partition": whole.tree(),
                    "ladder": Ladder.plain(problem.local_g).tree(),
                    "blocks": self._blocks(state),
                    "chunks": per_block,
                    "steps": problem.stride,
                    "step_size": step_of(state),
                },
                cost_hint=float(BLOCKS * per_block * problem.stride * len(group)),
            )
            for number, group in enumerate(self._groups(state))
        )
        return StepPlan(state["phase"], orders)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = {**state, "round": int(state["round"]) + 1}
        moves = [s for s in segments if s.key[1] != "fit"]
        self._keep_walkers(state, moves)
        if state["phase"] == "adapt":
            tune_step(state, moves)
            state["trail"] = np.concatenate([state["trail"], *(s.samples["cvs"] for s in moves)])
            state["adapt"] = int(state["adapt"]) + 1
            if self._ready(state):
                state["phase"] = "produce"
                state["states"] = self._states(state).tree()
            return state
        states = Partition.from_tree(state["states"])
        production = self._production(state, states)
        stratum = self._stratum(state)
        production.grow(stratum)
        production.absorb(self.problem, states, moves, counted(state, stratum))
        settle(state)
        totals = dict(state["totals"])
        for segment in moves:
            for name, value in segment.counts.items():
                totals[name] = totals.get(name, 0.0) + value
        return {**state, "produced": production.tree(), "totals": totals}

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        if state["phase"] != "produce" or not state["produced"]:
            return self._young(state)
        states = Partition.from_tree(state["states"])
        totals = state["totals"]
        acceptance = {
            name: totals[f"{name}_accepted"] / totals[f"{name}_proposed"]
            for name in ("local", "global")
            if totals.get(f"{name}_proposed")
        }
        extra = {"nonfinite": totals.get("nonfinite", 0.0)}
        return self._production(state, states).estimate(
            self.problem, states, False, acceptance, extra, state["missing"]
        )

    def _young(self, state: Tree) -> Estimate:
        states = self.problem.states()
        names = states.names if states is not None else ()
        values = {name: StateEstimate(None, None) for name in names}
        return young_estimate(self.problem, values, state["phase"], {})

    def _blocks(self, state: Tree) -> int:
        return BLOCKS * (1 + int(state["produced"].get("rounds", 0)) // 4)

    def _ready(self, state: Tree) -> bool:
        return int(state["adapt"]) >= self.adapt_rounds

    def _states(self, state: Tree) -> Partition:
        """The named states, or the basins of what was seen so far."""
        named = self.problem.states()
        if named is not None:
            return named
        grid = self.problem.grid
        index = grid.index(state["trail"])
        counts = np.bincount(index[index >= 0], minlength=grid.size).reshape(grid.shape)
        return find_basins(counts, grid, self.problem.names)

    def replicas(self, state: Tree) -> int:
        """See `Strategy`."""
        return len(at_work(state, self._stratum(state)))

    def resize(self, state: Tree, replicas: int) -> Tree:
        """See `Strategy`: not before production has begun."""
        if state["phase"] != "produce":
            return state
        return resize(state, self._stratum(state), replicas, self.problem.seed)

    def _stratum(self, state: Tree) -> NDArray[np.int64]:
        """One for all."""
        return np.zeros(number(state["walkers"]), dtype=np.int64)

    def _groups(self, state: Tree) -> list[NDArray[np.int64]]:
        stratum = self._stratum(state)
        return groups(self.problem, stratum, at_work(state, stratum))

    def _keep_walkers(self, state: Tree, segments: Sequence[Segment]) -> None:
        """Every replica goes on from where it ended."""
        new = [segment.carry["walkers"] for segment in segments]
        total = number(state["walkers"])
        state["walkers"] = updated(state["walkers"], total, self._groups(state), new)

    def _production(self, state: Tree, states: Partition) -> Production:
        if state["produced"]:
            return Production.from_tree(state["produced"])
        return Production.start(self.problem, self._stratum(state), len(states))


class FlowMcmc(Local):
    """Local and global moves of the full configuration; analytic systems."""

    name = "flow_mcmc"
    adapt_rounds = FLOW_ADAPT

    def __init__(self, problem: Problem, system: System) -> None:
        super().__init__(problem)
        self._n_dof = system.n_dof

    def start(self) -> Tree:
        """See `Strategy`."""
        pool = {"positions": self.problem.start.positions, "xi": self.problem.start_xi[None]}
        more = {"phase": "explore", "attempt": 0, "pool": pool, "recent": [], "acceptance": 0.0}
        return {**super().start(), **more, "model": {}, "best": 0.0}

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        rnd = int(state["round"])
        if state["phase"] == "explore":
            attempt, dt = int(state["attempt"]), path_step(self.problem, state)
            pushes = explore.orders(self.problem, rnd, attempt, state["pool"], dt, step_of(state))
            return StepPlan("explore", pushes)
        version = int(state["version"])
        data = self._data(state)
        steps = int(self.spec["local"]["steps"])
        orders = tuple(
            WorkOrder(
                rnd,
                "walk",
                number,
                {
                    "walkers": rows(state["walkers"], group),
                    "replicas": group,
                    "blocks": self._blocks(state),
                    "local_steps": steps,
                    "record": self.problem.stride,
                    "step_size": step_of(state),
                    "global_steps": int(self.spec["global_steps"]) if version >= 0 else 0,
                    "epsilon": float(self.spec["broad"]),
                    "recent": RECENT,
                    "broad": state["broad"],
                },
                model_version=version,
                cost_hint=float(BLOCKS * steps * len(group)),
            )
            for number, group in enumerate(self._groups(state))
        )
        fits: tuple[WorkOrder, ...] = ()
        if state["phase"] == "adapt" and len(data):
            fit = {
                "data": data,
                "weights": np.ones(len(data)),
                "stratum": np.zeros(len(data), dtype=np.int64),
                "n_strata": 1,
                "periodic": np.zeros(self._n_dof, dtype=bool),
            }
            fits = (WorkOrder(rnd, "fit", 0, fit, model_version=version),)
        models = {version: state["model"]} if version >= 0 else {}
        return StepPlan(state["phase"], orders, fits, models)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        if state["phase"] == "explore":
            return self._explored({**state, "round": int(state["round"]) + 1}, list(segments))
        moves = [s for s in segments if s.key[1] != "fit"]
        state = dict(state)
        if state["phase"] == "adapt":
            recent = np.concatenate([s.carry["recent"] for s in moves])
            state["recent"] = [*state["recent"], recent][-KEEP:]
            proposed = sum(s.counts["global_proposed"] for s in moves)
            accepted = sum(s.counts["global_accepted"] for s in moves)
            state["acceptance"] = accepted / proposed if proposed else 0.0
            for fit in (s for s in segments if s.key[1] == "fit" and s.carry["accepted"]):
                state["version"] = int(state["version"]) + 1
                state["model"] = fit.carry["model"]
        state = super().absorb(state, moves)
        state["best"] = max(float(state["best"]), float(state["acceptance"]))
        if state["phase"] == "produce":
            state["recent"] = []
        return state

    def _ready(self, state: Tree) -> bool:
        """Long enough, and the acceptance no longer rises by a tenth a round."""
        adapt = int(state["adapt"])
        risen = float(state["acceptance"]) > 1.1 * float(state["best"])
        fitted = int(state["version"]) >= 0
        return adapt >= MOST_ADAPT or (adapt >= self.adapt_rounds and fitted and not risen)

    def _explored(self, state: Tree, segments: list[Segment]) -> Tree:
        state["pool"], found = explore.absorb(self.problem, state["pool"], segments)
        state["attempt"] = int(state["attempt"]) + 1
        state["trail"] = np.concatenate([state["trail"], found["trail"]])
        states = self._states(state)
        seeds = states.assign(state["pool"]["xi"])
        missing = [n for k, n in enumerate(states.names) if not (seeds == k).any()]
        if missing and state["attempt"] < explore.EXPLORE_ROUNDS:
            return state
        state["missing"] = missing
        # as many replicas from every state found: their right weights are for the moves to find
        found_in = [np.flatnonzero(seeds == k) for k in range(len(states)) if (seeds == k).any()]
        r = self.problem.replicas
        pick = [found_in[i % len(found_in)] for i in range(r)]
        index = np.array([p[(i // len(found_in)) % len(p)] for i, p in enumerate(pick)])
        pool = state["pool"]["positions"]
        state["walkers"] = {"positions": pool[index]}
        state["broad"] = {"mean": pool.mean(axis=0), "std": WIDE * pool.std(axis=0) + 1e-3}
        state["phase"] = "adapt"
        return state

    def _data(self, state: Tree) -> Array:
        return np.concatenate(state["recent"]) if len(state["recent"]) else np.zeros((0, 1))
