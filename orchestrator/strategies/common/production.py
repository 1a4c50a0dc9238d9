"""What the production phase has gathered, and the free energies that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, Extent
from msgen.orchestrator.convergence.base import Criterion
from msgen.orchestrator.convergence.sampling import EffectiveSamples, RHat
from msgen.orchestrator.convergence.states import NeverFound, TwoStates
from msgen.orchestrator.convergence.transitions import Passages, Transitions
from msgen.orchestrator.convergence.works import WorkOverlaps
from msgen.orchestrator.estimators.diagnostics import (
    effective_samples,
    passages,
    round_trips,
)
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.estimators.left_out import Bounded
from msgen.orchestrator.estimators.stratified import Populations, combine
from msgen.orchestrator.estimators.units import Units
from msgen.orchestrator.estimators.works.network import (
    NetworkResult,
    by_other_blocks,
    solve_network,
)
from msgen.orchestrator.strategies.common.blocks import blocks_of
from msgen.orchestrator.strategies.common.free_energies import FreeEnergies
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.readings import with_readings, worst_r_hat
from msgen.orchestrator.strategies.common.replica_stretches import ReplicaStretches
from msgen.orchestrator.strategies.common.watching import (
    WatchedSeries,
    hidden_slowness,
    with_watched,
)
from msgen.orchestrator.strategies.common.works import Works
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Production:
    """Sums over frozen rounds, in independent blocks: a replica each, several where there are many.

    Attributes
    ----------
    stratum, block : int array, shape (R,)
        Where each replica is kept, and what it is counted to; a block is of one stratum.
    bins, states : Array, shapes (B, grid size) and (B, states)
        Weight 1/B of the samples in each bin and state.
    series : Array, shape (R, T, C)
        Thinned CVs; NaN while a replica was not there, rested or did not count yet.
    labels : int array, shape (R, T)
        Their states; −1 there.
    works : Works
    rounds : int
    stride : int
        Only every `stride`-th reading goes into the series.
    apart : ReplicaStretches or None
        The sums by stretch of time, where blocks are few.
    spacing : int
        Samples from one reading to the next; 0 before the first.
    watched : WatchedSeries or None
        None before anything was watched, as in a run of a version that did not.
    descent : int array, shape (R,), or None
        The start that each replica comes from; None where that is not known, or the same for all.
    """

    stratum: NDArray[np.int64]
    block: NDArray[np.int64]
    bins: Array
    states: Array
    series: Array
    labels: NDArray[np.int64]
    works: Works
    rounds: int = 0
    stride: int = 1
    apart: ReplicaStretches | None = None
    spacing: int = 0
    watched: WatchedSeries | None = None
    descent: NDArray[np.int64] | None = None

    @classmethod
    def start(
        cls,
        problem: Problem,
        stratum: NDArray[np.int64],
        n_states: int,
        ancestor: NDArray[np.int64] | None = None,
        descent: NDArray[np.int64] | None = None,
    ) -> Production:
        """Nothing gathered yet; `ancestor` as in `grown`."""
        none, width = np.zeros(0, dtype=np.int64), (problem.grid.size, n_states)
        bins, states = (np.zeros((0, w)) for w in width)
        series, labels = np.zeros((0, 0, problem.dim)), np.zeros((0, 0), dtype=np.int64)
        apart = ReplicaStretches.empty(0, sum(width))
        made = cls(none, none, bins, states, series, labels, Works.empty(), apart=apart)
        return replace(made.grown(stratum, ancestor), descent=descent)

    def grown(
        self,
        stratum: NDArray[np.int64],
        ancestor: NDArray[np.int64] | None = None,
        descent: NDArray[np.int64] | None = None,
    ) -> Production:
        """With room for replicas that came since; `stratum` is of all, the new ones last.

        `ancestor`, shape (R,): whose copy each is, itself for none; see `ReplicaPool`.
        """
        more = len(stratum) - len(self.stratum)
        if not more:
            return self
        block = blocks_of(stratum, self.block, ancestor)
        blocks = int(block.max()) + 1 - len(self.bins)
        bins, states = (
            np.concatenate([a, np.zeros((blocks, a.shape[1]))]) for a in (self.bins, self.states)
        )
        missed = np.full((more, *self.series.shape[1:]), np.nan)
        series = np.concatenate([self.series, missed])
        stratum = np.array(stratum)
        apart = None if self.apart is None else self.apart.grown(len(bins))
        return replace(
            self,
            stratum=stratum,
            block=block,
            bins=bins,
            states=states,
            series=series,
            apart=apart,
            descent=descent,
            watched=None if self.watched is None else self.watched.grown(len(stratum)),
        )

    def with_round(
        self,
        problem: Problem,
        states: Partition,
        segments: Sequence[Segment],
        counted: NDArray[np.bool_] | None = None,
    ) -> Production:
        """With a round's segments; of the replicas that are `counted`, shape (R,), if given."""
        r = len(self.stratum)
        counted = np.ones(r, dtype=bool) if counted is None else counted
        columns = [s.samples for s in segments if "cvs" in s.samples]
        replica = np.concatenate([c["replica"] for c in columns]).astype(np.int64)
        keep = np.flatnonzero(counted[replica])
        # replica after replica, each in the order of time
        keep = keep[np.argsort(replica[keep], kind="stable")]
        xi, replica = np.concatenate([c["cvs"] for c in columns])[keep], replica[keep]
        weight = None
        if all("log_bias" in c for c in columns):
            weight = np.exp(-np.concatenate([c["log_bias"] for c in columns])[keep])
        block, b = self.block[replica], len(self.bins)
        grid = problem.grid
        at_bins = block_sums(grid.index(xi), grid.size, block, b, weight)
        at_states = block_sums(states.assign(xi), len(states), block, b, weight)
        number = np.unique(replica, return_counts=True)[1]
        series, spacing, stride = with_readings(self.series, xi, replica, self.spacing, self.stride)
        flat = states.assign(series.reshape(-1, problem.dim))
        works = Works.of(segments).of_replicas(counted)
        return replace(
            self,
            bins=self.bins + at_bins,
            states=self.states + at_states,
            series=series,
            apart=self._apart_with(np.hstack([at_bins, at_states]), number, len(works)),
            labels=flat.reshape(series.shape[:2]),
            works=self.works.and_(works),
            rounds=self.rounds + 1,
            stride=stride,
            spacing=spacing,
            watched=with_watched(self.watched, problem, r, states, segments, counted),
        )

    def _apart_with(self, added: Array, readings: Ints, paths: int) -> ReplicaStretches | None:
        """With a round's sums, the readings of each replica that counted, and all their paths."""
        if self.apart is None:
            return None
        least = int(readings.min()) if len(readings) else 0
        return self.apart.with_round(added, least, paths)

    @property
    def network(self) -> NetworkResult:
        """The works between the states, solved together with the blocks of the samples."""
        return self.works.network(self.states.shape[1], self.block)

    def estimate(
        self,
        problem: Problem,
        states: Partition,
        stratified: bool,
        acceptance: Mapping[str, float],
        extra: Mapping[str, Any],
        missing: Sequence[str] = (),
        bridge: tuple[NetworkResult, Mapping[tuple[int, int], Bounded]] | None = None,
    ) -> Estimate:
        """Free energies with one error each, and the verdict on convergence.

        `bridge` joins strata otherwise than by the works: their free energies, with influences of
        the blocks and of others after them, and the overlap of each pair that they rest on.
        """
        n_strata = int(self.stratum.max()) + 1 if len(self.stratum) else 1
        overlaps: Mapping[tuple[int, int], Bounded] = {}
        if stratified:
            n_strata = len(states)
        if bridge is not None:
            network, overlaps = bridge
        elif stratified:
            network = self.network
            overlaps = self.works.overlaps(network.f)
        else:
            network = solve_network(1, [])
        names = states.names
        chains = {int(s): self._chains(s) for s in np.unique(self.stratum)}
        r_hat = worst_r_hat(problem.names, problem.periodic, list(chains.values()))
        effective = {s: effective_samples(c, list(problem.periodic)) for s, c in chains.items()}
        ess = min((n for s, n in effective.items() if chains[s]), default=0.0)
        extent = Extent(self.rounds, _memories(effective, chains))
        bins, at_states = self._populations(problem, n_strata, network)
        if bridge is None and network.n_clusters != 1:
            bins, at_states = self._cut(problem, (bins, at_states), stratified, effective)
        found = FreeEnergies.of_populations(problem, bins, at_states, names)
        trips = round_trips(list(self.labels), len(states))
        left, returned = passages(list(self.labels), len(states))
        joined: Criterion = Transitions(
            names,
            {
                (names[a], names[b]): int(trips[a, b])
                for a in range(len(names))
                for b in range(a + 1, len(names))
            },
            {n: Passages(int(left[k]), int(returned[k])) for k, n in enumerate(names)},
        )
        if stratified:
            pairs = {(names[a], names[b]): v for (a, b), v in overlaps.items()}
            joined = WorkOverlaps(names, pairs)
        works = self.works if stratified else None
        hidden = hidden_slowness(problem, states, self.watched, self.descent, works, network.f)
        diagnostics: dict[str, Any] = {
            "ess": float(ess),
            "r_hat": max((r.value for r in r_hat.values()), default=float("nan")),
            "acceptance": dict(acceptance),
            "round_trips": int(sum(trips[a, b] for a in range(len(names)) for b in range(a))),
            "overlap": {f"{names[a]}–{names[b]}": v.value for (a, b), v in overlaps.items()},
            "paths": len(self.works),
            "hidden": hidden.diagnostics(problem.criteria),
            **extra,
        }
        return found.judged(
            problem,
            diagnostics,
            extent,
            first=(NeverFound(missing), hidden),
            then=(RHat(r_hat), EffectiveSamples(ess), TwoStates(len(names)), joined),
        )

    def _chains(self, stratum: int) -> list[Array]:
        """The series of a stratum's replicas, without the rounds they missed."""
        mine = self.series[self.stratum == stratum]
        return [one[np.isfinite(one[:, 0])] for one in mine]

    @property
    def owner(self) -> Ints:
        """Stratum of each block, shape (B,)."""
        owner = np.zeros(len(self.bins), dtype=np.int64)
        owner[self.block] = self.stratum
        return owner

    def _populations(
        self, problem: Problem, n_strata: int, network: NetworkResult
    ) -> tuple[Populations, Populations]:
        """Of bins and of states, by whole blocks; those of a bridge sampled nothing."""
        blocks = max(len(self.bins), int(network.blocks.max(initial=-1)) + 1)
        sums = np.zeros((n_strata, blocks, problem.grid.size + self.states.shape[1]))
        sums[self.owner, np.arange(len(self.bins))] = np.hstack([self.bins, self.states])
        return _of_sums(sums, problem.grid.size, network)

    def _cut(
        self,
        problem: Problem,
        whole: tuple[Populations, Populations],
        stratified: bool,
        effective: Mapping[int, float],
    ) -> tuple[Populations, Populations]:
        """With errors by stretch of time, where blocks are few; `effective` samples by stratum."""
        if self.apart is None or (stratified and self.apart.paths is None):
            return whole
        units, number = self.apart.units(self.owner, effective)
        if len(units.group) == len(np.unique(units.member)):
            return whole
        network, n_strata = solve_network(1, []), 1
        if stratified:
            n_strata = self.states.shape[1]
            unit = self.apart.works(number, self.works.started_by(self.block))
            network = by_other_blocks(self.network, self.works.in_blocks(unit))
        sums = self.apart.by_unit(self.owner, number, n_strata)
        cut = _of_sums(sums, problem.grid.size, network, units)
        return replace(cut[0], whole=whole[0]), replace(cut[1], whole=whole[1])


def _of_sums(
    sums: Array, bins: int, network: NetworkResult, units: Units | None = None
) -> tuple[Populations, Populations]:
    """Populations of bins and of states from sums (strata, U, labels) of both."""
    return combine(sums[:, :, :bins], network, units), combine(sums[:, :, bins:], network, units)


def _memories(effective: Mapping[int, float], chains: Mapping[int, Sequence[Array]]) -> float:
    """Effective samples of the longest chain, where they are fewest of all strata."""
    each = []
    for stratum, group in chains.items():
        length = [len(one) for one in group]
        if sum(length):
            each.append(effective[stratum] * max(length) / sum(length))
    return min(each, default=float("nan"))
