"""Paths that go where a learnt dynamics of the CVs does: what it learns of, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

PAIRS, KEEP = 2000, 6
"""Pairs of each lag that a round leaves for the next fits, and rounds whose pairs a fit sees."""


def lags_of(problem: Problem) -> tuple[int, ...]:
    """Local steps that a step of the model stands for; none where it is a density."""
    return tuple(int(lag) for lag in problem.strategy.get("proposal", {}).get("lags", ()))


@dataclass(frozen=True)
class SeenSteps:
    """Where the CVs were, and where they were a lag later, in the local moves of the last rounds.

    Attributes
    ----------
    pairs : tuple of Array, shape (n, 2 C + 1)
        Of each round: before, after, and the lag in local steps.
    replica : tuple of int array, shape (n,)
        Whose they are.
    """

    pairs: tuple[Array, ...] = ()
    replica: tuple[NDArray[np.int64], ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.pairs))

    def with_round(self, problem: Problem, segments: Sequence[Segment]) -> SeenSteps:
        """With those of a round, whose stretches of local moves are whole; the oldest go.

        No pair has a path between: paths are sent after a stretch of local moves.
        """
        stride, dim = problem.stride, problem.dim
        stretch = max(1, int(problem.strategy["local"]["steps"]) // stride)
        xi = [s.samples["cvs"].reshape(-1, stretch, dim) for s in segments]
        owner = [s.samples["replica"].reshape(-1, stretch)[:, 0] for s in segments]
        runs, whose = np.concatenate(xi), np.concatenate(owner).astype(np.int64)
        pairs, replica = [], []
        for lag in lags_of(problem):
            ahead = lag // stride
            first = stretch - ahead
            number = len(runs) * first
            at = np.unique(np.linspace(0, number - 1, min(number, PAIRS)).round().astype(np.int64))
            run, begin = at // first, at % first
            column = np.full((len(at), 1), float(lag))
            pairs.append(np.hstack([runs[run, begin], runs[run, begin + ahead], column]))
            replica.append(whose[run])
        return SeenSteps(
            (*self.pairs, np.concatenate(pairs))[-KEEP:],
            (*self.replica, np.concatenate(replica))[-KEEP:],
        )

    def lesson(
        self, problem: Problem, schedule: Schedule, rng: np.random.Generator
    ) -> FitPropagatorPayload:
        """What a fit is told: λ at both ends, as paths of this schedule begin and end there.

        So the density learnt is in balance with that of λ, and a reversible path along a step of a
        perfect model is always accepted.
        """
        rows, dim = np.concatenate(self.pairs), problem.dim
        before, after = rows[:, :dim], rows[:, dim:-1]
        if not schedule.exact:
            before, after = schedule.g.sample(before, rng), schedule.g.sample(after, rng)
        return FitPropagatorPayload(
            pairs=np.column_stack([before, after, rows[:, -1]]),
            unit=np.concatenate(self.replica),
            periodic=problem.periodic,
            lags=np.array(lags_of(problem), dtype=np.float64),
            moves=np.ones(dim, dtype=bool),
        )
