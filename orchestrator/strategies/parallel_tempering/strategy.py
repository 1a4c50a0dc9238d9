"""Parallel tempering, a baseline: no model, no CV in any move.

Swendsen and Wang, Phys. Rev. Lett. 57, 2607 (1986); Hukushima and Nemoto, J. Phys. Soc. Jpn. 65,
1604 (1996); Sugita and Okamoto, Chem. Phys. Lett. 314, 141 (1999).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.step_size import StepSize
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import young_estimate
from msgen.orchestrator.strategies.common.step_size import first_step
from msgen.orchestrator.strategies.common.walker_rows import bare, first, joined, rows
from msgen.orchestrator.strategies.parallel_tempering.ladder import first_ladder, place
from msgen.orchestrator.strategies.parallel_tempering.orders import tempering_orders
from msgen.orchestrator.strategies.parallel_tempering.production import LadderProduction
from msgen.systems.base import Array, System

PLACED = (2, 4)
"""Rounds of the adaptation after which temperatures are placed by the energies seen."""
ADAPT = 8
"""Rounds of the adaptation; the last ones are the ladder's way into equilibrium."""

Ints = NDArray[np.int64]


class ParallelTempering:
    """Several ladders of walkers, one walker at each temperature; neighbours exchange.

    Ladders never exchange with one another, so that they are independent: their spread is the
    error, and R̂ between them says whether they agree. Slot = ladder · K + temperature.
    """

    name = "parallel_tempering"

    def __init__(self, problem: Problem, system: System) -> None:
        self.problem = problem
        self.spec = problem.strategy
        self.ladders = problem.replicas
        self._n_dof = system.n_dof

    def start(self) -> Tree:
        """See `Strategy`."""
        asked = self.spec["temperatures"]
        if isinstance(asked, list | tuple):
            tau = np.array(asked, dtype=np.float64)
        else:
            number = None if asked == "auto" else int(asked)
            tau = first_ladder(self._n_dof, float(self.spec["highest"]), number)
        slots = self.ladders * len(tau)
        one = first_step(self.problem)
        return {
            "round": 0,
            "phase": "adapt",
            "adapt": 0,
            "tau": tau,
            "steps": [dict(one) for _ in tau] if one else [],
            "walkers": rows(first(self.problem), np.zeros(slots, dtype=np.int64)),
            "who": np.arange(slots),
            "look": {},
            "states": {},
            "produced": {},
            "totals": {},
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        return StepPlan(state["phase"], tempering_orders(self.problem, state))

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = {**state, "round": int(state["round"]) + 1}
        slots = np.concatenate([np.asarray(s.carry["slots"]) for s in segments])
        order = np.argsort(slots, kind="stable")
        state["walkers"] = rows(joined([s.carry["walkers"] for s in segments]), order)
        state["who"] = np.concatenate([np.asarray(s.carry["who"])[-1] for s in segments])[order]
        if state["phase"] == "adapt":
            return self._adapted(state, segments)
        production = LadderProduction.from_tree(state["produced"])
        production.absorb(self.problem, Partition.from_tree(state["states"]), segments)
        totals = dict(state["totals"])
        for segment in segments:
            for name, value in segment.counts.items():
                totals[name] = totals.get(name, 0.0) + value
        return {**state, "produced": production.tree(), "totals": totals}

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        labels = self._labels(state)
        if not int(state["produced"].get("rounds", 0)):
            states = self.problem.states()
            names = states.names if states is not None else ()
            values = {name: StateEstimate(None, None) for name in names}
            about = {"tempering": {"temperatures": labels}}
            return young_estimate(self.problem, values, state["phase"], about)
        totals = state["totals"]
        acceptance = {
            name: totals[f"{name}_accepted"] / totals[f"{name}_proposed"]
            for name in ("local", "exchange")
            if totals.get(f"{name}_proposed")
        }
        about = {"nonfinite": totals.get("nonfinite", 0.0)}
        production = LadderProduction.from_tree(state["produced"])
        states = Partition.from_tree(state["states"])
        return production.estimate(self.problem, states, labels, acceptance, about)

    def replicas(self, state: Tree) -> int:
        """See `Strategy`."""
        return len(state["who"])

    def resize(self, state: Tree, replicas: int) -> Tree:
        """See `Strategy`: the ladders stay as many as they are."""
        return state

    def _adapted(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """Step sizes by what was accepted, temperatures by the energies; then all is frozen."""
        state["adapt"] = int(state["adapt"]) + 1
        self._tune(state, segments)
        self._look(state, segments)
        if int(state["adapt"]) in PLACED and not isinstance(
            self.spec["temperatures"], list | tuple
        ):
            self._place(state, segments)
        if int(state["adapt"]) < ADAPT:
            return state
        states = self.problem.states() or self._basins(state)
        produced = self._nothing(state, states)
        state.update(phase="produce", states=states.tree(), produced=produced.tree(), look={})
        return state

    def _tune(self, state: Tree, segments: Sequence[Segment]) -> None:
        if not len(state["steps"]):
            return
        k = len(state["tau"])
        tested = np.zeros((k, 2))
        for s in segments:
            np.add.at(tested, np.asarray(s.carry["slots"]) % k, np.asarray(s.carry["tested"]))
        state["steps"] = [
            StepSize.from_tree(tree).update(yes / tried).tree()
            for tree, (tried, yes) in zip(state["steps"], tested, strict=True)
        ]

    def _look(self, state: Tree, segments: Sequence[Segment]) -> None:
        """Where the temperatures as they are now have been, for the basins."""
        if self.problem.boxes is not None:
            return
        whole = Partition.whole(self.problem.periodic)
        seen = self._nothing(state, whole)
        if state["look"]:
            seen = LadderProduction.from_tree(state["look"])
        seen.absorb(self.problem, whole, segments)
        state["look"] = seen.tree()

    def _nothing(self, state: Tree, states: Partition) -> LadderProduction:
        tau = np.asarray(state["tau"])
        return LadderProduction.start(self.problem, tau, self.ladders, states.names)

    def _place(self, state: Tree, segments: Sequence[Segment]) -> None:
        """Place the temperatures anew; each takes the walker of the nearest old one."""
        old = np.asarray(state["tau"])
        k = len(old)
        rung = np.concatenate([s.samples["replica"] for s in segments]).astype(np.int64) % k
        energy = np.concatenate([s.samples["energy"] for s in segments])
        good = np.isfinite(energy)
        total = np.bincount(rung[good], energy[good], minlength=k)
        mean = total / np.bincount(rung[good], minlength=k)
        asked = self.spec["temperatures"]
        tau = place(old, mean, None if asked == "auto" else int(asked))
        near = np.abs(np.log(tau)[:, None] - np.log(old)[None, :]).argmin(axis=1)
        slots = (np.arange(self.ladders)[:, None] * k + near).reshape(-1)
        if len(state["steps"]):
            state["steps"] = [dict(state["steps"][i]) for i in near]
        # velocities belong to the old temperatures
        walkers = bare(rows(state["walkers"], slots))
        state.update(tau=tau, walkers=walkers, who=np.arange(len(slots)))

    def _basins(self, state: Tree) -> Partition:
        density = LadderProduction.from_tree(state["look"]).density(self.problem)
        return find_basins(density, self.problem.grid, self.problem.names)

    def _labels(self, state: Tree) -> list[str]:
        """Temperatures as a person reads them."""
        kelvin = self.spec["kelvin"]
        tau: Array = np.asarray(state["tau"])
        if kelvin is None:
            return [f"{t:.3g} kT" for t in tau.tolist()]
        return [f"{t * kelvin:.0f} K" for t in tau.tolist()]
