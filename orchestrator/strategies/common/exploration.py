"""Finding the states: pushes over the whole CV range, and what became of them.

Where there is a learnt model of the dynamics it goes ahead, see `ahead`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from msgen.orchestrator.base import StepPlan
from msgen.orchestrator.strategies.common import ahead as leading
from msgen.orchestrator.strategies.common.ahead import Ahead
from msgen.orchestrator.strategies.common.finding_states import states_at_rest
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

EXPLORE_ROUNDS = 3
"""Attempts to find every named state."""
SLOWER = 4
"""By how much every further attempt is slower."""
RELAX_CHUNKS = 10
"""Readings of the CVs while a pushed walker relaxes."""


def searches(problem: Problem) -> bool:
    """Whether states are looked for before anything is sampled."""
    return problem.explorer is not None or int(problem.strategy["explore"]["pushes"]) > 0


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
    ahead : Ahead or None
        How far the search is, where a learnt model goes ahead; None before it has begun.
    """

    walkers: Annotated[WalkerRows, FLAT]
    xi: Array
    ahead: Ahead | None = None

    @classmethod
    def first(cls, problem: Problem) -> Seeds:
        """The one structure."""
        return cls(problem.first_walkers(), problem.start_xi[None])


@dataclass(frozen=True)
class Found:
    """What a round of a search has found.

    Attributes
    ----------
    seeds : Seeds
        Those there were, and the relaxed walkers.
    runs : Array, shape (n, m, C)
        CVs that each pushed walker read while it relaxed, isomers left out; of all rounds where a
        model goes ahead.
    isomers : Mapping of str to int
        How often each was met.
    attempts : int
        Of pushing walkers over the CV range that it was: 1, or 0 of a round that went ahead.
    """

    seeds: Seeds
    runs: Array
    isomers: Mapping[str, int]
    attempts: int = 1

    def basins(self, problem: Problem) -> Partition:
        """The states that it shows, where the campaign names none."""
        if self.seeds.ahead is not None:
            return leading.states_of(problem, self.runs)
        return states_at_rest(problem, self.runs)


def plan(
    problem: Problem, rnd: int, attempt: int, seeds: Seeds, path_dt: float, step: float | None
) -> StepPlan:
    """What a round of the search does: pushes, roll-outs, or walkers sent where these went."""
    ahead = _ahead(problem, seeds)
    if ahead is not None and ahead.leads and ahead.doing != "send":
        asked, models = leading.orders(problem, rnd, seeds, ahead)
        return StepPlan("explore", asked, (), models)
    return StepPlan("explore", orders(problem, rnd, attempt, seeds, path_dt, step))


def orders(
    problem: Problem, rnd: int, attempt: int, seeds: Seeds, path_dt: float, step: float | None
) -> tuple[WorkOrder, ...]:
    """One order per replica, or one for all pushes of a batch, from what is known so far."""
    spec, ahead = problem.strategy["explore"], _ahead(problem, seeds)
    if ahead is not None and ahead.targets is not None:
        goal, start, push = ahead.targets, ahead.start, int(spec["push_steps"])
    else:
        goal, start = targets(problem, attempt), None
        # every later attempt is slower: what is pushed may not have been able to follow
        push = int(spec["push_steps"]) * SLOWER**attempt
    parts = np.array_split(np.arange(len(goal)), min(len(goal), problem.replicas))
    if problem.batched:
        parts = [np.arange(len(goal))]
    chunks = RELAX_CHUNKS if int(spec["relax_steps"]) else 0
    steps = max(1, int(spec["relax_steps"]) // RELAX_CHUNKS)
    schedule, cost = push_schedule(problem, path_dt, push), push + chunks * steps
    return tuple(
        WorkOrder.of(
            rnd,
            ExplorePayload(
                seeds.walkers if start is None else seeds.walkers.take(start[part]),
                goal[part],
                schedule,
                max(chunks, 1),
                steps,
                step,
                None if start is None else np.arange(len(part)),
            ),
            i,
            cost_hint=float(len(part) * cost),
        )
        for i, part in enumerate(parts)
    )


def goes_on(problem: Problem, seeds: Seeds, attempt: int, missing: Sequence[str]) -> bool:
    """Whether the search has another round, after `attempt` of pushes."""
    if seeds.ahead is not None and seeds.ahead.leads:
        return True
    pushes = int(problem.strategy["explore"]["pushes"]) > 0
    return pushes and bool(missing) and attempt < EXPLORE_ROUNDS


def absorb(problem: Problem, seeds: Seeds, segments: Sequence[Segment]) -> Found:
    """Add the relaxed walkers to the seeds; isomers are left out and named."""
    ahead = _ahead(problem, seeds)
    if ahead is not None and ahead.leads and ahead.doing != "send":
        ahead = leading.after_model(problem, seeds, ahead, segments)
        so_far = np.zeros((0, 1, problem.dim)) if ahead.runs is None else ahead.runs
        return Found(replace(seeds, ahead=ahead), so_far, {}, attempts=0)
    keep_isomers = problem.strategy["explore"]["isomers"] == "include"
    parts, xi = [seeds.walkers.without_velocities()], [seeds.xi]
    runs: list[Array] = []
    isomers: dict[str, int] = {}
    for segment in (s for s in segments if s.key[1] == ExplorePayload.kind):
        done = segment.read(ExploreRecord)
        good = np.array([keep_isomers or not f for f in done.flipped], dtype=bool)
        for name in (f for f in done.flipped if f):
            isomers[name] = isomers.get(name, 0) + 1
        inside = np.isfinite(done.cvs).all(axis=1) & good
        parts.append(done.walkers.without_velocities().take(np.flatnonzero(inside)))
        xi.append(done.cvs[inside])
        runs.append(segment.samples["cvs"].reshape(len(good), -1, problem.dim)[good])
    found, seen = Seeds(WalkerRows.join(parts), np.concatenate(xi)), np.concatenate(runs)
    if ahead is None:
        return Found(found, seen, isomers)
    after = leading.after_walkers(problem, found, ahead, seen)
    assert after.runs is not None
    return Found(replace(found, ahead=after), after.runs, isomers, int(ahead.doing != "send"))


def _ahead(problem: Problem, seeds: Seeds) -> Ahead | None:
    """How far the search is; None where no model goes ahead."""
    if problem.explorer is None:
        return None
    return seeds.ahead or Ahead.begun(problem)
