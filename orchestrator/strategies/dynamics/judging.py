"""Gathered trajectories, weighed, and what a model made beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.dynamics.following import following
from msgen.orchestrator.estimators.dynamics.judge import PER_AXIS, Asked, Labelled, judge
from msgen.orchestrator.estimators.dynamics.judgement import Judgement
from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.surfaces import counts, difference
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Made, Verdict
from msgen.systems.base import Array

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.orchestrator.strategies.dynamics.exact_run import Exact

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
    share : Array, shape (K,)
        Equilibrium probability of each.
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
    share: Array
    stride: float
    unit: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, problem: Problem, campaign: Campaign, exact: Exact) -> Bench:
        """That of a campaign."""
        stride, unit = campaign.frame_spacing
        ends = zip(problem.lower.tolist(), problem.upper.tolist(), strict=True)
        lacking = [f"no trajectory began in {name}: see the exact run" for name in exact.missing]
        beside = (
            "a model's trajectories beside those it learnt from: no free energy of them is exact, "
            "and errors of the states', which weigh the reference, are not in its errors"
        )
        return cls(
            problem.names,
            tuple(problem.periodic.tolist()),
            tuple(_UNITS[cv.dimension] for cv in campaign.cvs.values()),
            tuple((low, high) for low, high in ends),
            exact.states,
            len(campaign.states or {}),
            exact.share,
            stride,
            unit,
            (
                beside,
                f"kernel: {campaign.strategy.local.kind}",
                *lacking,
            ),
        )

    def weights(self, starts: Ints) -> Array:
        """Of trajectories begun in these states, mean 1: together they are at equilibrium."""
        number = np.bincount(starts, minlength=len(self.share))
        weight = self.share[starts] / number[starts]
        return np.asarray(weight / weight.mean())

    def gathered(self, frames: Array, starts: Ints) -> Labelled:
        """The simulator's."""
        length = frames.shape[1]
        weights = tuple(np.full(length, w) for w in self.weights(starts).tolist())
        return self._labelled(frames, weights, starts)

    def made(self, paths: Array) -> Labelled:
        """The model's."""
        return self._labelled(paths, (), np.zeros(len(paths), dtype=np.int64))

    def _labelled(self, frames: Array, weights: tuple[Array, ...], group: Ints) -> Labelled:
        data = Trajectories(
            tuple(frames), self.names, self.periodic, self.stride, self.unit, weights, group=group
        )
        found = self.states.assign(data.xi)
        return Labelled(data, np.where(found < self.named, found, -1))

    def judgement(self, state: DynamicsState) -> Judgement:
        """All that can be told of the model's trajectories.

        Raises
        ------
        ValueError
            Where nothing was made yet, or all of it is broken.
        """
        if state.made is None or not len(state.made.paths):
            raise ValueError("no trajectory was made that could be judged")
        made, length = state.made, state.made.paths.shape[1]
        asked = Asked(
            self.states.names[: self.named],
            self._lag(length) * self.stride,
            (length - 1) * self.stride,
            self.ranges,
            self.units,
        )
        of = len(made.paths) + made.broken
        told = f"{made.broken} of {of} generated trajectories are broken and left out"
        notes = (*self.notes, told) if made.broken else self.notes
        return judge(self.made(made.paths), asked, self.gathered(state.frames, state.starts), notes)

    def verdict(self, state: DynamicsState, made: Made) -> Verdict:
        """What decides how the campaign goes on."""
        frames = state.frames
        of, unknown = len(made.paths) + made.broken, np.full(len(self.states), np.nan)
        number, broken = frames.shape[0] * frames.shape[1], made.broken / max(of, 1)
        if not len(made.paths):
            return Verdict(number, broken, np.inf, np.nan, unknown)
        mine, theirs = self.made(made.paths), self.gathered(frames, state.starts)
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
        value = np.inf if off.value is None else off.value
        stderr = np.nan if off.stderr is None else off.stderr
        return Verdict(number, broken, value, stderr, regions)

    def _difference(self, mine: Trajectories, theirs: Trajectories) -> Reading:
        """RMS difference of F along the first two CVs, as `judge` has it."""
        n = min(2, len(self.names))
        columns = tuple(range(n))
        grid = Grid.regular(self.ranges[:n], (PER_AXIS[n],) * n, self.periodic[:n])
        return difference(counts(mine, columns, grid), counts(theirs, columns, grid)).rms_kT

    def _lag(self, length: int) -> int:
        return max(1, min(MOST_LAG, length // 4))
