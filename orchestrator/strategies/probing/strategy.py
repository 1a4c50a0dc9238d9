"""Any strategy with probes beside its production.

A strategy knows what its walkers have seen, and a model what it was taught: that they agree says
nothing of a basin that none of them has met. A share of the evaluations goes to probes that owe
nothing to either (`msgen.actors.roles.prober`). Where one comes to rest is compared with what
production covers, in the CVs and in what is watched beside them; one that stays outside for longer
has found a basin, and the strategy begins again with walkers there. What none has found is bounded
(`msgen.orchestrator.estimators.completeness.unseen`).

The orders of the strategy are as they would be without: probes are orders of a kind of their own,
whose streams are keyed by it, and nothing of them reaches the strategy unless a basin is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from msgen.actors.base import Segment, Tree, decode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.probe import ProbePayload
from msgen.orchestrator.base import Estimate, StepPlan, Strategy
from msgen.orchestrator.convergence.completeness import Completeness, Missed
from msgen.orchestrator.estimators.completeness.region import Region
from msgen.orchestrator.estimators.completeness.unseen import Unseen
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.second_look import merged_states
from msgen.orchestrator.strategies.probing.base import Learner, OfStates, Proposes
from msgen.orchestrator.strategies.probing.judgement import (
    came_back,
    features_of,
    found,
    judged,
    looked_again,
    proposed,
    unvisited,
)
from msgen.orchestrator.strategies.probing.orders import again_orders, again_parts, fresh_orders
from msgen.orchestrator.strategies.probing.state import ProbedState, Probes, Visits

S = TypeVar("S")

MOST_RETURNS = 4
"""How often a campaign goes back because probes have found a basin; later ones are only told, for
as long as they are stayed in."""
UNTAUGHT = "this strategy cannot learn what probes find, and none are made"
UNWATCHED = "its roles tell nothing to compare probes with"


class Probing(Generic[S]):
    """A strategy and its probes; meets `msgen.orchestrator.base.Strategy`.

    Parameters
    ----------
    problem : Problem
    strategy : Strategy
        Probed if it is a `Learner`; else it runs as it would, and that none were made is told.
    """

    def __init__(self, problem: Problem, strategy: Strategy[S]) -> None:
        self.problem = problem
        self.strategy = strategy
        self.name = strategy.name
        self._features = features_of(problem)
        self._learner: Learner[S] | None = strategy if isinstance(strategy, Learner) else None

    def start(self) -> ProbedState[S]:
        """See `Strategy`."""
        return ProbedState(0, self.strategy.start(), Probes())

    def read(self, tree: Tree) -> ProbedState[S]:
        """See `Strategy`; a state of before anything was probed is that of the strategy alone."""
        if tree.keys() != {"round", "strategy", "probes"}:
            return ProbedState(int(tree["round"]), self.strategy.read(tree), Probes())
        inner = self.strategy.read(tree["strategy"])
        return ProbedState(int(tree["round"]), inner, decode(Probes, tree["probes"]))

    def decide(self, state: ProbedState[S]) -> StepPlan:
        """See `Strategy`: the strategy's own orders, and probes while it produces."""
        plan = self.strategy.decide(state.strategy)
        if plan.phase != "produce" or self._learner is None:
            return plan
        walkers = self._learner.at_hand(state.strategy)
        if walkers is None or self.problem.criteria.unseen is None or state.probes.blind:
            return plan
        proposal = None
        if isinstance(self.strategy, Proposes):
            proposal = self.strategy.proposal(state.strategy)
        again = again_orders(self.problem, state.round, state.probes, walkers, proposal)
        fresh = fresh_orders(self.problem, state.round, state.probes, walkers, len(again))
        return replace(plan, orders=(*plan.orders, *again, *fresh))

    def absorb(self, state: ProbedState[S], segments: Sequence[Segment]) -> ProbedState[S]:
        """See `Strategy`."""
        kind = ProbePayload.kind
        rest = [s for s in segments if s.key[1] != kind]
        mine = sorted((s for s in segments if s.key[1] == kind), key=lambda s: s.key[2])
        counted = self._learner is not None and self._learner.at_hand(state.strategy) is not None
        inner = self.strategy.absorb(state.strategy, rest)
        probes = state.probes.after(segments)
        if self._learner is None or self.problem.criteria.unseen is None:
            return ProbedState(state.round + 1, inner, probes)
        if self._learner.at_hand(inner) is None:
            # it has gone back by itself, or nothing counts yet
            probes = replace(probes, visits=Visits(), waiting=())
        elif counted:
            visits = probes.visits.with_round(self._features, rest)
            probes = replace(probes, visits=visits, blind=not len(visits.rows))
        if mine or probes.waiting:
            region = probes.visits.region(self._features)
            probes = proposed(judged(self._looked(state, probes, mine, region), region))
        if probes.returns >= MOST_RETURNS:
            # they go on waiting: one that comes away in time weighed next to nothing
            return ProbedState(state.round + 1, inner, probes)
        probes, finds = found(self._features, probes)
        if finds is not None:
            inner = self._learner.begin_again(inner, finds)
            probes = replace(probes, visits=Visits(), waiting=(), returns=probes.returns + 1)
        return ProbedState(state.round + 1, inner, probes)

    def estimate(self, state: ProbedState[S]) -> Estimate:
        """See `Strategy`; with what the probes say."""
        inner = state.strategy
        states = inner.states if isinstance(inner, OfStates) else None
        out = with_warnings(self.problem, self.strategy.estimate(inner), states)
        told = self._completeness(state.probes)
        asked = self.problem.criteria
        if asked.unseen is None:
            return out
        open_ = told.unmet(asked)
        about: dict[str, Any] = {**out.diagnostics, "probes": told.diagnostics(asked)}
        return replace(
            out,
            diagnostics=about,
            unmet=(*open_, *out.unmet),
            converged=out.converged and not open_,
            # a basin that is missed takes away what has held; the bound on others only falls
            standing=out.standing and not told.missed,
        )

    def replicas(self, state: ProbedState[S]) -> int:
        """See `Strategy`."""
        return self.strategy.replicas(state.strategy)

    def resize(self, state: ProbedState[S], replicas: int) -> ProbedState[S]:
        """See `Strategy`."""
        return replace(state, strategy=self.strategy.resize(state.strategy, replicas))

    def _looked(
        self,
        state: ProbedState[S],
        probes: Probes,
        segments: Sequence[Segment],
        region: Region | None,
    ) -> Probes:
        """With the probes of a round."""
        parts = again_parts(self.problem, state.probes) if segments else []
        again, fresh = segments[: len(parts)], segments[len(parts) :]
        if probes.waiting and segments:
            probes = looked_again(self._features, probes, parts, again)
        return came_back(self.problem, self._features, probes, fresh, region)

    def _completeness(self, probes: Probes) -> Completeness:
        region = None
        if probes.waiting or not all(b.learnt for b in probes.basins):
            region = probes.visits.region(self._features)
        alone = [Missed(b.place, b.times) for b in unvisited(probes, region)]
        if region is not None:
            alone += [Missed(one.place(self._features), one.times) for one in probes.waiting]
        caught = [b.times for b in probes.basins]
        caught += [one.times for one in probes.waiting if one.stayed]
        left_out = UNTAUGHT if self._learner is None else None
        if probes.blind:
            left_out = UNWATCHED
        return Completeness(
            Unseen.of(probes.made, caught),
            alone,
            [Missed(b.place, b.times) for b in probes.basins if b.learnt],
            {
                "evaluations": probes.spent,
                "share": probes.spent / probes.of if probes.of else 0.0,
                "broken": probes.broken,
                "too_high": probes.high,
                "proposed": probes.proposed,
                "released": probes.released,
                "isomers_left_out": dict(probes.isomers),
                "returns": probes.returns,
            },
            left_out,
        )


def with_warnings(problem: Problem, out: Estimate, states: Partition | None) -> Estimate:
    """And, where it has converged, what its surface shows that its states do not.

    Always, what has no equilibrium that could be looked at, and of which isomer the answer is.
    """
    said = merged_states(problem, out, states) if out.converged else []
    if problem.unwatched:
        what = "the energy confines it nowhere: it has no equilibrium, and is not watched"
        said = [*said, *(f"{name}: {what}" for name in problem.unwatched)]
    if not problem.any_isomer:
        what = "is cis in the structure given, so that the answer is for this isomer alone"
        said = [*said, *(f"{name} {what}" for name in problem.cis)]
    if not said:
        return out
    before = out.diagnostics.get("warnings", ())
    return replace(out, diagnostics={**out.diagnostics, "warnings": [*before, *said]})
