"""Learned dynamics: gather trajectories, fit a model of them, hold what it makes beside them.

A diffusion model of whole trajectories (Petersen, Roig and Covino, DynamicsDiffusion, NeurIPS
workshop, 2023) tells no density, so nothing that it makes can be made exact. It is judged instead:
by what the simulator's own trajectories tell, which begin in exact samples of a finished campaign
and weigh what its free energies say. Where the two part most, the next ones begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder, decode, stream
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    FollowRecord,
    GeneratePayload,
    GenerateRecord,
)
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.trajectories.generation import ROWS
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.estimators.dynamics.judgement import Judgement
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.allotment import allotted, goes_on
from msgen.orchestrator.strategies.dynamics.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.judging import Bench
from msgen.orchestrator.strategies.dynamics.schema import frames_of_an_order
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Gathered, Made, Verdict

Ints = NDArray[np.int64]


class Dynamics:
    """Gather → fit → generate → judge, and again; see `DynamicsState` for what is kept.

    Parameters
    ----------
    problem : Problem
    exact : Exact
    bench : Bench
    """

    name = "dynamics"

    def __init__(self, problem: Problem, exact: Exact, bench: Bench) -> None:
        self.problem, self.exact, self.bench = problem, exact, bench
        self.spec = problem.strategy
        self._frames = int(self.spec["frames"])
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
        return self._judged(state, segments)

    def estimate(self, state: DynamicsState) -> Estimate:
        """See `Strategy`: that of the exact run, and what is open here."""
        lacking = [f"no trajectory begins in {name}" for name in self.exact.missing]
        return replace(
            self.exact.estimate,
            diagnostics={
                "exact_run": dict(self.exact.estimate.diagnostics),
                "dynamics": self._readings(state),
            },
            converged=False,
            unmet=(self._open(state), *lacking, *self.exact.estimate.unmet),
            standing=False,
            dynamics=self._judgement(state) if state.just_judged else None,
        )

    def replicas(self, state: DynamicsState) -> int:
        """See `Strategy`."""
        return self.problem.replicas

    def resize(self, state: DynamicsState, replicas: int) -> DynamicsState:
        """See `Strategy`: they stay as many as they are."""
        return state

    # orders

    def _follow(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        problem = self.problem
        each = frames_of_an_order(problem.stride, int(self.spec["local"]["steps"]))
        frames = min(each, self._frames - state.under_way.shape[1])
        return tuple(
            WorkOrder.of(
                state.round,
                FollowPayload(
                    state.walkers.take(group), group, state.start[group], frames, problem.stride
                ),
                number,
                cost_hint=float(frames * problem.stride * len(group)),
            )
            for number, group in enumerate(self._groups)
        )

    def _fit(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        weights = self.bench.weights(state.starts)
        payload = FitTrajectoriesPayload(state.frames, weights, self.problem.periodic)
        version = state.version
        return (WorkOrder.of(state.round, payload, model_version=version, cost_hint=1e3),)

    def _generate(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        number = int(self.spec["generate"]["free"])
        return tuple(
            WorkOrder.of(
                state.round,
                GeneratePayload(first, min(ROWS, number - first), len(state.verdicts)),
                i,
                model_version=state.version,
                cost_hint=1e3,
            )
            for i, first in enumerate(range(0, number, ROWS))
        )

    @property
    def _groups(self) -> list[Ints]:
        return groups(self.problem, np.zeros(self.problem.replicas, dtype=np.int64))

    # what becomes of their segments

    def _gathered(self, state: DynamicsState, segments: Sequence[Segment]) -> DynamicsState:
        ids, dim = self._groups, self.problem.dim
        new = [s.read(FollowRecord).walkers for s in segments]
        read = [
            s.samples["cvs"].reshape(len(group), -1, dim)
            for s, group in zip(segments, ids, strict=True)
        ]
        frames = np.concatenate([state.under_way, np.concatenate(read)], axis=1)
        walkers = state.walkers.updated(len(state.walkers), ids, new)
        state = replace(state, walkers=walkers, under_way=frames)
        if frames.shape[1] < self._frames:
            return state
        sound = np.asarray(np.isfinite(frames).all(axis=(1, 2)))
        more = Gathered(frames[sound], state.start[sound])
        return replace(
            state,
            doing="fit",
            gathered=(*state.gathered, more),
            under_way=frames[:, :0],
            lost=state.lost + int((~sound).sum()),
        )

    def _judged(self, state: DynamicsState, segments: Sequence[Segment]) -> DynamicsState:
        records = [s.read(GenerateRecord) for s in segments]
        whole = np.concatenate([r.whole for r in records])
        made = Made(np.concatenate([r.paths for r in records])[whole], int((~whole).sum()))
        verdicts = (*state.verdicts, self.bench.verdict(state, made))
        state = replace(state, made=made, verdicts=verdicts)
        if not goes_on(verdicts):
            return replace(state, phase="done")
        if len(verdicts) >= int(self.spec["cycles"]):
            return replace(state, phase="exhausted")
        begun = self._begun(state.round, verdicts[-1])
        return replace(
            state,
            doing="gather",
            walkers=begun.walkers,
            start=begun.start,
            under_way=begun.under_way,
        )

    def _begun(self, rnd: int, verdict: Verdict | None) -> DynamicsState:
        """New trajectories, more of them where the last ones were worst."""
        problem, exact = self.problem, self.exact
        worst = None if verdict is None else verdict.regions
        number = allotted(problem.replicas, exact.share > 0, worst)
        positions = [
            exact.drawn(k, n, stream(problem.seed, (rnd, "start", k)))
            for k, n in enumerate(number.tolist())
            if n
        ]
        box = problem.start.box
        boxes = None if box is None else np.repeat(box, problem.replicas, axis=0)
        return DynamicsState(
            round=rnd,
            walkers=WalkerRows(np.concatenate(positions), box=boxes),
            start=np.repeat(np.arange(len(number)), number),
            under_way=np.zeros((problem.replicas, 0, problem.dim)),
        )

    # what is told

    def _open(self, state: DynamicsState) -> str:
        """What is to be said of the model, which is never exact."""
        if not state.verdicts:
            return "no model was judged yet"
        last = state.verdicts[-1]
        if not np.isfinite(last.difference):
            return "no generated trajectory is whole, so that nothing can be told of the model"
        error = f" ± {last.stderr:.2g}" if np.isfinite(last.stderr) else ""
        off = f"the model's F is off by {last.difference:.3g}{error} kT"
        cycles = f"{len(state.verdicts)} cycles"
        return {
            "produce": f"{off} and improves",
            "exhausted": f"{off} and improved still in the last of {cycles}",
            "done": f"{off}, and no longer improves within its error after {cycles}",
        }[state.phase]

    def _readings(self, state: DynamicsState) -> dict[str, float]:
        """Numbers of the last verdict, by what they are."""
        if not state.verdicts:
            return {"cycles": 0.0, "lost": float(state.lost)}
        last, names = state.verdicts[-1], self.exact.states.names
        divergences = zip(names, last.regions.tolist(), strict=True)
        return {
            "cycles": float(len(state.verdicts)),
            "gathered_frames": float(last.frames),
            "lost": float(state.lost),
            "broken": last.broken,
            "difference_kT": last.difference,
            "difference_stderr_kT": last.stderr,
            **{f"divergence_after_{name}": value for name, value in divergences},
        }

    def _judgement(self, state: DynamicsState) -> Judgement | None:
        """All that there is to tell, computed once: it is asked for by round and by resume."""
        if state.made is None or not len(state.made.paths):
            return None
        if self._told is None or not np.array_equal(self._told[0].paths, state.made.paths):
            self._told = (state.made, self.bench.judgement(state))
        return self._told[1]
