"""Finding the states: pushes over the whole CV range, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.stats import qmc

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.codec import FLAT
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.orders.explore import ExplorePayload, ExploreRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.strategies.common.finding_states import states_at_rest
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

EXPLORE_ROUNDS = 3
"""Attempts to find every named state."""
SLOWER = 4
"""By how much every further attempt is slower."""
RELAX_CHUNKS = 10
"""Readings of the CVs while a pushed walker relaxes."""


def push_restraint(problem: Problem) -> Conditional:
    """g of a push, stiff enough to arrive."""
    kappa = np.maximum(4.0 / problem.spacing**2, 1.0 / problem.scale**2)
    return Conditional(kappa, problem.periodic)


def push_schedule(problem: Problem, step: float, steps: int) -> Schedule:
    """A path of so many steps whatever the distance."""
    return Schedule(
        g=push_restraint(problem),
        dt=step,
        steps_per_unit=0.0,
        scale=problem.scale,
        friction=0.0 if problem.batched else 1.0,
        refresh=50,
        min_steps=steps,
    )


def targets(problem: Problem, attempt: int) -> Array:
    """Points that fill the CV range evenly, shape (pushes, C); other ones at every attempt."""
    n = int(problem.strategy["explore"]["pushes"])
    seed = np.random.SeedSequence(problem.seed, spawn_key=(attempt, 77))
    halton = qmc.Halton(problem.dim, scramble=True, rng=np.random.default_rng(seed))
    return np.asarray(problem.lower + halton.random(n) * (problem.upper - problem.lower))


@dataclass(frozen=True)
class Seeds:
    """Walkers from which the campaign may begin.

    Attributes
    ----------
    walkers : WalkerRows
        Without velocities.
    xi : Array, shape (n, C)
    """

    walkers: Annotated[WalkerRows, FLAT]
    xi: Array

    @classmethod
    def first(cls, problem: Problem) -> Seeds:
        """The one structure."""
        return cls(problem.first_walkers(), problem.start_xi[None])


@dataclass(frozen=True)
class Found:
    """What a round of pushes has found.

    Attributes
    ----------
    seeds : Seeds
        Those there were, and the relaxed walkers.
    runs : Array, shape (n, m, C)
        CVs that each pushed walker read while it relaxed, isomers left out.
    isomers : Mapping of str to int
        How often each was met.
    """

    seeds: Seeds
    runs: Array
    isomers: Mapping[str, int]

    def basins(self, problem: Problem) -> Partition:
        """The states that it shows, where the campaign names none."""
        return states_at_rest(problem, self.runs)


def orders(
    problem: Problem, rnd: int, attempt: int, seeds: Seeds, path_dt: float, step: float | None
) -> tuple[WorkOrder, ...]:
    """One order per replica, or one for all pushes of a batch, from what is known so far."""
    spec = problem.strategy["explore"]
    goal = targets(problem, attempt)
    parts = np.array_split(np.arange(len(goal)), min(len(goal), problem.replicas))
    if problem.batched:
        parts = [np.arange(len(goal))]
    chunks = RELAX_CHUNKS if int(spec["relax_steps"]) else 0
    steps = max(1, int(spec["relax_steps"]) // RELAX_CHUNKS)
    # every later attempt is slower: what is pushed may not have been able to follow
    push = int(spec["push_steps"]) * SLOWER**attempt
    schedule, cost = push_schedule(problem, path_dt, push), push + chunks * steps
    return tuple(
        WorkOrder.of(
            rnd,
            ExplorePayload(seeds.walkers, goal[part], schedule, max(chunks, 1), steps, step),
            i,
            cost_hint=float(len(part) * cost),
        )
        for i, part in enumerate(parts)
    )


def absorb(problem: Problem, seeds: Seeds, segments: Sequence[Segment]) -> Found:
    """Add the relaxed walkers to the seeds; isomers are left out and named."""
    keep_isomers = problem.strategy["explore"]["isomers"] == "include"
    parts, xi = [seeds.walkers.without_velocities()], [seeds.xi]
    runs: list[Array] = []
    isomers: dict[str, int] = {}
    for segment in segments:
        done = segment.read(ExploreRecord)
        good = np.array([keep_isomers or not f for f in done.flipped], dtype=bool)
        for name in (f for f in done.flipped if f):
            isomers[name] = isomers.get(name, 0) + 1
        inside = np.isfinite(done.cvs).all(axis=1) & good
        parts.append(done.walkers.without_velocities().take(np.flatnonzero(inside)))
        xi.append(done.cvs[inside])
        runs.append(segment.samples["cvs"].reshape(len(good), -1, problem.dim)[good])
    found = Seeds(WalkerRows.join(parts), np.concatenate(xi))
    return Found(found, np.concatenate(runs), isomers)
