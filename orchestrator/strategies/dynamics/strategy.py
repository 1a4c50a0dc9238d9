"""Learned dynamics: gather trajectories, fit a model of them, hold what it makes beside them.

A diffusion model of whole trajectories (Petersen, Roig and Covino, DynamicsDiffusion, NeurIPS
workshop, 2023) tells no density, so nothing that it makes can be made exact. It is judged instead:
by what the simulator's own trajectories tell, which begin in exact samples of a finished campaign
and weigh what its free energies say. Where the two part most, the next ones begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder, decode, stream
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, Learnt
from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    FollowRecord,
    GenerateRecord,
)
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.estimators.dynamics.judgement import Judgement
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.allotment import allotted, goes_on
from msgen.orchestrator.strategies.dynamics.asking import Asking, tasks_of
from msgen.orchestrator.strategies.dynamics.hot_runs import HotRuns, parted, structures_of
from msgen.orchestrator.strategies.dynamics.judging import Bench
from msgen.orchestrator.strategies.dynamics.schema import Dynamics as DynamicsSection
from msgen.orchestrator.strategies.dynamics.schema import frames_of_an_order
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Gathered, Made, Verdict
from msgen.orchestrator.strategies.dynamics.stepping import Stepping, in_words, with_structures
from msgen.orchestrator.strategies.dynamics.telling import open_in_words, readings
from msgen.orchestrator.strategies.dynamics.warmed import warmed
from msgen.systems.topology.modelled_atoms import modelled_atoms

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import System

Ints = NDArray[np.int64]


def loop_of(problem: Problem, system: System, campaign: Campaign, exact: Exact) -> Dynamics:
    """That of a campaign, and of what is exact at the system's own temperature.

    Raises
    ------
    SpecError
        If exact samples are no ground for another temperature.
    """
    section, model = campaign.strategy, campaign.model
    assert isinstance(section, DynamicsSection)
    # a plug-in's model may have no longest snippet
    longest = model.length[1] if isinstance(model, TrajectoryDiffusion) else section.frames
    own = section.own_temperature(campaign)
    warm = (exact, *warmed(exact, system, own, section.others))
    generate = problem.strategy["generate"]
    asking = Asking(tasks_of(generate), generate, own, len(warm) > 1, longest, problem.seed)
    bench = Bench.of(problem, campaign, warm, (own, *section.others))
    if not isinstance(model, StepDiffusion):
        return Dynamics(problem, warm, bench, asking)
    atoms = modelled_atoms(system.topology, model.atoms, model.types, model.solute)
    bench = replace(bench, notes=(*bench.notes, *in_words(model, atoms, system.topology)))
    hot = None
    if section.hot is not None:
        hot = HotRuns(section.hot, problem, exact, section.hot.tau(own), atoms.index)
    stepping = Stepping(
        atoms,
        warm,
        bench.temperatures,
        asking.tasks,
        section.frames,
        problem.seed,
        hot,
        model.past,
    )
    return Dynamics(problem, warm, bench, asking, stepping)


class Dynamics:
    """Gather → fit → generate → judge, and again; see `DynamicsState` for what is kept.

    Parameters
    ----------
    problem : Problem
    warm : sequence of Exact
        What is exact at each temperature, the system's own first.
    bench : Bench
    asking : Asking
    stepping : Stepping or None
        Where the model is one of steps, which is rolled out.
    """

    name = "dynamics"

    def __init__(
        self,
        problem: Problem,
        warm: Sequence[Exact],
        bench: Bench,
        asking: Asking,
        stepping: Stepping | None = None,
    ) -> None:
        self.problem, self.warm, self.bench, self.asking = problem, warm, bench, asking
        self.stepping = stepping
        self.exact = warm[0]
        self.spec = problem.strategy
        self._frames = int(self.spec["frames"])
        self._steps = None if stepping is None else stepping.frames
        self._told: tuple[Made, Judgement] | None = None

    def start(self) -> DynamicsState:
        """See `Strategy`."""
        return self._begun(0, None)

    def read(self, tree: Tree) -> DynamicsState:
        """See `Strategy`."""
        return decode(DynamicsState, tree)

    def decide(self, state: DynamicsState) -> StepPlan:
        """See `Strategy`."""
        models = {} if state.model is None else {state.version: state.model}
        if state.phase != "produce":
            return StepPlan(state.phase, ())
        make = {"gather": self._follow, "fit": self._fit, "generate": self._generate}[state.doing]
        return StepPlan("produce", make(state), (), models)

    def absorb(self, state: DynamicsState, segments: Sequence[Segment]) -> DynamicsState:
        """See `Strategy`."""
        state = replace(state, round=state.round + 1)
        if state.doing == "gather":
            return self._gathered(state, segments)
        if state.doing == "fit":
            (record,) = (s.read(FitRecord) for s in segments)
            return replace(state, doing="generate", version=state.version + 1, model=record.model)
        state = self.judged(state, segments)
        return self.after(state, on=goes_on(state.verdicts))

    def judged(self, state: DynamicsState, segments: Sequence[Segment]) -> DynamicsState:
        """With what the model has made, and the verdict on it."""
        if self.stepping is not None:
            made = self.stepping.made(segments)
        else:
            records = [s.read(GenerateRecord) for s in segments]
            made = tuple(
                self._made(state, [r for r in records if r.task == task], free=task == 0)
                for task in range(len(self.asking.tasks))
            )
        verdicts = (*state.verdicts, self.bench.verdict(state, made[0]))
        return replace(state, made=made, verdicts=verdicts)

    def after(self, state: DynamicsState, *, on: bool) -> DynamicsState:
        """What follows a verdict: the next cycle, where it is to go on and there is one."""
        if not on:
            return replace(state, phase="done")
        if len(state.verdicts) >= int(self.spec["cycles"]):
            return replace(state, phase="exhausted")
        begun = self._begun(state.round, state.verdicts[-1])
        return replace(
            state,
            doing="gather",
            walkers=begun.walkers,
            start=begun.start,
            temperature=begun.temperature,
            under_way=begun.under_way,
        )

    def estimate(self, state: DynamicsState) -> Estimate:
        """See `Strategy`: that of the exact run, and what is open here."""
        lacking = [f"no trajectory begins in {name}" for name in self.exact.missing]
        return replace(
            self.exact.estimate,
            diagnostics={
                "exact_run": dict(self.exact.estimate.diagnostics),
                "dynamics": self.readings(state),
            },
            converged=False,
            unmet=(open_in_words(state), *lacking, *self.exact.estimate.unmet),
            standing=False,
            dynamics=self._judgement(state) if state.just_judged else None,
        )

    def readings(self, state: DynamicsState) -> dict[str, float]:
        """Numbers of the last verdict, by what they are."""
        return readings(state, self.exact.states.names, self._steps)

    def learnt(self, state: DynamicsState) -> Learnt:
        """What a fit to steps has of this molecule."""
        assert self.stepping is not None
        return self.stepping.learnt(state, self.bench.weights(state.starts, state.temperatures))

    def replicas(self, state: DynamicsState) -> int:
        """See `Strategy`."""
        return self.problem.replicas

    def resize(self, state: DynamicsState, replicas: int) -> DynamicsState:
        """See `Strategy`: they stay as many as they are."""
        return state

    # orders

    def _follow(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        stride = self.problem.stride
        each = frames_of_an_order(stride, int(self.spec["local"]["steps"]))
        frames = min(each, self._frames - state.under_way.shape[1])
        atoms = None if self.stepping is None else self.stepping.atoms.index

        def payload(group: Ints) -> FollowPayload:
            at = int(state.temperature[group[0]])
            temperature = float(self.bench.temperatures[at]) if at else None
            mine = (state.walkers.take(group), group, state.start[group])
            return FollowPayload(*mine, frames, stride, temperature, atoms)

        orders = tuple(
            WorkOrder.of(
                state.round,
                payload(group),
                number,
                cost_hint=float(frames * stride * len(group)),
            )
            for number, group in enumerate(groups(self.problem, state.temperature))
        )
        begins = not state.under_way.shape[1]
        hot = None if self.stepping is None or not begins else self.stepping.hot
        return orders if hot is None else (*orders, *hot.orders(state.round))

    def _fit(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        at = state.temperatures
        payload: FitTrajectoriesPayload | FitStepsPayload
        if self.stepping is not None:
            payload = FitStepsPayload(self.learnt(state))
        else:
            weights = self.bench.weights(state.starts, at)
            about = self.bench.temperatures[at][:, None] if self.asking.conditional else None
            payload = FitTrajectoriesPayload(state.frames, weights, self.problem.periodic, about)
        version = state.version
        return (WorkOrder.of(state.round, payload, model_version=version, cost_hint=1e3),)

    def _generate(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        if self.stepping is not None:
            weights = self.bench.weights(state.starts, state.temperatures)
            return self.stepping.orders(state, weights)
        return self.asking.orders(state, self.bench.simulated(state))

    # what becomes of their segments

    def _gathered(self, state: DynamicsState, segments: Sequence[Segment]) -> DynamicsState:
        ids, dim = groups(self.problem, state.temperature), self.problem.dim
        segments, of_hot = parted(segments)
        records = [s.read(FollowRecord) for s in segments]
        read = [
            s.samples["cvs"].reshape(len(group), -1, dim)
            for s, group in zip(segments, ids, strict=True)
        ]
        frames = np.concatenate([state.under_way, np.concatenate(read)], axis=1)
        structures = with_structures(state.structures, [r.structures for r in records])
        walkers = state.walkers.updated(len(state.walkers), ids, [r.walkers for r in records])
        state = replace(state, walkers=walkers, under_way=frames, structures=structures)
        if of_hot:
            state = replace(state, hot=structures_of(of_hot))
        if frames.shape[1] < self._frames:
            return state
        sound = np.asarray(np.isfinite(frames).all(axis=(1, 2)))
        kept = None if structures is None else structures[sound]
        more = Gathered(
            frames[sound], state.start[sound], state.temperature[sound], kept, state.hot
        )
        return replace(
            state,
            doing="fit",
            gathered=(*state.gathered, more),
            under_way=frames[:, :0],
            structures=None,
            hot=None,
            lost=state.lost + int((~sound).sum()),
        )

    def _made(self, state: DynamicsState, records: Sequence[GenerateRecord], *, free: bool) -> Made:
        """What came of one task, without the broken ones."""
        if not records:
            return Made(np.zeros((0, 1, self.problem.dim)), 0)
        paths = np.concatenate([r.paths for r in records])
        whole = np.concatenate([r.whole for r in records])
        if not free:
            whole = whole & self.bench.simulated(state).without_skips(paths)
        return Made(paths[whole], int((~whole).sum()), records[0].varied)

    def _begun(self, rnd: int, verdict: Verdict | None) -> DynamicsState:
        """New trajectories, more of them where the last ones were worst."""
        problem = self.problem
        worst = None if verdict is None else verdict.regions
        parts = np.array_split(np.arange(problem.replicas), len(self.warm))
        names, begin = self.bench.states.names, self.spec["begin"]
        first = np.isin(names, begin) if verdict is None and begin else np.ones(len(names), bool)
        number = [
            allotted(len(part), self._open_at(one, first), worst)
            for part, one in zip(parts, self.warm, strict=True)
        ]
        states = len(self.bench.states)
        positions = [
            exact.drawn(k, n, stream(problem.seed, (rnd, "start", k + t * states)))
            for t, (exact, mine) in enumerate(zip(self.warm, number, strict=True))
            for k, n in enumerate(mine.tolist())
            if n
        ]
        box = problem.start.box
        boxes = None if box is None else np.repeat(box, problem.replicas, axis=0)
        return DynamicsState(
            round=rnd,
            walkers=WalkerRows(np.concatenate(positions), box=boxes),
            start=np.concatenate([np.repeat(np.arange(states), mine) for mine in number]),
            temperature=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            under_way=np.zeros((problem.replicas, 0, problem.dim)),
        )

    def _open_at(self, exact: Exact, first: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """States to begin in: those asked for, or all where none of them was ever seen."""
        there = exact.share > 0
        return there & first if (there & first).any() else there

    # what is told

    def _judgement(self, state: DynamicsState) -> Judgement | None:
        """All that there is to tell, computed once: it is asked for by round and by resume."""
        if not state.made or not len(state.made[0].paths):
            return None
        made = state.made[0]
        if self._told is None or not np.array_equal(self._told[0].paths, made.paths):
            past = None if self.stepping is None else self.stepping.past
            self._told = (made, self.bench.judgement(state, self.asking, past=past))
        return self._told[1]
