"""Local moves, and independence moves of the whole configuration proposed by a flow.

The flow is retrained on what the replicas see (Gabrié, Rotskoff and Vanden-Eijnden, PNAS 119,
e2109420119, 2022), and frozen before anything counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.cv_space.strata import Partition
from msgen.actors.solute.solute import SoluteCoordinates
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.replica_pool import counted
from msgen.orchestrator.strategies.common.step_size import step_of
from msgen.orchestrator.strategies.common.walker_rows import bare, first, positions, rows
from msgen.orchestrator.strategies.flow_mcmc.solute import told
from msgen.orchestrator.strategies.flow_mcmc.weights import Weights
from msgen.orchestrator.strategies.local.strategy import BLOCKS, Local
from msgen.orchestrator.strategies.steered.switching import path_step
from msgen.systems.base import Array, System
from msgen.systems.coordinates.representation import Encoding

RECENT = 50
"""Times in a round at which every replica hands a configuration to the next fit."""
PROPOSALS = 4
"""Proposals of a replica, while the flow is refitted, for each configuration that it hands over."""
PER_VARIABLE = 600
"""Configurations that a fit of a molecule wants for each variable: alanine dipeptide's acceptance
was .08, .16 and .28 with 100, 200 and 400."""
ENOUGH = 100
"""Configurations for each variable without which a molecule's model is not worth fitting."""
KEEP, KEEP_MOLECULE = 3, 8
"""Rounds whose configurations a fit sees."""
WEIGHTS = 100
"""Log weights of proposals that every replica keeps of a round of production."""
FLOW_ADAPT = 7
"""Rounds in which the flow is refitted."""
MOST_ADAPT = 20
"""Rounds after which adaptation ends even if the acceptance still rises."""
RISE, STALLED = 1.03, 2
"""Adaptation ends when so many rounds in a row have not raised the acceptance by this factor."""
WIDE = 2.0
"""Width of the broad Gaussian, in standard deviations of the data."""


