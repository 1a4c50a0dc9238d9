"""What a model is asked for after a fit, as orders: free paths, and whatever `generate` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from msgen.actors.base import WorkOrder, stream
from msgen.actors.orders.trajectories import GeneratePayload
from msgen.models.trajectories.generation import ROWS
from msgen.orchestrator.strategies.dynamics.generate_schema import CROSSING
from msgen.orchestrator.strategies.dynamics.simulated import Simulated
from msgen.orchestrator.strategies.dynamics.state import DynamicsState
from msgen.systems.base import Array

Kind = Literal["free", "temperature", "length", "inpaint", "vary"]


@dataclass(frozen=True)
class Task:
    """Paths of one kind.

    Attributes
    ----------
    kind : str
    first, paths : int
        They are numbered on through all tasks, so that no two share their noise.
    frames : int or None
        None where the model or the path says it.
    temperature : float or None
        None: the system's own.
    """

    kind: Kind
    first: int
    paths: int
    frames: int | None = None
    temperature: float | None = None


def tasks_of(generate: Mapping[str, Any]) -> tuple[Task, ...]:
    """All that a `generate:` section asks for, free paths first."""
    free = int(generate["free"])
    out = [Task("free", 0, free)]

    def add(kind: Kind, paths: int, **more: Any) -> None:
        out.append(Task(kind, out[-1].first + out[-1].paths, paths, **more))

    for temperature in generate["temperature"]:
        add("temperature", free, temperature=float(temperature))
    for frames in generate["length"]:
        add("length", free, frames=int(frames))
    if (inpaint := generate["inpaint"]) is not None:
        add("inpaint", int(inpaint["paths"]), frames=int(inpaint["frames"]))
    if (vary := generate["vary"]) is not None:
        add("vary", int(vary["paths"]))
    return tuple(out)


@dataclass(frozen=True, eq=False)
class Asking:
    """The orders of a round that generates.

    Attributes
    ----------
    tasks : tuple of Task
    generate : Mapping
        The section that they come from.
    own : float
        The system's temperature.
    conditional : bool
        Whether the model has learnt several.
    snippet : int
        Frames of the longest that it learns.
    seed : int
    """

    tasks: tuple[Task, ...]
    generate: Mapping[str, Any]
    own: float
    conditional: bool
    snippet: int
    seed: int

    def orders(self, state: DynamicsState, simulated: Simulated) -> tuple[WorkOrder, ...]:
        """One for each batch of the network; of a task that cannot be there are none."""
        payloads = [
            p for i, task in enumerate(self.tasks) for p in self._batches(i, task, state, simulated)
        ]
        return tuple(
            WorkOrder.of(state.round, p, i, model_version=state.version, cost_hint=1e3)
            for i, p in enumerate(payloads)
        )

    def _batches(
        self, index: int, task: Task, state: DynamicsState, simulated: Simulated
    ) -> Iterator[GeneratePayload]:
        given, near, file, noise = None, None, None, 0.0
        if task.kind == "inpaint":
            given = self._ends(task, state, simulated)
            if given is None:
                return
        if task.kind == "vary":
            vary = self.generate["vary"]
            noise, file = float(vary["noise"]), str(vary["path"])
            if file == CROSSING:
                near, file = simulated.a_crossing(self.snippet), None
                if near is None:
                    return
        about = None
        if self.conditional:
            about = np.array([[self.own if task.temperature is None else task.temperature]])
        for first in range(0, task.paths, ROWS):
            number = min(ROWS, task.paths - first)
            yield GeneratePayload(
                first=task.first + first,
                number=number,
                cycle=len(state.verdicts),
                task=index,
                length=task.frames,
                conditions=about,
                given=None if given is None else given[first : first + number],
                near=near,
                file=file,
                noise=noise,
            )

    def _ends(self, task: Task, state: DynamicsState, simulated: Simulated) -> Array | None:
        """First and last frames, NaN between them; None where a state was never seen."""
        section, frames = self.generate["inpaint"], task.frames or self.snippet
        rng = stream(self.seed, (state.round, "inpaint", 0))
        ends = [simulated.drawn_in(section[end], task.paths, rng) for end in ("from", "to")]
        if ends[0] is None or ends[1] is None:
            return None
        out = np.full((task.paths, frames, ends[0].shape[1]), np.nan)
        out[:, 0], out[:, -1] = ends[0], ends[1]
        return out
