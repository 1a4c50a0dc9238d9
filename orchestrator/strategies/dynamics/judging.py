"""Gathered trajectories, weighed, and what a model made beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.dynamics.brief import brief
from msgen.orchestrator.estimators.dynamics.following import following
from msgen.orchestrator.estimators.dynamics.judge import PER_AXIS, Asked, Labelled, judge
from msgen.orchestrator.estimators.dynamics.judgement import Judgement, MadeReading
from msgen.orchestrator.estimators.dynamics.memory import memory_notes
from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.surfaces import counts, difference
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.dynamics.asking import Asking, Task
from msgen.orchestrator.strategies.dynamics.simulated import Simulated
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Made, Verdict
from msgen.systems.base import Array

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.exact_run import Exact
    from msgen.orchestrator.strategies.common.inputs import Problem

Ints = NDArray[np.int64]

MOST_LAG = 10
"""Frames of the lag, and at most a quarter of a generated trajectory."""
_UNITS = {"angle": "rad", "length": "nm", "number": "1"}


@dataclass(frozen=True, eq=False)
class Bench:
    """What trajectories of a campaign are judged by.

    Attributes
    ----------
    names, periodic, units, ranges : of the CVs
    states : Partition
        Those that are named are core sets.
    named : int
        How many are.
    temperatures : Array, shape (T,)
        The system's own, and those gathered at beside it.
    shares : Array, shape (T, K)
        Equilibrium probability of each state at each of them.
    kelvin : bool
        Whether temperatures are; else they are the system's kT.
    stride, unit : float and str
        Time between frames.
    notes : tuple of str
    """

    names: tuple[str, ...]
    periodic: tuple[bool, ...]
    units: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    states: Partition
    named: int
    temperatures: Array
    shares: Array
    kelvin: bool
    stride: float
    unit: str
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        problem: Problem,
        campaign: Campaign,
        exact: Sequence[Exact],
        temperatures: Sequence[float],
    ) -> Bench:
        """That of a campaign; one `Exact` for each of its temperatures, the system's own first."""
        stride, unit = campaign.frame_spacing
        ends = zip(problem.lower.tolist(), problem.upper.tolist(), strict=True)
        lacking = [f"no trajectory began in {name}: see the exact run" for name in exact[0].missing]
        beside = (
            "a model's trajectories beside those it learnt from: no free energy of them is exact, "
            "and errors of the states', which weigh the reference, are not in its errors"
        )
        return cls(
            problem.names,
            tuple(problem.periodic.tolist()),
            tuple(_UNITS[cv.dimension] for cv in campaign.cvs.values()),
            tuple((low, high) for low, high in ends),
            exact[0].states,
            len(campaign.states or {}),
            np.array(temperatures, dtype=np.float64),
            np.stack([one.share for one in exact]),
            campaign.has_units,
            stride,
            unit,
            (
                beside,
                f"kernel: {campaign.strategy.local.kind}",
                *lacking,
            ),
        )

    def weights(self, starts: Ints, temperature: Ints) -> Array:
        """Of trajectories begun in these states, mean 1 at each temperature.

        Together those of one temperature are at equilibrium.
        """
        out = np.zeros(len(starts))
        for t, share in enumerate(self.shares):
            mine = temperature == t
            if mine.any():
                number = np.bincount(starts[mine], minlength=len(share))
                weight = share[starts[mine]] / number[starts[mine]]
                out[mine] = weight / weight.mean()
        return out

    def simulated(self, state: DynamicsState, temperature: int = 0) -> Simulated:
        """What the simulator made at one temperature."""
        mine = state.temperatures == temperature
        frames, starts = state.frames[mine], state.starts[mine]
        weights = self.weights(starts, np.full(len(starts), temperature))
        return Simulated(frames, starts, weights, self.states, self.named)

    def gathered(self, data: Simulated) -> Labelled:
        """The simulator's."""
        length = data.frames.shape[1]
        weights = tuple(np.full(length, w) for w in data.weight.tolist())
        return self._labelled(data.frames, weights, data.start)

    def made(self, paths: Array) -> Labelled:
        """The model's."""
        return self._labelled(paths, (), np.zeros(len(paths), dtype=np.int64))

    def _labelled(self, frames: Array, weights: tuple[Array, ...], group: Ints) -> Labelled:
        data = Trajectories(
            tuple(frames), self.names, self.periodic, self.stride, self.unit, weights, group=group
        )
        found = self.states.assign(data.xi)
        return Labelled(data, np.where(found < self.named, found, -1))

    def judgement(
        self, state: DynamicsState, asking: Asking, *, past: int | None = None
    ) -> Judgement:
        """All that can be told of the model's trajectories.

        Parameters
        ----------
        past : int or None
            Frames that are all there is to know, as a model of steps takes for granted.

        Raises
        ------
        ValueError
            Where nothing was made yet, or all of it is broken.
        """
        if not state.made or not len(state.made[0].paths):
            raise ValueError("no trajectory was made that could be judged")
        made = state.made[0]
        of = len(made.paths) + made.broken
        told = f"{made.broken} of {of} generated trajectories are broken and left out"
        notes = (*self.notes, told) if made.broken else self.notes
        asked = self._asked(made.paths.shape[1])
        reference = self.gathered(self.simulated(state))
        if past is not None:
            notes = (*notes, *memory_notes(reference.data, reference.core, asked.cores, past))
        whole = judge(self.made(made.paths), asked, reference, notes)
        return replace(whole, made=self.asked_for(state, asking))

    def asked_for(self, state: DynamicsState, asking: Asking) -> tuple[MadeReading, ...]:
        """What is told of all that was made beside free paths."""
        pairs = zip(asking.tasks[1:], state.made[1:], strict=True)
        return tuple(self._brief(task, one, state, asking) for task, one in pairs)

    def of_molecule(self, molecule: str) -> Bench:
        """With CVs that no other molecule has."""
        return replace(self, names=tuple(f"{molecule} {name}" for name in self.names))

    def in_brief(self, what: str, state: DynamicsState, past: int) -> MadeReading:
        """What is told of free paths of a molecule beside the campaign's own."""
        made, reference = state.made[0], self.gathered(self.simulated(state))
        paths = made.paths if len(made.paths) else None
        asked = self._asked(2 if paths is None else paths.shape[1])
        return brief(
            what,
            None if paths is None else self.made(paths),
            reference,
            asked,
            at_equilibrium=True,
            broken=made.broken,
            notes=(
                *([] if paths is not None else ["all are broken"]),
                *self.notes,
                *memory_notes(reference.data, reference.core, asked.cores, past),
            ),
        )

    def _asked(self, length: int) -> Asked:
        return Asked(
            self.states.names[: self.named],
            self._lag(length) * self.stride,
            (length - 1) * self.stride,
            self.ranges,
            self.units,
        )

    def _brief(self, task: Task, made: Made, state: DynamicsState, asking: Asking) -> MadeReading:
        """What one task made, beside what the simulator makes under the same condition."""
        what, notes = self._in_words(task, asking), list[str]()
        if not len(made.paths):
            lacks = {
                "inpaint": "a state that they lie between was never visited",
                "vary": "no crossing was gathered that could be varied",
            }
            why = "all are broken" if made.broken else lacks.get(task.kind, "none was made")
            return brief(
                what, None, None, self._asked(2), at_equilibrium=False, broken=made.broken,
                notes=(why,),
            )  # fmt: skip
        reference = self._reference(task, made, state, asking)
        if reference is None:
            notes.append("the simulator made none under this condition")
        return brief(
            what,
            self.made(made.paths),
            reference,
            self._asked(made.paths.shape[1]),
            at_equilibrium=task.kind in ("temperature", "length"),
            broken=made.broken,
            notes=tuple(notes),
        )

    def _reference(
        self, task: Task, made: Made, state: DynamicsState, asking: Asking
    ) -> Labelled | None:
        own = self.simulated(state)
        if task.kind == "length":
            return self.gathered(own)
        if task.kind == "temperature":
            at = np.flatnonzero(self.temperatures == task.temperature)
            return self.gathered(self.simulated(state, int(at[0]))) if len(at) else None
        if task.kind == "inpaint":
            section = asking.generate["inpaint"]
            ends = [self.states.names.index(section[end]) for end in ("from", "to")]
        else:
            assert made.varied is not None
            ends = self.states.assign(made.varied[[0, -1]]).tolist()
            if ends[0] == ends[1] or max(ends) >= self.named:
                return None
        length = made.paths.shape[1]
        if length > own.frames.shape[1]:
            return None
        windows, weight = own.windows((ends[0], ends[1]), length)
        if not len(windows):
            return None
        weights = tuple(np.full(length, w) for w in weight.tolist())
        return self._labelled(windows, weights, np.zeros(len(windows), dtype=np.int64))

    def _in_words(self, task: Task, asking: Asking) -> str:
        if task.kind == "temperature":
            value = f"{task.temperature:g}"
            return f"at {value} K" if self.kelvin else f"at kT = {value}"
        if task.kind == "length":
            return f"of {task.frames} frames"
        if task.kind == "inpaint":
            section = asking.generate["inpaint"]
            return f"from {section['from']} to {section['to']} in {task.frames} frames"
        section = asking.generate["vary"]
        return f"variations of {section['path']}, noise {section['noise']:g}"

    def verdict(self, state: DynamicsState, made: Made) -> Verdict:
        """What decides how the campaign goes on, of free paths."""
        of, unknown = len(made.paths) + made.broken, np.full(len(self.states), np.nan)
        number = sum(one.frames.shape[0] * one.frames.shape[1] for one in state.gathered)
        broken = made.broken / max(of, 1)
        if not len(made.paths):
            return Verdict(number, broken, np.inf, np.nan, unknown)
        mine, theirs = self.made(made.paths), self.gathered(self.simulated(state))
        where = [self.states.assign(one.data.xi) for one in (mine, theirs)]
        regions = following(
            mine.data,
            theirs.data,
            (where[0], where[1]),
            len(self.states),
            self._lag(made.paths.shape[1]),
            self.ranges,
        )
        off = self._difference(mine.data, theirs.data)
        # without trajectories from every state the reference is not at equilibrium
        begun = np.isin(np.flatnonzero(self.shares[0] > 0), state.starts[state.temperatures == 0])
        known = off.value is not None and bool(begun.all())
        value = off.value if known and off.value is not None else np.inf
        stderr = off.stderr if known and off.stderr is not None else np.nan
        return Verdict(number, broken, value, stderr, regions)

    def _difference(self, mine: Trajectories, theirs: Trajectories) -> Reading:
        """RMS difference of F along the first two CVs, as `judge` has it."""
        n = min(2, len(self.names))
        columns = tuple(range(n))
        grid = Grid.regular(self.ranges[:n], (PER_AXIS[n],) * n, self.periodic[:n])
        return difference(counts(mine, columns, grid), counts(theirs, columns, grid)).rms_kT

    def _lag(self, length: int) -> int:
        return max(1, min(MOST_LAG, length // 4))
