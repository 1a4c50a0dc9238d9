"""Strategies inside one campaign, one of them a round: whichever has the fewest evaluations to go.

Each is as it would be alone: a state of its own, rounds and model versions of its own, random
streams keyed by its name (`msgen.actors.nest.Nest`), probes and looks of its own. The result is
that of the one that is chosen, and what others add to it where their errors are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from msgen.actors.base import Segment, Tree, bare, copy_tree, decode, encode
from msgen.actors.nest import Nest
from msgen.actors.orders.explore import ExplorePayload
from msgen.orchestrator.base import Estimate, StepPlan, Strategy
from msgen.orchestrator.convergence.errors import error_sizes
from msgen.orchestrator.convergence.looks import Looks
from msgen.orchestrator.estimates import SurfaceEstimate
from msgen.orchestrator.forecast import Least
from msgen.orchestrator.strategies.auto.choice import Standing, choose
from msgen.orchestrator.strategies.auto.combining import Combined
from msgen.orchestrator.strategies.auto.projection import planned, to_go
from msgen.orchestrator.strategies.auto.state import AutoState, Course
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.probing.strategy import Probing

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import System


@dataclass(frozen=True, eq=False)
class Candidate:
    """A strategy that can be tried.

    Attributes
    ----------
    strategy : Strategy
    least : Least
        What it takes at the least, by its section.
    lag : int
        Its fits of round r are absorbed with round r + lag.
    """

    strategy: Strategy[Any]
    least: Least
    lag: int


def auto_of(problem: Problem, system: System, campaign: Campaign) -> AutoStrategy:
    """The strategy of a campaign whose strategies to try are named."""
    made = dict[str, Candidate]()
    for name, one in campaign.strategy.nested(campaign).items():
        own = replace(
            problem,
            strategy=one.spec_strategy(),
            replicas=one.first_replicas,
            seed=one.seed,
            stride=one.stride,
        )
        strategy = Probing(own, one.strategy_kind.build(own, system, one))
        lag = int(own.strategy.get("lag", 1))
        made[name] = Candidate(strategy, Least.of(one), lag)
    return AutoStrategy(problem, made)


class AutoStrategy:
    """Meets `msgen.orchestrator.base.Strategy`.

    Parameters
    ----------
    problem : Problem
    candidates : Mapping of str to Candidate
        In the order in which equals are taken.
    """

    name = "auto"

    def __init__(self, problem: Problem, candidates: Mapping[str, Candidate]) -> None:
        self.problem = problem
        self._candidates = dict(candidates)
        self._nest = Nest(tuple(candidates))
        self._share = float(problem.strategy["trials"])
        self._known: dict[str, tuple[Looks, Estimate]] = {}

    def start(self) -> AutoState:
        """See `Strategy`."""
        first = choose({n: self._standing(n, None) for n in self._candidates}, "", self._share)
        return AutoState(0, first.turn)

    def read(self, tree: Tree) -> AutoState:
        """See `Strategy`."""
        return decode(AutoState, tree)

    def decide(self, state: AutoState) -> StepPlan:
        """See `Strategy`: the orders of the one whose turn it is, under names of its own."""
        name, rnd, nest = state.turn, state.round, self._nest
        plan = self._candidates[name].strategy.decide(self._inner(name, state.courses.get(name)))
        return replace(
            plan,
            orders=tuple(nest.handed_on(name, order, rnd) for order in plan.orders),
            fits=tuple(nest.handed_on(name, order, rnd) for order in plan.fits),
            models={nest.version(name, v): model for v, model in plan.models.items()},
        )

    def absorb(self, state: AutoState, segments: Sequence[Segment]) -> AutoState:
        """See `Strategy`."""
        name, courses = state.turn, dict(state.courses)
        for late in (s for s in segments if s.key[0] < state.round):
            # of the round before, whoever's that was
            whose = self._nest.name_of(late.key[1])
            course, lag = courses[whose], self._candidates[whose].lag
            own = self._nest.taken_back(late, course.round - 1)
            courses[whose] = course.with_late(own, lag)
        now = [s for s in segments if s.key[0] == state.round]
        alike = self._searching_alike(name, courses, now)
        courses[name] = self._absorbed(name, courses.get(name), now)
        courses |= {n: self._absorbed(n, courses.get(n), now, given=True) for n in alike}
        each = {n: self._standing(n, courses.get(n)) for n in self._candidates}
        found = choose(each, state.chosen, self._share)
        why = found.why if found.chosen != state.chosen or not state.why else state.why
        return AutoState(state.round + 1, found.turn, found.chosen, why, courses)

    def estimate(self, state: AutoState) -> Estimate:
        """See `Strategy`: that of the chosen one, with what others add."""
        chosen = state.chosen
        found = self._judged(chosen, state.courses[chosen])
        combined = Combined(found, (chosen,), ())
        if self._adds(state.courses[chosen], found):
            others = {
                name: self._judged(name, course)
                for name, course in state.courses.items()
                if name != chosen and self._adds(course, found)
            }
            alike = {n: e for n, e in others.items() if e.regions == found.regions}
            combined = Combined.of({chosen: found, **alike})
        told = self._told(found, combined)
        choice = {
            "kind": chosen,
            "why": state.why,
            "said": f"strategy {chosen}: {state.why}",
            "evaluations": {name: course.spent for name, course in state.courses.items()},
            "to_go": {name: round(course.to_go) for name, course in state.courses.items()},
            "joined": list(combined.names),
        }
        return replace(told, diagnostics={**told.diagnostics, "choice": choice}, looked=True)

    def replicas(self, state: AutoState) -> int:
        """See `Strategy`."""
        name = state.turn
        inner = self._inner(name, state.courses.get(name))
        return self._candidates[name].strategy.replicas(inner)

    def resize(self, state: AutoState, replicas: int) -> AutoState:
        """See `Strategy`: never, as replicas are another thing for each."""
        return state

    # pieces

    def _inner(self, name: str, course: Course | None) -> Any:
        strategy = self._candidates[name].strategy
        return strategy.start() if course is None else strategy.read(course.state)

    def _searching_alike(
        self, name: str, courses: Mapping[str, Course], segments: Sequence[Segment]
    ) -> list[str]:
        """Who else would send out the very orders of this search for states.

        A search starts chains and enters no estimate, so that one serves all.
        """
        if any(bare(segment.key[1]) != ExplorePayload.kind for segment in segments):
            return []
        mine = self._candidates[name].strategy.decide(self._inner(name, courses.get(name))).orders
        out = []
        for other, candidate in self._candidates.items():
            course = courses.get(other)
            if other == name or (course is not None and course.spent):
                continue
            theirs = candidate.strategy.decide(self._inner(other, course)).orders
            if _equal([encode(o.payload) for o in mine], [encode(o.payload) for o in theirs]):
                out.append(other)
        return out

    def _absorbed(
        self,
        name: str,
        course: Course | None,
        segments: Sequence[Segment],
        *,
        given: bool = False,
    ) -> Course:
        """After a round of one strategy, or one that another has made for it."""
        strategy = self._candidates[name].strategy
        inner = self._inner(name, course)
        course = course or Course({})
        rnd = course.round
        mine = [self._nest.taken_back(segment, rnd) for segment in segments]
        mine += [fit.segment for fit in course.fits if fit.due <= rnd]
        after = strategy.absorb(inner, sorted(mine, key=lambda segment: segment.key))
        last = sum(segment.evaluations for segment in segments)
        course = replace(
            course,
            # as it would be read back from the disk, so that whoever resumes chooses the same
            state=copy_tree(encode(after)),
            round=rnd + 1,
            spent=course.spent + (0 if given else last),
            given=course.given + (last if given else 0),
            before=course.looks,
            last=last,
            fits=tuple(fit for fit in course.fits if fit.due > rnd),
        )
        found = strategy.estimate(strategy.read(course.state))
        looks, judged = course.before.judged(found, last)
        self._known[name] = looks, judged
        counts = judged.extent is not None
        if counts:
            left = to_go(judged, looks, self._sizes(judged), self.problem.criteria)
        else:
            left = planned(self._candidates[name].least, course.spent + course.given)
        sizes = {text for one in self._sizes(judged) for text in one.unmet(self.problem.criteria)}
        return replace(
            course,
            looks=looks,
            to_go=left,
            counts=counts,
            sound=counts and not judged.ungrounded and not set(judged.unmet) - sizes,
        )

    def _judged(self, name: str, course: Course) -> Estimate:
        """What a strategy estimates, held against its looks."""
        known = self._known.get(name)
        if known is not None and course.counts and _same(known[0], course.looks):
            return known[1]
        found = self._candidates[name].strategy.estimate(self._inner(name, course))
        judged = course.before.judged(found, course.last)[1]
        self._known[name] = course.looks, judged
        return judged

    def _standing(self, name: str, course: Course | None) -> Standing:
        least = self._candidates[name].least
        if course is None:
            return Standing(0, planned(least, 0), False, float(least.first_estimate))
        trial = float(least.first_estimate - course.spent - course.given)
        trial = max(trial, float(course.last if course.spent else least.stretch))
        return Standing(course.spent, course.to_go, course.counts, trial)

    def _adds(self, course: Course, found: Estimate) -> bool:
        """Whether its free energies may be joined with others': states are the same ones."""
        alike = self.problem.boxes is not None or bool(found.regions)
        return course.sound and alike

    def _told(self, found: Estimate, combined: Combined) -> Estimate:
        """The joined result, whose own errors are what `converge:` asks about."""
        asked, made = self.problem.criteria, combined.estimate
        before = [text for one in self._sizes(found) for text in one.unmet(asked)]
        after = [text for one in self._sizes(made) for text in one.unmet(asked)]
        rest = [text for text in found.unmet if text not in before]
        unmet = (*combined.differ, *after, *rest)
        return replace(made, unmet=unmet, converged=found.extent is not None and not unmet)

    def _sizes(self, found: Estimate) -> Sequence[Any]:
        surfaces = found.surfaces or (SurfaceEstimate(found.axes, found.f_kT, found.stderr_kT),)
        return error_sizes(found.states, surfaces, named=bool(self.problem.surfaces))


def _equal(one: Any, other: Any) -> bool:
    """Whether two trees hold the same."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def _same(one: Looks, other: Looks) -> bool:
    """Whether these are looks at the same production: its free energies tell it apart."""
    if one.rounds != other.rounds or len(one.kept) != len(other.kept) or not one.kept:
        return False
    a, b = one.kept[-1], other.kept[-1]
    return all(np.array_equal(x, y, equal_nan=True) for x, y in ((a.f, b.f), (a.stderr, b.stderr)))
