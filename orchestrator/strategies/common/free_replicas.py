"""Replicas that move over all states by themselves, and are counted: what such strategies share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, decode
from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, Phase, StepPlan
from msgen.orchestrator.strategies.common.allocation import given_up, groups
from msgen.orchestrator.strategies.common.finding_states import states_in
from msgen.orchestrator.strategies.common.free_energies import pre_production_estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.replica_pool import ReplicaPool
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.common.second_look import due_look
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.systems.base import Array

SETTLED = 3.0
"""Times that a replica has forgotten where it was before anything counts."""


@dataclass(frozen=True, kw_only=True)
class FreeState:
    """What is kept between rounds.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : Phase
    adapt : int
        Rounds of the adaptation so far.
    walkers : WalkerRows
        One a replica.
    trail : Array, shape (n, C)
        CVs that were seen before production.
    moves : LocalMoves
    version : int
        Of the model, −1 for none.
    states : Partition or None
        None before production.
    produced : Production or None
        None before anything counts.
    totals : dict of str to float
        Counts of all production.
    missing : tuple of str
        States that were never found.
    stratum : int array, shape (R,), or None
        One for all; kept once the number of replicas has changed.
    descent : int array, shape (R,), or None
        The start that each replica comes from; None where it is the same for all.
    roster : ReplicaPool
    found : Partition or None
        States that a second look has shown, to begin counting with.
    relooks : int
        How often one has.
    arriving : bool
        Whether what is counted is still the way into equilibrium, to be left out.
    left_out : int
        Rounds of this production that were.
    """

    round: int
    phase: Phase
    adapt: int = 0
    walkers: WalkerRows
    trail: Array
    moves: Annotated[LocalMoves, FLAT]
    version: int = -1
    states: Partition | None = None
    produced: Production | None = None
    totals: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    stratum: NDArray[np.int64] | None = None
    descent: NDArray[np.int64] | None = None
    roster: Annotated[ReplicaPool, FLAT] = field(default_factory=ReplicaPool)
    found: Partition | None = None
    relooks: int = 0
    arriving: bool = False
    left_out: int = 0


S = TypeVar("S", bound=FreeState)


class FreeReplicas(ABC, Generic[S]):
    """Adapt, then count; meets `msgen.orchestrator.base.Strategy` but for `start` and `decide`.

    Parameters
    ----------
    problem : Problem
    """

    name: str
    state_type: type[S]
    adapt_rounds: ClassVar[int]
    """Rounds of the adaptation, at least."""
    arrives: ClassVar[bool] = True
    """Whether the first of what is counted is a way into equilibrium."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.spec = problem.strategy

    @abstractmethod
    def start(self) -> S:
        """See `Strategy`."""

    @abstractmethod
    def decide(self, state: S) -> StepPlan:
        """See `Strategy`."""

    def read(self, tree: Tree) -> S:
        """See `Strategy`."""
        return decode(self.state_type, tree)

    def absorb(self, state: S, segments: Sequence[Segment]) -> S:
        """See `Strategy`."""
        state = self.with_walkers(replace(state, round=state.round + 1), segments)
        if state.phase == "adapt":
            return self.adapted(state, segments)
        return self._looked_again(self._settled(state, segments))

    def adapted(self, state: S, segments: Sequence[Segment]) -> S:
        """After a round of the adaptation."""
        trail = np.concatenate([state.trail, *(s.samples["cvs"] for s in segments)])
        state = replace(
            state, moves=state.moves.with_step(segments), trail=trail, adapt=state.adapt + 1
        )
        if self.is_ready(state):
            state = replace(state, phase="produce", states=self.find_states(state))
        return state

    def counted(self, state: S, segments: Sequence[Segment]) -> S:
        """After a round of production."""
        stratum, states = self.stratum(state), self.states(state)
        ancestor = state.roster.ancestors(len(stratum))
        production = self.production(state).grown(stratum, ancestor, state.descent)
        here = state.roster.counted(len(stratum))
        return replace(
            state,
            produced=production.with_round(self.problem, states, segments, here),
            roster=state.roster.after_round(),
            totals=with_counts(state.totals, segments),
        )

    def estimate(self, state: S) -> Estimate:
        """See `Strategy`."""
        if state.phase != "produce" or state.produced is None:
            return self.estimate_before(state)
        totals = state.totals
        acceptance = {
            name: totals[f"{name}_accepted"] / totals[f"{name}_proposed"]
            for name in ("local", "global")
            if totals.get(f"{name}_proposed")
        }
        extra: dict[str, Any] = {"nonfinite": totals.get("nonfinite", 0.0)}
        if state.left_out:
            extra["rounds_left_out"] = state.left_out
        found = state.produced.estimate(
            self.problem, self.states(state), False, acceptance, extra, state.missing
        )
        return _on_the_way(found) if state.arriving else found

    def estimate_before(self, state: S) -> Estimate:
        """Before production."""
        return pre_production_estimate(self.problem, state.phase, {})

    def replicas(self, state: S) -> int:
        """See `Strategy`."""
        return len(state.roster.at_work(len(state.walkers)))

    def resize(self, state: S, replicas: int) -> S:
        """See `Strategy`: not before production has begun."""
        if state.phase != "produce":
            return state
        stratum, seed = self.stratum(state), self.problem.seed
        made = state.roster.resized(stratum, replicas, seed, state.round)
        walkers = state.walkers.take(made.parents)
        descent = None if state.descent is None else state.descent[made.parents]
        return replace(
            state, walkers=walkers, stratum=made.stratum, descent=descent, roster=made.pool
        )

    def at_hand(self, state: S) -> WalkerRows | None:
        """See `Learner`."""
        if state.phase != "produce":
            return None
        return state.walkers.take(state.roster.at_work(len(state.walkers)))

    def begin_again(self, state: S, finds: Finds) -> S:
        """See `Learner`: some replicas go on from what was found, those who rest leave."""
        here = state.roster.at_work(len(state.walkers))
        walkers = state.walkers.take(here)
        to = given_up(len(here), len(finds), len(self.states(state)))
        old = np.zeros(len(here), np.int64) if state.descent is None else state.descent[here]
        newest = int(old.max(initial=0)) + 1
        return replace(
            state,
            phase="adapt",
            adapt=0,
            walkers=finds.put_among(walkers, to),
            trail=np.concatenate([state.trail, finds.trail.reshape(-1, self.problem.dim)]),
            states=None,
            found=None,
            produced=None,
            totals={},
            missing=(),
            stratum=None,
            descent=np.where(to < 0, old, newest + to),
            roster=ReplicaPool(),
            arriving=self.arrives,
            left_out=0,
        )

    def sent_back(self, state: S, found: Partition) -> S:
        """One round from counting anew, in states that the surface has shown.

        What was counted is left: it would have to be told apart again by states it did not know.
        """
        return replace(
            self.counting_anew(state),
            phase="adapt",
            adapt=self.adapt_rounds - 1,
            states=None,
            found=found,
            relooks=state.relooks + 1,
            missing=(),
            left_out=0,
        )

    def counting_anew(self, state: S) -> S:
        """The same with nothing counted, all else as it is."""
        return replace(state, produced=None, totals={})

    # pieces

    def _settled(self, state: S, segments: Sequence[Segment]) -> S:
        """After a round of production, the way into equilibrium left out once that lies behind.

        Replicas that began in one state, or in all alike, fill the others in a time that they need
        to forget where they were, all together: they agree with each other meanwhile.
        """
        counted = self.counted(state, segments)
        made = counted.produced
        if not state.arriving or made is None or made.rounds < 2:
            return counted
        if not made.memories(self.problem) >= SETTLED:
            return counted
        # the last round alone goes on counting, so that there is an estimate always
        since = self.counted(self.counting_anew(state), segments)
        return replace(since, arriving=False, left_out=made.rounds - 1)

    def _looked_again(self, state: S) -> S:
        """The same, unless the surface shows more states than are known."""
        rounds = 0 if state.produced is None else state.produced.rounds
        found = due_look(
            self.problem,
            lambda: FreeReplicas.estimate(self, state),
            self.states(state),
            rounds,
            state.relooks,
            lambda: self.production(state).seen(np.zeros(1)),
        )
        return state if found is None else self.sent_back(state, found)

    def is_ready(self, state: S) -> bool:
        """Whether the adaptation is over."""
        return state.adapt >= self.adapt_rounds

    def find_states(self, state: S) -> Partition:
        """The named states, those of a second look, or the basins of what was seen so far."""
        named = self.problem.states()
        if named is not None:
            return named
        return self.basins(state) if state.found is None else state.found

    def basins(self, state: S) -> Partition:
        """Those of what was seen so far."""
        return states_in(self.problem, state.trail)

    def states(self, state: S) -> Partition:
        """The states of a campaign that counts.

        Raises
        ------
        ValueError
            Before production.
        """
        if state.states is None:
            raise ValueError(f"the states are not known yet in phase {state.phase}")
        return state.states

    def production(self, state: S) -> Production:
        """What was gathered, nothing yet in the first round of production."""
        if state.produced is not None:
            return state.produced
        stratum, states = self.stratum(state), self.states(state)
        ancestor = state.roster.ancestors(len(stratum))
        return Production.start(self.problem, stratum, len(states), ancestor, state.descent)

    def blocks(self, state: S) -> int:
        """Stretches of moves in an order."""
        rounds = 0 if state.produced is None else state.produced.rounds
        return BLOCKS * (1 + rounds // 4)

    def stratum(self, state: S) -> NDArray[np.int64]:
        """One for all."""
        return np.zeros(len(state.walkers), dtype=np.int64)

    def groups(self, state: S) -> list[NDArray[np.int64]]:
        """Replicas at work, those that share an order together."""
        stratum = self.stratum(state)
        return groups(self.problem, stratum, state.roster.at_work(len(stratum)))

    def first_walkers(self) -> WalkerRows:
        """Every replica in the one structure."""
        return self.problem.first_walkers().take(np.zeros(self.problem.replicas, dtype=np.int64))

    @abstractmethod
    def walkers_in(self, segment: Segment) -> WalkerRows:
        """The walkers that came back in a segment."""

    def with_walkers(self, state: S, segments: Sequence[Segment]) -> S:
        """Every replica goes on from where it ended."""
        new = [self.walkers_in(segment) for segment in segments]
        walkers = state.walkers.updated(len(state.walkers), self.groups(state), new)
        return replace(state, walkers=walkers)


def _on_the_way(found: Estimate) -> Estimate:
    """Nothing converges while what is counted is the way into equilibrium."""
    unmet = (*found.unmet, "replicas have not forgotten yet where they began")
    return replace(found, converged=False, standing=False, unmet=unmet)
