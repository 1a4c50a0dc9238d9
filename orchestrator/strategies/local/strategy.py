"""Replicas that move over all states by themselves and are counted: local moves only.

The honest baseline, and what `flow_mcmc` adds global moves to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production, young_estimate
from msgen.orchestrator.strategies.common.replica_pool import at_work, counted, resize, settle
from msgen.orchestrator.strategies.common.step_size import first_step, step_of, tune_step
from msgen.orchestrator.strategies.common.walker_rows import first, number, rows, updated

BLOCKS = 10
"""Stretches of local (and global) moves in one order; more as the rounds go on."""
LOCAL_ADAPT = 4
"""Rounds in which `Local` tunes its step size."""


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
