"""What parallel tempering has gathered, and the free energies that follow from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.temper import TemperRecord
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.convergence.errors import StateErrors, SurfaceError
from msgen.orchestrator.convergence.judge import judge
from msgen.orchestrator.convergence.sampling import EffectiveSamples, RHat
from msgen.orchestrator.convergence.states import TwoStates
from msgen.orchestrator.convergence.temperatures import ExchangeAcceptance, TemperatureTrips
from msgen.orchestrator.estimators.diagnostics import split_r_hat
from msgen.orchestrator.estimators.windows.mixing import Mixing
from msgen.orchestrator.estimators.windows.pooling import Pooled, standard_error
from msgen.orchestrator.estimators.windows.temperature_cells import HeatedCells
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

MOST_STRETCHES = 16
"""Stretches of time that a run is cut into."""
LEAST_STRETCHES = 4
"""With fewer, none is left out."""
LEFT_OUT = 0.25
"""Share of production that is left out at its beginning, as the ladders' way into equilibrium."""

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
    stretches, readings : int array, shape (rounds,)
        Stretch that each round belongs to, and readings of each slot in it.
    exchanges : int array, shape (K − 1, 2)
        Tried and accepted of each gap.
    last, turns : int array, shape (walkers,)
        End of the ladder that each walker was at last, −1 for none, and its ways between them.
    isomers : int
        Samples left out because the molecule had become another.
    """

    tau: Array
    ladders: int
    cells: HeatedCells
    mixing: Mixing
    stretches: Ints
    readings: Ints
    exchanges: Ints
    last: Ints
    turns: Ints
    isomers: int = 0
    rounds: int = 0

    @classmethod
    def start(
        cls, problem: Problem, tau: Array, ladders: int, states: Sequence[str]
    ) -> LadderProduction:
        """Nothing gathered yet."""
        k, none = len(tau), np.zeros(0, dtype=np.int64)
        names = (*problem.names, *(f"walkers in {name}" for name in states[:-1]))
        circular = np.append(problem.periodic, np.zeros(len(states) - 1, dtype=bool))
        return cls(
            tau,
            ladders,
            HeatedCells.empty(),
            Mixing.empty(ladders, 1, names, circular),
            none,
            none,
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
        stretch = int(self.stretches[-1]) + 1 if len(self.stretches) else 0
        each = len(xi) // (ladders * k)
        same = np.isfinite(energy)
        cells = self.cells.with_samples(
            problem.grid.index(xi[same]),
            states.assign(xi[same]),
            energy[same],
            slot[same] // k + ladders * stretch,
            slot[same] % k,
        )
        stretches = np.append(self.stretches, stretch)
        if stretch + 1 >= 2 * MOST_STRETCHES:
            # two stretches become one, so that they grow with the campaign
            units = np.arange(ladders * (stretch + 1))
            cells = cells.with_units(units % ladders + ladders * (units // ladders // 2))
            stretches = stretches // 2
        order = np.argsort(slot, kind="stable").reshape(ladders, k, each)
        member = states.assign(xi)[order][..., None] == np.arange(len(states) - 1)
        series = np.concatenate([xi[order[:, 0]], member.mean(axis=1)], axis=2)
        return replace(
            self._with_trips([s.read(TemperRecord) for s in segments]),
            cells=cells,
            mixing=self.mixing.with_readings(series[:, None]),
            stretches=stretches,
            readings=np.append(self.readings, each),
            isomers=self.isomers + int(np.count_nonzero(~same)),
            rounds=self.rounds + 1,
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

        All walkers descend from one start. What is left out is a share of the time, whatever was
        seen in it: a rule that looks for the most effective samples leaves out rare visits.
        """
        if not self.rounds or int(self.stretches[-1]) + 1 < LEAST_STRETCHES:
            return self, 0
        most = LEFT_OUT * self.readings.sum()
        ends = [int(self.readings[self.stretches <= d].sum()) for d in np.unique(self.stretches)]
        d = int(np.count_nonzero(np.array(ends) <= most))
        if not d:
            return self, 0
        cells, mixing = self.cells.since(d * self.ladders), self.mixing.since(ends[d - 1])
        rest = replace(self, cells=cells, mixing=mixing)
        return rest, int(np.count_nonzero(self.stretches < d))

    def density(self, problem: Problem) -> Array:
        """Probability of every bin at the lowest temperature, grid shape."""
        (pooled, cells), grid = self.cells.pooled(self.tau, self.ladders), problem.grid
        return np.exp(pooled.log_probability(cells[:, 0], grid.size)).reshape(grid.shape)

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
        (pooled, cells), grid = settled.cells.pooled(self.tau, self.ladders), problem.grid
        bins, members = cells[:, 0], cells[:, 1]
        log_p = pooled.log_probability(bins, grid.size)
        error = standard_error(pooled.influence(bins, grid.size))
        seen = np.isfinite(log_p)
        f = np.where(seen, np.max(log_p[seen], initial=-np.inf) - log_p, np.nan)
        f, error = f.reshape(grid.shape), np.where(seen, error, np.nan).reshape(grid.shape)
        values = _states(pooled, members, states.names)
        chains = list(settled.mixing.series[:, 0])
        circular = settled.mixing.circular.tolist()
        r_hat = {
            name: split_r_hat([one[:, c] for one in chains], periodic=circular[c])
            for c, name in enumerate(settled.mixing.names)
        }
        ess = float(settled.mixing.effective()[0])
        pairs = zip(itertools.pairwise(labels), self.acceptance.tolist(), strict=True)
        gaps = {f"{a}–{b}": value for (a, b), value in pairs}
        converged, unmet = judge(
            problem.criteria,
            (
                StateErrors({n: v.stderr_kT for n, v in values.items()}),
                SurfaceError(f, error),
                RHat(r_hat),
                EffectiveSamples(ess),
                ExchangeAcceptance(gaps),
                TemperatureTrips(self.round_trips),
                TwoStates(len(values)),
            ),
        )
        diagnostics: dict[str, Any] = {
            "ess": ess,
            "r_hat": float(np.max(list(r_hat.values()))),
            "acceptance": dict(acceptance),
            "round_trips": self.round_trips,
            "overlap": gaps,
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
        axes = dict(zip(problem.names, grid.centres, strict=True))
        return Estimate(axes, f, error, values, diagnostics, converged, unmet)


def _states(pooled: Pooled, members: Ints, names: Sequence[str]) -> dict[str, StateEstimate]:
    """F of every state against the first."""
    log_p = pooled.log_probability(members, len(names))
    push = pooled.influence(members, len(names))
    values = {}
    for i, name in enumerate(names):
        value = float(log_p[0] - log_p[i])
        error = float(standard_error(push[:, i] - push[:, 0])) if i else 0.0
        known = np.isfinite(value)
        values[name] = StateEstimate(
            value if known else None, error if known and np.isfinite(error) else None
        )
    return values
