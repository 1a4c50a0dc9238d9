"""The sampling orders of the steered strategy."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Tree, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.replica_pool import at_work
from msgen.orchestrator.strategies.common.step_size import masses_of, step_of, wants_curvature
from msgen.orchestrator.strategies.common.walker_rows import rows
from msgen.orchestrator.strategies.steered.switching import schedules, targets

BLOCKS = 8
"""Stretches of local sampling in one order, a path after each where λ is absent."""
TUNING_BLOCKS = 24
"""The same while the paths of an analytic system are tuned, where paths are cheap."""
GROWTH = 2
"""Rounds of production after which a round is longer by one `BLOCKS`: less to commit."""
LONGEST = 16
"""`BLOCKS` of the longest round: by then committing is next to nothing, and a crash costs more."""


def can_bridge(problem: Problem, state: Tree) -> bool:
    """Whether there is anywhere to go: another stratum, or a whole space to move in."""
    return not problem.strategy["stratify"] or len(np.unique(state["stratum"])) > 1


def sampling_orders(problem: Problem, state: Tree) -> tuple[WorkOrder, ...]:
    """Local sampling of every replica, and paths once there is a model to propose them."""
    spec, stratum = problem.strategy, np.asarray(state["stratum"])
    version = int(state["version"]) if can_bridge(problem, state) else -1
    chunks, blocks = max(1, int(spec["local"]["steps"]) // problem.stride), BLOCKS
    if state["phase"] == "adapt" and version >= 0 and not problem.molecular:
        blocks = TUNING_BLOCKS
    if state["phase"] == "produce":
        chunks = max(1, round(chunks * float(state["local_share"])))
        blocks *= min(LONGEST, 1 + int(state["produced_rounds"]) // GROWTH)
    common: Tree = {
        "partition": state["strata"],
        "blocks": blocks,
        "chunks": chunks,
        "steps": problem.stride,
        "step_size": step_of(state),
        "masses": masses_of(state),
    }
    if wants_curvature(problem, state):
        common["curvature"] = True
    if version >= 0:
        common.update(
            mode="strata" if spec["stratify"] else "chain",
            schedules=[s.tree() for s in schedules(problem, state)],
            targets=targets(Partition.from_tree(state["strata"]), stratum),
            proposals={
                "broad": problem.broad(),
                "epsilon": float(spec["broad"]),
                "log_mass": state["log_mass"],
            },
        )
    return tuple(
        WorkOrder(
            int(state["round"]),
            "sample",
            number,
            {
                **common,
                "walkers": rows(state["walkers"], group),
                "replicas": group,
                "stratum": stratum[group],
                "ladder": state["ladders"][str(int(stratum[group[0]]))],
            },
            model_version=version,
            cost_hint=float(blocks * chunks * problem.stride * len(group)),
        )
        for number, group in enumerate(groups(problem, stratum, at_work(state, stratum)))
    )
