"""One model of the steps of several molecules, each gathered and judged by itself.

Every molecule has a loop of its own (`Dynamics`), with its own exact run, states and random
streams, and all are in step: they gather, one fit has the pairs of those that are to be learnt, and
each is rolled out and held beside its own simulator. Orders of another molecule go under its name,
kind ``ethane.trajectory`` for ``trajectory``; a worker does them with that molecule's system and
CVs, and the store keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from msgen.actors.base import Segment, Tree, WorkOrder, decode
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, Learnt
from msgen.actors.orders.trajectories import FollowPayload
from msgen.orchestrator.base import Estimate, Phase, StepPlan
from msgen.orchestrator.estimators.dynamics.judgement import MadeReading
from msgen.orchestrator.strategies.dynamics.allotment import goes_on
from msgen.orchestrator.strategies.dynamics.state import DynamicsState
from msgen.orchestrator.strategies.dynamics.strategy import Dynamics
from msgen.orchestrator.strategies.dynamics.telling import open_in_words


@dataclass(frozen=True)
class SeveralState:
    """What is kept between rounds.

    Attributes
    ----------
    round : int
    own : DynamicsState
        Of the campaign's own molecule, and the model.
    beside : tuple of DynamicsState
        Of the others, in their order; without the model.
    """

    round: int
    own: DynamicsState
    beside: tuple[DynamicsState, ...]

    @property
    def phase(self) -> Phase:
        """That of the campaign."""
        return self.own.phase


class SeveralMolecules:
    """Meets `msgen.orchestrator.base.Strategy`.

    Parameters
    ----------
    own : Dynamics
    beside : Mapping of str to Dynamics
    learnt : frozenset of str
        Which of them the model learns; '' is the campaign's own.
    """

    name = "dynamics"

    def __init__(
        self, own: Dynamics, beside: Mapping[str, Dynamics], learnt: frozenset[str]
    ) -> None:
        self.own, self.beside, self.learnt = own, dict(beside), learnt
        self.problem = own.problem
        self._loops = {"": own, **self.beside}

    def start(self) -> SeveralState:
        """See `Strategy`."""
        return SeveralState(
            0, self.own.start(), tuple(loop.start() for loop in self.beside.values())
        )

    def read(self, tree: Tree) -> SeveralState:
        """See `Strategy`."""
        return decode(SeveralState, tree)

    def decide(self, state: SeveralState) -> StepPlan:
        """See `Strategy`."""
        plan = self.own.decide(state.own)
        if plan.phase != "produce":
            return plan
        if state.own.doing == "fit":
            fit = WorkOrder.of(
                state.round,
                self._learnt(state),
                model_version=state.own.version,
                cost_hint=1e3,
            )
            return replace(plan, orders=(fit,))
        more = [
            replace(order, kind=f"{name}.{order.kind}")
            for (name, loop), its in zip(self.beside.items(), state.beside, strict=True)
            for order in loop.decide(its).orders
        ]
        return replace(plan, orders=(*plan.orders, *more))

    def absorb(self, state: SeveralState, segments: Sequence[Segment]) -> SeveralState:
        """See `Strategy`."""
        rnd, doing = state.round + 1, state.own.doing
        if doing == "fit":
            own = self.own.absorb(state.own, segments)
            (record,) = (s.read(FitRecord) for s in segments)
            assert record.model is not None
            fitted = (
                replace(its, round=rnd, doing="generate", version=own.version)
                for its in state.beside
            )
            return SeveralState(rnd, own, tuple(fitted))
        states = [
            loop.judged(replace(its, round=rnd), mine)
            if doing == "generate"
            else loop.absorb(its, mine)
            for its, mine, loop in self._parted(state, segments)
        ]
        if doing == "generate":
            on = any(goes_on(its.verdicts) for its in states)
            pairs = zip(self._loops.values(), states, strict=True)
            states = [loop.after(its, on=on) for loop, its in pairs]
        return SeveralState(rnd, states[0], tuple(states[1:]))

    def estimate(self, state: SeveralState) -> Estimate:
        """See `Strategy`: that of the campaign's own molecule, and what is open of the others."""
        told = self.own.estimate(state.own)
        readings, made, open_ = dict(told.diagnostics["dynamics"]), list[MadeReading](), []
        units = dict[str, str]()
        for (name, loop), its in zip(self.beside.items(), state.beside, strict=True):
            readings |= {f"{name}.{key}": value for key, value in loop.readings(its).items()}
            open_.append(f"{name}: {open_in_words(its)}")
            if told.dynamics is not None and its.made and loop.stepping is not None:
                unseen = "" if name in self.learnt else ", which the model has not seen"
                bench = loop.bench.of_molecule(name)
                made.append(bench.in_brief(f"of {name}{unseen}", its, loop.stepping.past))
                units |= dict(zip(bench.names, bench.units, strict=True))
        judged = told.dynamics
        if judged is not None:
            notes = [] if "" in self.learnt else ["the model has not seen this molecule"]
            judged = replace(
                judged,
                units={**judged.units, **units},
                made=(*judged.made, *made),
                notes=(*judged.notes, *notes),
            )
        return replace(
            told,
            diagnostics={**told.diagnostics, "dynamics": readings},
            unmet=(*told.unmet[:1], *open_, *told.unmet[1:]),
            dynamics=judged,
        )

    def replicas(self, state: SeveralState) -> int:
        """See `Strategy`: of each molecule."""
        return self.own.replicas(state.own)

    def resize(self, state: SeveralState, replicas: int) -> SeveralState:
        """See `Strategy`: they stay as many as they are."""
        return state

    def _learnt(self, state: SeveralState) -> FitStepsPayload:
        """Pairs of those that are to be learnt; each pair weighs one in the mean."""
        own = self.own.learnt(state.own) if "" in self.learnt else None
        others = [
            _with_species(loop, loop.learnt(its))
            for (name, loop), its in zip(self.beside.items(), state.beside, strict=True)
            if name in self.learnt
        ]
        return FitStepsPayload(own, tuple(others))

    def _parted(
        self, state: SeveralState, segments: Sequence[Segment]
    ) -> Iterator[tuple[DynamicsState, list[Segment], Dynamics]]:
        """Each molecule's state, what came back of its orders under their own kinds, its loop."""
        states = (state.own, *state.beside)
        for (name, loop), its in zip(self._loops.items(), states, strict=True):
            mine = []
            for segment in segments:
                rnd, kind, replica = segment.key
                whose, _, bare = kind.rpartition(".")
                if whose == name:
                    mine.append(_as_own(replace(segment, key=(rnd, bare, replica))))
            yield its, mine, loop


def _as_own(segment: Segment) -> Segment:
    """With the CVs of trajectories called as its loop knows them."""
    if segment.key[1] != FollowPayload.kind or "cvs" in segment.samples:
        return segment
    samples = dict(segment.samples)
    return replace(segment, samples={"cvs": samples.pop("frames"), **samples})


def _with_species(loop: Dynamics, learnt: Learnt) -> Learnt:
    assert loop.stepping is not None
    return replace(learnt, species=loop.stepping.atoms.species)
