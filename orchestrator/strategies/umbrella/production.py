"""What umbrella windows have gathered, and the free energies that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.umbrella import UmbrellaRecord
from msgen.orchestrator.base import Estimate, Extent
from msgen.orchestrator.convergence.sampling import EffectiveSamples
from msgen.orchestrator.convergence.states import TwoStates
from msgen.orchestrator.convergence.windows import StuckWindows, WalkerTravel, WindowGaps
from msgen.orchestrator.estimators.windows.exchange_overlap import exchange_overlap, gaps
from msgen.orchestrator.estimators.windows.mixing import Mixing
from msgen.orchestrator.estimators.windows.pooling import Pooled, pool
from msgen.orchestrator.estimators.windows.window_cells import WindowCells
from msgen.orchestrator.strategies.common.free_energies import FreeEnergies
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.stretches import Stretches, halved
from msgen.orchestrator.strategies.umbrella.round_trips import RoundTrips
from msgen.orchestrator.strategies.umbrella.windows import Windows
from msgen.systems.base import Array

MOST_STRETCHES = 8
"""Stretches of time that a ladder is cut into."""
SHARES = (1.0, 4.0)
"""Shortest and longest stretch of a window between two exchanges, in units of the campaign's."""
TARGETS = 200
"""Bins of the surface whose errors decide where the effort goes."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WindowProduction:
    """Sums over rounds whose windows, model and kernels are frozen.

    Attributes
    ----------
    windows : Windows
    ladders : int
    record : WindowCells
        Where the walkers of each window were, by unit; unit = ladder + `ladders` · stretch.
    mixing : Mixing
        Series of what was watched.
    time : Stretches
    trips : RoundTrips
        Of walkers between the ends of their ladder.
    """

    windows: Windows
    ladders: int
    record: WindowCells
    mixing: Mixing
    time: Annotated[Stretches, FLAT]
    trips: RoundTrips
    rounds: int = 0

    @classmethod
    def start(cls, problem: Problem, windows: Windows, ladders: int) -> WindowProduction:
        """Nothing gathered yet."""
        mixing = _unread(problem, ladders, len(windows))
        trips = RoundTrips.start(windows, ladders)
        cells, time = WindowCells.empty(problem.dim), Stretches.empty()
        return cls(windows, ladders, cells, mixing, time, trips)

    def with_round(self, problem: Problem, segments: Sequence[Segment]) -> WindowProduction:
        """And a round more."""
        k = len(self.windows)
        xi = np.concatenate([s.samples["cvs"] for s in segments])
        slot = np.concatenate([s.samples["replica"] for s in segments]).astype(np.int64)
        unit = slot // k + self.ladders * self.time.number
        record = self.record.with_samples(problem.grid, xi, slot % k, unit)
        rows_of = {s: rows for segment in segments for s, rows in _watched_by(segment)}
        series = np.array([rows_of[s] for s in range(self.ladders * k)])
        time, full = self.time.with_round(series.shape[1], MOST_STRETCHES)
        if full:
            record = record.with_units(halved(self.ladders, self.time.number + 1))
        mixing, fresh = self.mixing, _unread(problem, self.ladders, k)
        if mixing.names != fresh.names:  # begun when other things were watched
            mixing = fresh
        trips = self.trips
        for done in (s.read(UmbrellaRecord) for s in segments):
            stood = done.who[None] if done.stood is None else done.stood
            trips = trips.with_stood(stood, done.slots)
        return replace(
            self,
            record=record,
            mixing=mixing.with_readings(series.reshape(self.ladders, k, -1, series.shape[-1])),
            time=time,
            trips=trips,
            rounds=self.rounds + 1,
        )

    def settled(self) -> tuple[WindowProduction, int]:
        """What is left without the beginning, and how many rounds that was."""
        d, time = self.time.beginning, self.time
        if not d:
            return self, 0
        mixing = self.mixing.since(time.readings_before(d))
        return replace(self, record=self.record.since(d * self.ladders), mixing=mixing), (
            time.rounds_before(d)
        )

    def pooled(self, problem: Problem, units: Ints | None = None) -> Pooled:
        """The windows joined; `units`: new numbers of the units."""
        number = self.samples
        effective = np.nan_to_num(self.mixing.effective(), nan=np.inf)
        # a window that has lost all its samples has no inefficiency
        some = np.maximum(np.minimum(effective, number), 1e-9)
        record = self.record if units is None else self.record.with_units(units)
        return pool(record, problem.grid, self.windows.energies, np.maximum(1.0, number / some))

    @property
    def samples(self) -> Array:
        """Of each window, shape (K,)."""
        rows, k = self.record.rows, len(self.windows)
        return np.bincount(rows[1], self.record.counts, minlength=k).astype(np.float64)

    def density(self, problem: Problem) -> Array:
        """Probability of every bin, grid shape."""
        pooled = self.pooled(problem)
        label = problem.grid.index(pooled.points)
        inside = label >= 0
        p = np.bincount(label[inside], pooled.p[inside], minlength=problem.grid.size)
        return p.reshape(problem.grid.shape).astype(np.float64)

    def readings(self, problem: Problem) -> Array:
        """Samples of all windows in every bin, grid shape."""
        label = problem.grid.index(self.record.points(problem.grid))
        inside = label >= 0
        totals = self.record.seen.totals
        counts = np.bincount(label[inside], totals[inside], minlength=problem.grid.size)
        return counts.reshape(problem.grid.shape).astype(np.float64)

    def overlaps(self, problem: Problem) -> dict[tuple[int, int], float]:
        """Chance that neighbours would exchange, by pair."""
        points, rows = self.record.points(problem.grid), self.record.rows
        k = len(self.windows)
        counts = np.zeros((k, len(points)))
        np.add.at(counts, (rows[1], rows[2]), self.record.counts)
        return exchange_overlap(self.windows.energies(points), counts, self.windows.neighbours())

    def gaps(self, problem: Problem) -> tuple[str, ...]:
        """Neighbours that overlap less than asked, in words."""
        return gaps(self.overlaps(problem), self.windows.labels, problem.criteria.overlap)

    def spread(self, problem: Problem) -> tuple[Array, Array]:
        """Mean and variance of ξ in each window, both (K, C); the mean of an angle in any turn."""
        rows, counts, k = self.record.rows, self.record.counts, len(self.windows)
        points, centres = self.record.points(problem.grid)[rows[2]], self.windows.centres[rows[1]]
        off = self.windows.widest.displacement(points, centres)
        n = np.maximum(np.bincount(rows[1], counts, minlength=k), 1.0)
        mean, square = (
            np.array([np.bincount(rows[1], counts * d**p, minlength=k) / n for d in off.T]).T
            for p in (1, 2)
        )
        return self.windows.centres + mean, square - mean**2

    def estimate(
        self,
        problem: Problem,
        states: Partition,
        acceptance: Mapping[str, float],
        about: Mapping[str, Any],
        independent: bool,
    ) -> Estimate:
        """Free energies with their errors, and the verdict on convergence."""
        settled, left_out = self.settled()
        labels = self.windows.labels
        mixing = settled.mixing.judge(labels, problem.criteria.r_hat or np.inf)
        units, numbers = self.time.units(self.ladders, mixing.ess)
        pooled = settled.pooled(problem, numbers)
        found = FreeEnergies.of_pooled(
            problem,
            pooled,
            units,
            problem.grid.index(pooled.points),
            states.assign(pooled.points),
            states.names,
        )
        overlaps = self.overlaps(problem)
        exchanged = self.trips.number if problem.strategy["exchange"] else None
        diagnostics: dict[str, Any] = {
            "ess": mixing.ess,
            "r_hat": mixing.r_hat,
            "acceptance": dict(acceptance),
            "round_trips": self.trips.number,
            "overlap": {f"{labels[a]}–{labels[b]}": v for (a, b), v in overlaps.items()},
            "hidden": {
                "differ": list(mixing.differ),
                "coordinates": [n for n in mixing.differ if n in problem.watched_as_cv],
            },
            "umbrella": {
                "centres": self.windows.centres.tolist(),
                "kappa": self.windows.kappa.tolist(),
                "f_kT": pooled.f.tolist(),
                "samples": settled.samples.tolist(),
                "rounds_left_out": left_out,
            },
            **about,
        }
        return found.judged(
            problem,
            diagnostics,
            Extent(self.rounds, mixing.ess / self.ladders, self.time.left_out),
            # errors mean nothing across a gap, or where walkers are stuck: these are told first
            first=(
                WindowGaps(gaps(overlaps, labels, problem.criteria.overlap)),
                WalkerTravel(independent, exchanged, self.trips.along),
                StuckWindows(mixing.stuck),
            ),
            then=(
                EffectiveSamples(mixing.ess, where=" in every window"),
                TwoStates(len(states)),
            ),
        )

    def shares(self, problem: Problem) -> Array:
        """Stretch of each window between two exchanges, ≥ 1, in units of the shortest.

        Its samples enter the variance as V_k/N_k, so that with N_k ∝ √V_k a given number of samples
        gives the least (Neyman's allocation). It depends on errors, never on an estimate's sign.
        """
        ones = np.ones(len(self.windows))
        if self.rounds < 2:
            return ones
        pooled = self.settled()[0].pooled(problem)
        label = problem.grid.index(pooled.points)
        log_p = pooled.log_probability(label, problem.grid.size)
        low = np.flatnonzero(log_p > log_p.max() - problem.criteria.below)
        low = low[:: max(1, len(low) // TARGETS)]
        place = np.full(problem.grid.size, -1)
        place[low] = np.arange(len(low))
        target = np.where(label >= 0, place[label], -1)
        effects = pooled.influence(target, len(low), windows=True)
        variance = (effects**2).sum(axis=(0, 2))
        wanted = np.sqrt(variance * np.maximum(pooled.samples, 1e-12))
        if not wanted.max() > 0:
            return ones
        return np.asarray(np.clip(wanted / np.median(wanted), *SHARES))


def _unread(problem: Problem, ladders: int, windows: int) -> Mixing:
    """Of the CVs, and of what no window holds, nothing read yet."""
    names = (*problem.names, *problem.watched_names[:-1])
    periodic = np.append(problem.periodic, problem.watched_periodic[:-1])
    return Mixing.empty(ladders, windows, names, periodic)


def _watched_by(segment: Segment) -> Iterator[tuple[int, Array]]:
    """Each slot, and its CVs and what else was watched whenever that was looked at, (t, H)."""
    columns = segment.samples
    slot = columns["replica"].astype(np.int64)
    rows = columns["watched_replica"].astype(np.int64)
    for s in np.unique(rows).tolist():
        mine, seen = columns["cvs"][slot == s], columns["watched"][rows == s]
        # the CVs as they were when the rest was looked at
        at = (np.arange(1, len(seen) + 1) * len(mine)) // len(seen) - 1
        yield s, np.hstack([mine[at], seen])
