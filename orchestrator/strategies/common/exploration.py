"""Finding the states: pushes over the whole CV range, and what became of them."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.walker_rows import bare, joined, rows
from msgen.systems.base import Array

EXPLORE_ROUNDS = 3
"""Attempts to find every named state."""
SLOWER = 4
"""By how much every further attempt is slower."""
RELAX_CHUNKS = 10
"""Readings of the CVs while a pushed walker relaxes."""


def push_schedule(problem: Problem, step: float, attempt: int = 0) -> Schedule:
    """A path of `push_steps` steps whatever the distance, stiff enough to arrive.

    Every later attempt is slower: what is pushed may not have been able to follow.
    """
    spec = problem.strategy["explore"]
    return Schedule(
        g=Conditional(
            np.maximum(4.0 / problem.spacing**2, 1.0 / problem.scale**2), problem.periodic
        ),
        dt=step,
        steps_per_unit=0.0,
        scale=problem.scale,
        friction=1.0 if problem.molecular else 0.0,
        refresh=50,
        min_steps=int(spec["push_steps"]) * SLOWER**attempt,
    )


def targets(problem: Problem, attempt: int) -> Array:
    """Points that fill the CV range evenly, shape (pushes, C); other ones at every attempt."""
    n = int(problem.strategy["explore"]["pushes"])
    seed = np.random.SeedSequence(problem.seed, spawn_key=(attempt, 77))
    halton = qmc.Halton(problem.dim, scramble=True, rng=np.random.default_rng(seed))
    return np.asarray(problem.lower + halton.random(n) * (problem.upper - problem.lower))


def orders(
    problem: Problem, rnd: int, attempt: int, pool: Tree, path_dt: float, step: float | None
) -> tuple[WorkOrder, ...]:
    """One order per replica (molecules) or one for all pushes, from what is known so far."""
    spec = problem.strategy["explore"]
    goal = targets(problem, attempt)
    parts = np.array_split(np.arange(len(goal)), min(len(goal), problem.replicas))
    if not problem.molecular:
        parts = [np.arange(len(goal))]
    chunks = RELAX_CHUNKS if int(spec["relax_steps"]) else 0
    steps = max(1, int(spec["relax_steps"]) // RELAX_CHUNKS)
    payload: Tree = {
        "walkers": pool,
        "schedule": push_schedule(problem, path_dt, attempt).tree(),
        "chunks": max(chunks, 1),
        "steps": steps,
        "step_size": step,
    }
    return tuple(
        WorkOrder(
            rnd,
            "explore",
            i,
            {**payload, "targets": goal[part]},
            cost_hint=float(
                len(part) * (int(spec["push_steps"]) * SLOWER**attempt + chunks * steps)
            ),
        )
        for i, part in enumerate(parts)
    )


def absorb(problem: Problem, pool: Tree, segments: list[Segment]) -> tuple[Tree, Tree]:
    """Add the relaxed walkers to the pool; isomers are left out and named.

    Returns
    -------
    pool : Tree
        The seeds' walkers without velocities, and their 'xi'.
    found : Tree
        'trail' (CVs seen while relaxing, isomers left out) and 'isomers' (count by name).
    """
    keep_isomers = problem.strategy["explore"]["isomers"] == "include"
    parts, xi = [bare(pool)], [pool["xi"]]
    trails: list[Array] = []
    isomers: dict[str, int] = {}
    for segment in segments:
        flipped = list(segment.carry["flipped"])
        good = np.array([keep_isomers or not f for f in flipped], dtype=bool)
        for name in (f for f in flipped if f):
            isomers[name] = isomers.get(name, 0) + 1
        inside = np.isfinite(segment.carry["cvs"]).all(axis=1) & good
        parts.append(rows(bare(segment.carry["walkers"]), np.flatnonzero(inside)))
        xi.append(segment.carry["cvs"][inside])
        ok = (segment.samples["flipped"] == 0) | keep_isomers
        trails.append(segment.samples["cvs"][ok])
    out: Tree = {**joined(parts), "xi": np.concatenate(xi)}
    return out, {"trail": np.concatenate(trails), "isomers": isomers}
