"""What a chain has found: the states it has been to, and whether it goes to and fro between them.

A chain (`stratify: off`) may begin in one state and know of no other. The broad share of its
proposals reaches over the whole CV range, steered moves carry it there, and what it saw teaches the
next version of the proposals (S. Tamagnone, A. Laio and M. Gabrié, arXiv 2406.01524). Its moves
are reversible whatever the version, so that it has reached its stationary distribution when as many
go from each state to each other as come back. Only then does it teach the right weights, and only
then does the adaptation end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.flattening import Flattener
from msgen.orchestrator.strategies.steered.state_refinement import MOST_RELOOKS, adapt_again
from msgen.orchestrator.strategies.steered.switching import ends_of, tuner_of
from msgen.systems.base import Array

LEAST = 10.0
"""Accepted moves, expected, into every state and out of it before anything is said of balance."""
HARDLY = 0.02
"""Share of the samples below which a state need not be gone to by steered moves."""
OFF = 3.0
"""Standard errors by which the moves to and fro between two states may differ."""
KEPT = 2.0
"""Standard errors up to which moves balance well enough to be counted on under new proposals."""
FIT_EVERY = 4
"""Rounds between two fits while the chain has not settled."""
MOST_COLD = 80
"""Rounds after which the adaptation of a chain ends even if it has not settled."""


@dataclass
class Traffic:
    """Moves between states since they began to balance, or the present proposals came into use.

    Attributes
    ----------
    visits : Array, shape (K,)
        Local samples in each state.
    flow : Array, shape (K, K)
        Accepted moves from one to another, expected: Σ min(1, e^{−w}).
    square : Array, shape (K, K)
        Σ of its squares: the variance of `flow`.
    rounds : int
    """

    visits: Array
    flow: Array
    square: Array
    rounds: int = 0

    @classmethod
    def none(cls, states: int) -> Traffic:
        """Nothing seen yet."""
        return cls(np.zeros(states), np.zeros((states, states)), np.zeros((states, states)))

    def add(self, states: Partition, segments: Sequence[Segment], works: Works) -> None:
        """A round's samples and paths."""
        k = len(states)
        xi = np.concatenate([s.samples["cvs"] for s in segments if "cvs" in s.samples])
        self.visits += np.bincount(states.assign(xi), minlength=k)
        self.rounds += 1
        if not len(works):
            return
        source, target = ends_of(states, segments)
        arrived = target >= 0
        chance = np.exp(-np.clip(works["work"], 0.0, None))[arrived]
        pair = source[arrived] * k + target[arrived]
        self.flow += np.bincount(pair, chance, k * k).reshape(k, k)
        self.square += np.bincount(pair, chance**2, k * k).reshape(k, k)

    @property
    def settled(self) -> bool:
        """Whether at least two states are known, and moves between all of them balance."""
        if np.count_nonzero(self.visits) < 2:
            return False
        flow = self.flow - np.diag(np.diag(self.flow))
        through = np.minimum(flow.sum(axis=0), flow.sum(axis=1))
        busy = through[self.visits >= HARDLY * self.visits.sum()] >= LEAST
        return bool(busy.all() and self.balances(OFF) and flow.sum() >= 2.0 * LEAST)

    def balances(self, off: float) -> bool:
        """Whether moves to and fro differ by at most so many standard errors."""
        error = np.sqrt(self.square + self.square.T)
        return bool((np.abs(self.flow - self.flow.T) <= off * error).all())

    def tree(self) -> Tree:
        """As it goes into a checkpoint; `from_tree` is the inverse."""
        names = ("visits", "flow", "square", "rounds")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_tree(cls, tree: Tree) -> Traffic:
        """Inverse of `tree`."""
        visits, flow, square = (np.array(tree[name]) for name in ("visits", "flow", "square"))
        return cls(visits, flow, square, int(tree["rounds"]))


def cold(problem: Problem) -> bool:
    """Whether the campaign looks for states by its chain alone."""
    return int(problem.strategy["explore"]["pushes"]) == 0


def first_states(problem: Problem) -> Partition:
    """The states as they are known before anything was sampled."""
    named = problem.states()
    return Partition.whole(problem.periodic) if named is None else named


def found_states(problem: Problem, state: Tree, states: Partition) -> Partition:
    """The basins of what the chain has seen, where the campaign names no states; else `states`."""
    seen = state["flatteners"].get("0")
    if problem.boxes is not None or seen is None:
        return states
    density = Flattener.from_tree(seen).populations().reshape(problem.grid.shape)
    found = find_basins(density, problem.grid, problem.names)
    # borders move a little with every round; what was said of the old states is worth more
    return found if len(found) != len(states) else states


def known_at_first(problem: Problem, states: int, where: NDArray[np.int64]) -> Tree:
    """What is known of `states` when the adaptation begins with walkers in states `where`."""
    return {
        "traffic": Traffic.none(states).tree(),
        "visited": np.bincount(where, minlength=states) > 0,
        "unsettled": False,
        "joined": not cold(problem),
    }


def forget_traffic(state: Tree) -> None:
    """Count anew, in place: a new version of the proposals is in use.

    Not where moves balance so far: moves are reversible under any version, and a chain whose
    crossings are dear would be asked for them again with every fit.
    """
    if not Traffic.from_tree(state["traffic"]).balances(KEPT):
        state["traffic"] = Traffic.none(len(state["traffic"]["visits"])).tree()


def unvisited(state: Tree) -> list[str]:
    """States that no walker has been to."""
    names = Partition.from_tree(state["states"]).names
    return [name for name, known in zip(names, state["visited"], strict=True) if not known]


def settling(
    problem: Problem, state: Tree, segments: Sequence[Segment], works: Works, planned: int
) -> bool:
    """Take a round of the adaptation, in place; whether the chain has settled in all states.

    After `planned` rounds it teaches its proposals on and on until it has. Paths are tuned anew
    when a state is found, and when a chain that began in one state goes to and fro for the first
    time: before, its proposals were not what they will be.
    """
    states = Partition.from_tree(state["states"])
    traffic, visited = Traffic.from_tree(state["traffic"]), np.asarray(state["visited"])
    traffic.add(states, segments, works)
    settled, rounds = traffic.settled, int(state["adapt"]) - planned
    if cold(problem):
        now = found_states(problem, state, states)
        if len(now) > len(states):
            state["states"], visited = now.tree(), np.zeros(len(now), dtype=bool)
            traffic, settled = Traffic.none(len(now)), False
            traffic.add(now, segments, Works.empty())
    seen = visited | (traffic.visits > 0)
    fresh, joins = bool((seen & ~visited).any()), settled and not state["joined"]
    state.update(
        traffic=traffic.tree(),
        visited=seen,
        unsettled=rounds > 0 and rounds % FIT_EVERY == 0 and not settled,
        joined=bool(state["joined"]) or settled,
    )
    if fresh or joins:
        state["tuner"] = tuner_of(problem, state).again().tree()
    return settled and (bool(seen.all()) or not cold(problem))


def found_late(problem: Problem, state: Tree, states: Partition, adapted: int) -> Tree:
    """Back to adapting, where production came to a state of which nothing was known."""
    state.update(missing=[], states=states.tree())
    if int(state["relooks"]) < MOST_RELOOKS:
        adapt_again(state, adapted)
        state.update(known_at_first(problem, len(states), np.arange(len(states))))
        state["tuner"] = tuner_of(problem, state).again().tree()
    return state