class FlowMcmc(Local):
    """Local and global moves; the model sees molecules in their internal coordinates."""

    name = "flow_mcmc"
    adapt_rounds = FLOW_ADAPT

    def __init__(self, problem: Problem, system: System) -> None:
        super().__init__(problem)
        self._solute = bool(self.spec.get("solute"))
        self._coordinates: Encoding
        if self._solute:
            self._coordinates = SoluteCoordinates.of(self.spec, system)
        else:
            self._coordinates = exact_coordinates(self.spec.get("coordinates", "auto"), system)
        self._keep, self._recent = KEEP, RECENT
        self._enough, self._record = 1, problem.stride
        if problem.molecular:
            dim, self._keep = self._coordinates.dim, KEEP_MOLECULE
            self._enough = ENOUGH * dim
            self._recent = int(np.ceil(PER_VARIABLE * dim / (self._keep * problem.replicas)))
            steps = BLOCKS * int(self.spec["local"]["steps"])
            self._record = int(np.clip(steps // self._recent, 1, problem.stride))

    def start(self) -> Tree:
        """See `Strategy`."""
        # a walker without its box is brought back where it drifts away, which its bits hang on
        pool = {**first(self.problem, boxed=False), "xi": self.problem.start_xi[None]}
        more = {"phase": "explore", "attempt": 0, "pool": pool, "recent": [], "recent_replica": []}
        return {
            **super().start(),
            **more,
            "model": {},
            "acceptance": 0.0,
            "best": 0.0,
            "stalled": 0,
            "weights": {},
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        rnd = int(state["round"])
        if state["phase"] == "explore":
            attempt, dt = int(state["attempt"]), path_step(self.problem, state)
            pushes = explore.orders(self.problem, rnd, attempt, state["pool"], dt, step_of(state))
            return StepPlan("explore", pushes)
        version = int(state["version"])
        data, adapting = self._data(state), state["phase"] == "adapt"
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
                    "record": self._record if adapting else self.problem.stride,
                    "step_size": step_of(state),
                    "global_steps": int(self.spec["global_steps"]) if version >= 0 else 0,
                    "epsilon": float(self.spec["broad"]),
                    "recent": self._recent if adapting else 0,
                    "weights": WEIGHTS,
                    "broad": state["broad"],
                    "states": self._known(state).tree(),
                },
                model_version=version,
                cost_hint=float(BLOCKS * steps * len(group)),
            )
            for number, group in enumerate(self._groups(state))
        )
        fits: tuple[WorkOrder, ...] = ()
        if adapting and len(data) >= self._enough:
            fit = {
                "data": data,
                "weights": np.ones(len(data)),
                "stratum": np.zeros(len(data), dtype=np.int64),
                "n_strata": 1,
                "periodic": np.array(self._coordinates.periodic),
                "unit": np.concatenate(state["recent_replica"]),
                "goes_on": True,
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
            state["recent"] = [*state["recent"], recent][-self._keep :]
            owner = np.concatenate([s.carry["recent_replica"] for s in moves])
            state["recent_replica"] = [*state["recent_replica"], owner][-self._keep :]
            proposed = sum(s.counts["global_proposed"] for s in moves)
            accepted = sum(s.counts["global_accepted"] for s in moves)
            state["acceptance"] = accepted / proposed if proposed else 0.0
            for fit in (s for s in segments if s.key[1] == "fit" and s.carry["accepted"]):
                state["version"] = int(state["version"]) + 1
                state["model"] = fit.carry["model"]
        if state["phase"] == "produce":
            weights = Weights.from_tree(state["weights"])
            states = Partition.from_tree(state["states"])
            weights.absorb(moves, counted(state, self._stratum(state)), states)
            state["weights"] = weights.tree()
        if state["phase"] == "adapt":
            risen = float(state["acceptance"]) > RISE * float(state["best"])
            state["stalled"] = 0 if risen else int(state["stalled"]) + 1
        state = super().absorb(state, moves)
        state["best"] = max(float(state["best"]), float(state["acceptance"]))
        if state["phase"] == "produce":
            state["recent"], state["recent_replica"] = [], []
        return state

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`; also ln Z, from the weights of the frozen model."""
        found = super().estimate(state)
        if self._solute:
            steps = int(self.spec["solute_path"]["steps"])
            return replace(found, diagnostics=told(found.diagnostics, state["totals"], steps))
        weights = Weights.from_tree(state["weights"])
        difference = weights.difference()
        if difference is None:
            return found
        where = ", in internal coordinates" if self.problem.molecular else ""
        about = {
            **found.diagnostics,
            "model": weights.diagnostics(difference),
            "reweighted": weights.reweighted(list(found.states)),
            "warnings": weights.warnings(difference),
        }
        return replace(found, diagnostics=about, log_z=weights.log_z(difference, where))

    def _young(self, state: Tree) -> Estimate:
        found = super()._young(state)
        return replace(found, diagnostics={"acceptance": {"global": float(state["acceptance"])}})

    def _blocks(self, state: Tree) -> int:
        """While the flow is refitted, no more than make what is handed over independent."""
        if self.problem.molecular or state["phase"] == "produce" or int(state["version"]) < 0:
            return super()._blocks(state)
        wanted = PROPOSALS * self._recent / max(1, int(self.spec["global_steps"]))
        return int(np.clip(np.ceil(wanted), 1, BLOCKS))

    def _ready(self, state: Tree) -> bool:
        """Long enough, and the acceptance no longer rises."""
        adapt = int(state["adapt"])
        fitted = int(state["version"]) >= 0
        stalled = fitted and int(state["stalled"]) >= STALLED
        return adapt >= MOST_ADAPT or (adapt >= self.adapt_rounds and stalled)

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
        state["walkers"] = rows(bare(state["pool"]), index)
        seen = self._coordinates.encode(positions(self.problem, state["pool"]))
        state["broad"] = {"mean": seen.mean(axis=0), "std": WIDE * seen.std(axis=0) + 1e-3}
        state["phase"] = "adapt"
        return state

    def _known(self, state: Tree) -> Partition:
        """The states, as far as they are known: those of a solute's moves are told by them."""
        if "states" in state:
            return Partition.from_tree(state["states"])
        return self.problem.states() or Partition.whole(self.problem.periodic)

    def _data(self, state: Tree) -> Array:
        return np.concatenate(state["recent"]) if len(state["recent"]) else np.zeros((0, 1))
