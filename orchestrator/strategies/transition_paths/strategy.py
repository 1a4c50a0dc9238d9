"""Transition paths: a density between two states is learnt, frozen, and shot from.

The first version is fitted to exact samples between the states, spread evenly over the CVs; the
second also to frames of the paths that it found. Two-way shooting from the second is exact whatever
it has learnt (`msgen.actors.kernels.shooting`), and its weights tell rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder, decode, stream
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.orders.fit import FitPayload, FitRecord
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.shooting import PathRows, ShootPayload, ShootRecord, ShotRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.estimators.dynamics.path_sampling import TransitionPaths, transition_paths
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.transition_paths.between import Between, populations
from msgen.orchestrator.strategies.transition_paths.schema import ADAPT_ROUNDS
from msgen.orchestrator.strategies.transition_paths.schema import TransitionPaths as Section
from msgen.orchestrator.strategies.transition_paths.state import PathState
from msgen.systems.base import Array
from msgen.systems.coordinates.representation import Exact as ExactCoordinates

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import System

Ints = NDArray[np.int64]

MOST_ADAPT = 20
"""Rounds of shots after which a campaign without a path gives up."""
BROAD = 0.05
"""Share of the broad density while an aimless campaign looks for its first paths."""


def strategy_of(problem: Problem, system: System, campaign: Campaign, exact: Exact) -> Paths:
    """That of a campaign.

    Raises
    ------
    SpecError
        If the exact run has too few samples between the states.
    """
    section = campaign.strategy
    assert isinstance(section, Section)
    seen = exact_coordinates("auto", system, problem.angles)
    return Paths(problem, exact, seen, section.frames(campaign), campaign.frame_spacing)


class Paths:
    """Fit → shoot (adapt) → fit → shoot (produce); see `PathState` for what is kept.

    Parameters
    ----------
    problem : Problem
    exact : Exact
        The exact run.
    coordinates : msgen.systems.coordinates.representation.Exact
        In which the model sees configurations.
    frames : int
        Of a path.
    spacing : tuple of float and str
        Time between two of them, and its unit.

    Raises
    ------
    SpecError
        See `strategy_of`.
    """

    name = "transition_paths"

    def __init__(
        self,
        problem: Problem,
        exact: Exact,
        coordinates: ExactCoordinates,
        frames: int,
        spacing: tuple[float, str],
    ) -> None:
        self.problem, self.exact, self.coordinates = problem, exact, coordinates
        self.spec = problem.strategy
        self.frames, self.spacing = frames, spacing
        names = exact.states.names
        self.ends = (names.index(self.spec["from"]), names.index(self.spec["to"]))
        self._aimless = self.spec["shooting"]["kind"] == "aimless"
        self.between = Between.of(problem, exact, self.ends, coordinates)
        self._told: tuple[PathState, TransitionPaths] | None = None

    def start(self) -> PathState:
        """See `Strategy`."""
        n, dim = self.problem.replicas, self.exact.positions.shape[1]
        data = self.between.data
        return PathState(
            broad=BroadGaussian.about(data),
            paths=PathRows.nobody(n, self.frames, dim),
            crossed=np.zeros((0, data.shape[1])),
            shots=ShotRows.none(self.problem.dim),
        )

    def read(self, tree: Tree) -> PathState:
        """See `Strategy`."""
        return decode(PathState, tree)

    def decide(self, state: PathState) -> StepPlan:
        """See `Strategy`."""
        if state.phase in ("done", "exhausted"):
            return StepPlan(state.phase, ())
        models = {} if state.model is None else {state.version: state.model}
        make = self._fit if state.doing == "fit" else self._shoot
        return StepPlan(state.phase, make(state), (), models)

    def absorb(self, state: PathState, segments: Sequence[Segment]) -> PathState:
        """See `Strategy`."""
        state = replace(state, round=state.round + 1)
        if state.doing == "fit":
            return self._fitted(state, segments)
        records = [s.read(ShootRecord) for s in segments]
        paths = _joined([r.paths for r in records])
        rows = ShotRows.join([r.shots for r in records])
        learnt = np.concatenate([state.crossed, *(r.crossed for r in records)])
        state = replace(state, paths=paths, shot=state.shot + 1, crossed=learnt)
        return self._adapted(state, rows) if state.phase == "adapt" else self._produced(state, rows)

    def estimate(self, state: PathState) -> Estimate:
        """See `Strategy`: that of the exact run, and what its paths tell."""
        told = self._paths(state) if state.counted else None
        about: dict[str, Any] = {"phase": state.doing, "shots_of_adaptation": state.tried}
        if told is not None:
            about = {**about, **_summary(told)}
        moved = {} if told is None else {"acceptance": {"shooting": told.accepted / told.shots}}
        return replace(
            self.exact.estimate,
            diagnostics={
                "exact_run": dict(self.exact.estimate.diagnostics),
                "transition_paths": about,
                **moved,
            },
            converged=False,
            unmet=(*self._open(state, told), *self.exact.estimate.unmet),
            standing=False,
            paths=told,
        )

    def replicas(self, state: PathState) -> int:
        """See `Strategy`."""
        return self.problem.replicas

    def resize(self, state: PathState, replicas: int) -> PathState:
        """See `Strategy`: they stay as many as they are."""
        return state

    # orders

    def _fit(self, state: PathState) -> tuple[WorkOrder, ...]:
        data = self._lesson(state)
        payload = FitPayload(
            data,
            np.ones(len(data)),
            np.zeros(len(data), dtype=np.int64),
            1,
            np.array(self.coordinates.periodic, dtype=bool),
        )
        return (WorkOrder.of(state.round, payload, model_version=state.version, cost_hint=1e3),)

    def _shoot(self, state: PathState) -> tuple[WorkOrder, ...]:
        problem, shots = self.problem, int(self.spec["shots"])
        # until every chain has a path there is nothing to shoot from but the density
        aimless = self._aimless and state.phase == "produce"
        shooting = self.spec["shooting"]
        together = groups(problem)
        return tuple(
            WorkOrder.of(
                state.round,
                ShootPayload(
                    paths=state.paths.take(group),
                    replicas=group,
                    shots=shots,
                    stride=problem.stride,
                    states=self.exact.states,
                    ends=self.ends,
                    window=int(shooting["window"]) if aimless else None,
                    epsilon=float(shooting.get("broad", BROAD)),
                    broad=None if aimless else state.broad,
                    learn=state.phase == "adapt",
                ),
                number,
                model_version=state.version,
                cost_hint=float(len(group) * shots * self.frames * problem.stride),
            )
            for number, group in enumerate(together)
        )

    # what becomes of their segments

    def _fitted(self, state: PathState, segments: Sequence[Segment]) -> PathState:
        (record,) = (s.read(FitRecord) for s in segments)
        if record.accepted:
            data = self._lesson(state)
            state = replace(
                state,
                version=state.version + 1,
                model=record.model,
                broad=BroadGaussian.about(data),
            )
        if len(state.crossed):
            state = replace(state, phase="produce", crossed=state.crossed[:0])
        return replace(state, doing="shoot", shot=0)

    def _adapted(self, state: PathState, rows: ShotRows) -> PathState:
        """When there are paths enough to learn, chains without one take another's."""
        state = replace(state, tried=state.tried + len(rows))
        if state.shot < ADAPT_ROUNDS or not len(state.crossed):
            return replace(state, phase="exhausted") if state.shot >= MOST_ADAPT else state
        return replace(state, doing="fit", paths=self._everywhere(state))

    def _produced(self, state: PathState, rows: ShotRows) -> PathState:
        state = replace(state, shots=ShotRows.join([state.shots, rows]))
        told = self._paths(state)
        if told.relative_error <= float(self.spec["rate_error"]):
            return replace(state, phase="done")
        if state.shot < int(self.spec["rounds"]):
            return state
        # aimless shooting has no other end
        return replace(state, phase="done" if self._aimless else "exhausted")

    def _everywhere(self, state: PathState) -> PathRows:
        """Paths of all chains; the first rounds of production forget where they came from."""
        there = np.flatnonzero(state.paths.there)
        rng = stream(self.problem.seed, (state.round, "begin", 0))
        own = np.arange(len(state.paths))
        return state.paths.take(np.where(state.paths.there, own, rng.choice(there, len(own))))

    def _lesson(self, state: PathState) -> Array:
        """What a fit learns; the same whenever it is asked for."""
        rng = stream(self.problem.seed, (state.round, "lesson", state.version + 1))
        return self.between.lesson(state.crossed, rng)

    # what is told

    def _paths(self, state: PathState) -> TransitionPaths:
        if self._told is None or self._told[0] is not state:
            told = transition_paths(
                state.shots,
                populations(self.exact, self.ends),
                (str(self.spec["from"]), str(self.spec["to"])),
                self.frames,
                self.spacing,
                self.problem.names,
                self.problem.grid.edges,
            )
            self._told = (state, told)
        return self._told[1]

    def _open(self, state: PathState, told: TransitionPaths | None) -> tuple[str, ...]:
        if told is None:
            if state.phase == "exhausted":
                return (f"none of {state.tried} shots crossed: paths may be too short",)
            return ("no shot counts yet",)
        if self._aimless:
            return ("aimless shooting tells no rates",)
        return (f"rates: relative error {told.relative_error:.2g}", *told.notes)


def _joined(parts: Sequence[PathRows]) -> PathRows:
    named = list(PathRows.__dataclass_fields__)
    return PathRows(**{f: np.concatenate([getattr(p, f) for p in parts]) for f in named})


def _summary(told: TransitionPaths) -> dict[str, Any]:
    """The numbers of it."""
    kept = ("shots", "accepted", "effective", "rate", "rate_back", "flux", "duration", "unit")
    return {key: value for key, value in asdict(told).items() if key in kept}
