"""What parallel tempering has gathered, and the free energies that follow from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.temper import TemperRecord
from msgen.orchestrator.base import Estimate, Extent
from msgen.orchestrator.convergence.sampling import EffectiveSamples, RHat
from msgen.orchestrator.convergence.states import TwoStates
from msgen.orchestrator.convergence.temperatures import ExchangeAcceptance, TemperatureTrips
from msgen.orchestrator.estimators.left_out import bounded_r_hat, worst
from msgen.orchestrator.estimators.windows.mixing import Mixing
from msgen.orchestrator.estimators.windows.temperature_cells import HeatedCells
from msgen.orchestrator.strategies.common.free_energies import FreeEnergies
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.stretches import Stretches, halved
from msgen.orchestrator.strategies.common.watching import (
    WatchedSeries,
    hidden_slowness,
    with_watched,
)
from msgen.systems.base import Array

MOST_STRETCHES = 16
"""Stretches of time that a run is cut into."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LadderProduction:
    """Sums over rounds whose temperatures and kernels are frozen.

    Attributes
    ----------
    tau : Array, shape (K,)
        Temperatures in units of the lowest.
    ladders : int
    cells : HeatedCells
        Samples of all temperatures; unit = ladder + `ladders` · stretch of time.
    mixing : Mixing
        Series of each ladder: CVs at the lowest temperature, and the share of all its walkers that
        is in each state but the last. The share shows what the lowest temperature alone hides:
        ladders that all began in one state and still fill the others.
    time : Stretches
    exchanges : int array, shape (K − 1, 2)
        Tried and accepted of each gap.
    last, turns : int array, shape (walkers,)
        End of the ladder that each walker was at last, −1 for none, and its ways between them.
    isomers : int
        Samples left out because the molecule had become another.
    watched : WatchedSeries or None
        At the lowest temperature, of each ladder; None before anything was watched.
    """

    tau: Array
    ladders: int
    cells: HeatedCells
    mixing: Mixing
    time: Annotated[Stretches, FLAT]
    exchanges: Ints
    last: Ints
    turns: Ints
    isomers: int = 0
    rounds: int = 0
    watched: WatchedSeries | None = None

    @classmethod
    def start(
        cls, problem: Problem, tau: Array, ladders: int, states: Sequence[str]
    ) -> LadderProduction:
        """Nothing gathered yet."""
        k = len(tau)
        names = (*problem.names, *(f"walkers in {name}" for name in states[:-1]))
        circular = np.append(problem.periodic, np.zeros(len(states) - 1, dtype=bool))
        return cls(
            tau,
            ladders,
            HeatedCells.empty(),
            Mixing.empty(ladders, 1, names, circular),
            Stretches.empty(),
            np.zeros((k - 1, 2), dtype=np.int64),
            np.full(ladders * k, -1, dtype=np.int64),
            np.zeros(ladders * k, dtype=np.int64),
        )

    def with_round(
        self, problem: Problem, states: Partition, segments: Sequence[Segment]
    ) -> LadderProduction:
        """And a round more."""
        k, ladders = len(self.tau), self.ladders
        xi = np.concatenate([s.samples["cvs"] for s in segments])
        energy = np.concatenate([s.samples["energy"] for s in segments])
        slot = np.concatenate([s.samples["replica"] for s in segments]).astype(np.int64)
        each = len(xi) // (ladders * k)
        same = np.isfinite(energy)
        cells = self.cells.with_samples(
            problem.grid.index(xi[same]),
            states.assign(xi[same]),
            energy[same],
            slot[same] // k + ladders * self.time.number,
            slot[same] % k,
        )
        time, full = self.time.with_round(each, MOST_STRETCHES)
        if full:
            cells = cells.with_units(halved(ladders, self.time.number + 1))
        order = np.argsort(slot, kind="stable").reshape(ladders, k, each)
        member = states.assign(xi)[order][..., None] == np.arange(len(states) - 1)
        series = np.concatenate([xi[order[:, 0]], member.mean(axis=1)], axis=2)
        return replace(
            self._with_trips([s.read(TemperRecord) for s in segments]),
            cells=cells,
            mixing=self.mixing.with_readings(series[:, None]),
            time=time,
            isomers=self.isomers + int(np.count_nonzero(~same)),
            rounds=self.rounds + 1,
            watched=with_watched(self.watched, problem, ladders, states, segments, slots=k),
        )

    def _with_trips(self, records: Sequence[TemperRecord]) -> LadderProduction:
        """Exchanges of each gap, and who stood at which end after every sweep."""
        k = len(self.tau)
        exchanges, last, turns = (a.copy() for a in (self.exchanges, self.last, self.turns))
        for record in records:
            np.add.at(exchanges, record.slots[record.gaps] % k, record.exchanges)
            for who in record.who:
                for side, end in enumerate((0, k - 1)):
                    here = who[record.slots % k == end]
                    turns[here] += last[here] == 1 - side
                    last[here] = side
        return replace(self, exchanges=exchanges, last=last, turns=turns)

    def settled(self) -> tuple[LadderProduction, int]:
        """What is left without the beginning, and how many rounds that was.

        All walkers descend from one start.
        """
        d, time = self.time.beginning, self.time
        if not d:
            return self, 0
        cells = self.cells.since(d * self.ladders)
        rest = replace(self, cells=cells, mixing=self.mixing.since(time.readings_before(d)))
        return rest, time.rounds_before(d)

    def density(self, problem: Problem) -> Array:
        """Probability of every bin at the lowest temperature, grid shape."""
        (pooled, cells), grid = self.cells.pooled(self.tau), problem.grid
        return np.exp(pooled.log_probability(cells[:, 0], grid.size)).reshape(grid.shape)

    def readings(self, problem: Problem) -> Array:
        """Samples of all temperatures in every bin, grid shape."""
        bins, grid = self.cells.seen.cells[:, 0], problem.grid
        inside = bins >= 0
        counts = np.bincount(bins[inside], self.cells.seen.totals[inside], minlength=grid.size)
        return counts.reshape(grid.shape).astype(np.float64)

    @property
    def acceptance(self) -> Array:
        """Share of accepted exchanges of each gap, NaN before any, shape (K − 1,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.exchanges[:, 1] / self.exchanges[:, 0])

    @property
    def round_trips(self) -> int:
        """Of all walkers between the lowest and the highest temperature."""
        return int((self.turns // 2).sum())

    def estimate(
        self,
        problem: Problem,
        states: Partition,
        labels: Sequence[str],
        acceptance: Mapping[str, float],
        about: Mapping[str, Any],
    ) -> Estimate:
        """Free energies with their errors, and the verdict on convergence.

        Parameters
        ----------
        problem, states
        labels : sequence of str
            Of the temperatures.
        acceptance, about : Mapping
            Of the moves, and what else there is to say.
        """
        settled, left_out = self.settled()
        ess = float(settled.mixing.effective()[0])
        units, numbers = self.time.units(self.ladders, ess)
        pooled, cells = settled.cells.with_units(numbers).pooled(self.tau)
        found = FreeEnergies.of_pooled(
            problem, pooled, units, cells[:, 0], cells[:, 1], states.names
        )
        chains = list(settled.mixing.series[:, 0])
        circular = settled.mixing.circular.tolist()
        r_hat = {
            name: bounded_r_hat([one[:, c] for one in chains], periodic=circular[c])
            for c, name in enumerate(settled.mixing.names)
        }
        pairs = zip(itertools.pairwise(labels), self.acceptance.tolist(), strict=True)
        gaps = {f"{a}–{b}": value for (a, b), value in pairs}
        hidden = hidden_slowness(problem, states, self.watched)
        diagnostics: dict[str, Any] = {
            "ess": ess,
            "r_hat": worst([r.value for r in r_hat.values()]),
            "acceptance": dict(acceptance),
            "round_trips": self.round_trips,
            "overlap": gaps,
            "hidden": hidden.diagnostics(problem.criteria),
            "tempering": {
                "temperatures": list(labels),
                "tau": self.tau.tolist(),
                "f_kT": pooled.f.tolist(),
                "samples": pooled.samples.tolist(),
                "rounds_left_out": left_out,
                "isomers_left_out": self.isomers,
            },
            **about,
        }
        return found.judged(
            problem,
            diagnostics,
            Extent(self.rounds, ess / self.ladders, self.time.left_out),
            first=(hidden,),
            then=(
                RHat(r_hat),
                EffectiveSamples(ess),
                ExchangeAcceptance(gaps),
                TemperatureTrips(self.round_trips),
                TwoStates(len(states)),
            ),
        )
