"""Series of what is watched, as a strategy keeps them, and what they say of hidden slowness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.convergence.hidden import HiddenSlowness
from msgen.orchestrator.estimators.hidden.findings import DirectedWorks, StateSeries, look
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.works import Works
from msgen.systems.base import Array

MOST_READINGS, ALL_VALUES = 512, 2_000_000
"""When a replica has more readings, or all of them more values, every second one is dropped."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WatchedSeries:
    """Readings of frozen rounds, thinned evenly.

    Attributes
    ----------
    series : float32 array, shape (R, T, k)
        NaN while a replica was not there, rested or did not count yet.
    labels : int16 array, shape (R, T)
        The state that each was read in; −1 there.
    stride : int
        Only every `stride`-th reading is kept.
    readings : int
        Of each replica so far, those dropped included.
    """

    series: NDArray[np.float32]
    labels: NDArray[np.int16]
    stride: int = 1
    readings: int = 0

    @classmethod
    def empty(cls, replicas: int, columns: int) -> WatchedSeries:
        """Nothing read yet."""
        return cls(
            np.zeros((replicas, 0, columns), dtype=np.float32),
            np.zeros((replicas, 0), dtype=np.int16),
        )

    def grown(self, replicas: int) -> WatchedSeries:
        """With room for replicas that came since, the new ones last."""
        more = replicas - len(self.series)
        if not more:
            return self
        t, k = self.series.shape[1:]
        missed = np.full((more, t, k), np.nan, dtype=np.float32)
        out = np.full((more, t), -1, dtype=np.int16)
        return replace(
            self,
            series=np.concatenate([self.series, missed]),
            labels=np.concatenate([self.labels, out]),
        )

    def with_round(
        self,
        states: Partition,
        segments: Sequence[Segment],
        counted: NDArray[np.bool_] | None = None,
        slots: int = 1,
    ) -> WatchedSeries:
        """And a round's readings; of the replicas that are `counted`, shape (R,), if given.

        Where a replica has several `slots`, as a ladder of temperatures, readings name the slot.
        """
        columns = [s.samples for s in segments if "watched" in s.samples]
        if not columns:
            return self
        replica = np.concatenate([c["watched_replica"] for c in columns]).astype(np.int64)
        replica = replica // slots
        values = np.concatenate([c["watched"] for c in columns])
        xi = np.concatenate([c["watched_cvs"] for c in columns]).astype(np.float64)
        number = np.bincount(replica, minlength=len(self.series))
        length = int(number[number > 0].min(initial=len(replica)))
        first, stride = -self.readings % self.stride, self.stride
        t = len(range(first, length, stride))
        fresh = np.full((len(self.series), t, values.shape[1]), np.nan, dtype=np.float32)
        label = np.full((len(self.series), t), -1, dtype=np.int16)
        known = states.assign(xi)
        there = number > 0 if counted is None else (number > 0) & counted
        for r in np.flatnonzero(there).tolist():
            mine = np.flatnonzero(replica == r)[first:length:stride]
            fresh[r], label[r] = values[mine], known[mine]
        made = WatchedSeries(
            np.concatenate([self.series, fresh], axis=1),
            np.concatenate([self.labels, label], axis=1),
            stride,
            self.readings + length,
        )
        most = min(MOST_READINGS, max(32, ALL_VALUES // max(1, made.series[:, 0].size)))
        while made.series.shape[1] > most:
            made = replace(
                made,
                series=made.series[:, ::2],
                labels=made.labels[:, ::2],
                stride=2 * made.stride,
            )
        return made

    def in_states(self, names: Sequence[str], descent: Ints | None) -> list[StateSeries]:
        """What was read in each state that any reading was in."""
        out = []
        for k, name in enumerate(names):
            here = self.labels == k
            if here.any():
                chains = [s[at] for s, at in zip(self.series, here, strict=True)]
                out.append(StateSeries(name, chains, descent))
        return out


def with_watched(
    before: WatchedSeries | None,
    problem: Problem,
    replicas: int,
    states: Partition,
    segments: Sequence[Segment],
    counted: NDArray[np.bool_] | None = None,
    slots: int = 1,
) -> WatchedSeries | None:
    """`before` and a round more; None until a role watches anything, see `with_round`."""
    if not any("watched" in s.samples for s in segments):
        return before
    columns = len(problem.watched_names)
    if before is None or before.series.shape[2] != columns:  # begun when other things were watched
        before = WatchedSeries.empty(replicas, columns)
    return before.with_round(states, segments, counted, slots)


def hidden_slowness(
    problem: Problem,
    states: Partition,
    series: WatchedSeries | None,
    descent: Ints | None = None,
    works: Works | None = None,
    f: Array | None = None,
) -> HiddenSlowness:
    """What replicas, and groups of one descent, differ in beside the CVs.

    Parameters
    ----------
    series : WatchedSeries or None
        None where nothing was watched.
    descent : Ints, shape (R,), or None
    works, f
        Paths between states that replicas are kept in, and the free energies of these; None where
        replicas move freely: there a state that is seldom visited is no reason to wait.
    """
    if series is None or problem.criteria.hidden is None:
        return HiddenSlowness(None)
    may_be = frozenset(problem.watched_as_cv)
    names = states.names
    directed = [] if works is None or f is None else _directed(names, works, f, descent)
    found = look(
        problem.watched_names,
        problem.watched_periodic,
        series.in_states(names, descent),
        directed,
    )
    return HiddenSlowness(found if works is not None else replace(found, few=()), may_be)


def _directed(
    names: Sequence[str], works: Works, f: Array, descent: Ints | None
) -> list[DirectedWorks]:
    """Paths of each direction between two states that are joined."""
    crossing, replica = works.crossing(f), works["path_replica"].astype(np.int64)
    out = []
    for a, b in works.pairs():
        if not np.isfinite(f[[a, b]]).all():
            continue
        for source, target in ((a, b), (b, a)):
            mine = works.between(source, target)
            out.append(
                DirectedWorks(names[source], names[target], crossing[mine], replica[mine], descent)
            )
    return out
