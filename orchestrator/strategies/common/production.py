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
from msgen.orchestrator.strategies.common.regions import boxes_of
from msgen.orchestrator.strategies.common.replica_stretches import ReplicaStretches
from msgen.orchestrator.strategies.common.reweighting import sample_weights
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
    bins, states : Array, shapes (B, bins) and (B, states)
        Weight 1/B of the samples in each bin, surface after surface, and in each state.
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
    bias : Array, shape (R, T), or None
        ln of the bias under which the series was sampled, where states follow from samples.
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
    bias: Array | None = None

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
        none, width = np.zeros(0, dtype=np.int64), (sum(bins_of(problem)), n_states)
        bins, states = (np.zeros((0, w)) for w in width)
        series, labels = np.zeros((0, 0, problem.dim)), np.zeros((0, 0), dtype=np.int64)
        apart = ReplicaStretches.empty(0, sum(width))
        bias = np.zeros((0, 0)) if problem.on_points else None
        made = cls(none, none, bins, states, series, labels, Works.empty(), apart=apart, bias=bias)
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
        series, bias = np.concatenate([self.series, missed]), self.bias
        if bias is not None:
            bias = np.concatenate([bias, np.full((more, bias.shape[1]), np.nan)])
        stratum = np.array(stratum)
        apart = None if self.apart is None else self.apart.grown(len(bins))
        return replace(
            self,
            stratum=stratum,
            block=block,
            bins=bins,
            states=states,
            series=series,
            bias=bias,
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
        weight, log_bias = None, np.zeros(len(xi))
        if all("log_bias" in c for c in columns):
            log_bias = np.concatenate([c["log_bias"] for c in columns])[keep]
            weight = np.exp(-log_bias)
        block, b = self.block[replica], len(self.bins)
        surfaces = problem.marginals
        at_bins = np.hstack(
            [block_sums(s.index(xi), s.grid.size, block, b, weight) for s in surfaces]
        )
        at_states = block_sums(states.assign(xi), len(states), block, b, weight)
        number = np.unique(replica, return_counts=True)[1]
        series, spacing, stride = with_readings(self.series, xi, replica, self.spacing, self.stride)
        bias = self.bias
        if bias is not None:
            own = (replica, self.spacing, self.stride)
            bias = with_readings(bias[:, :, None], log_bias[:, None], *own)[0][:, :, 0]
        flat = states.assign(series.reshape(-1, problem.dim))
        works = Works.of(segments).of_replicas(counted)
        return replace(
            self,
            bins=self.bins + at_bins,
            states=self.states + at_states,
            series=series,
            bias=bias,
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

    def seen(self, f: Array) -> tuple[Array, Array]:
        """CVs of the series, shape (n, C), and their weights, which sum to 1.

        `f`, shape (K,), of the strata: those of one weigh as much as that, shared by the bias.
        """
        r, t, dim = self.series.shape
        bias = np.zeros((r, t)) if self.bias is None else self.bias
        xi, b = self.series.reshape(r * t, dim), bias.reshape(r * t)
        stratum = np.repeat(self.stratum, t)
        known = np.isfinite(xi).all(axis=1) & np.isfinite(b) & np.isfinite(f[stratum])
        return xi[known], sample_weights(f, stratum[known], b[known])

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
        sizes = bins_of(problem)
        parts = self._populations(sizes, n_strata, network)
        if bridge is None and network.n_clusters != 1:
            parts = self._cut(sizes, parts, stratified, effective)
        found = FreeEnergies.of_populations(problem, parts[:-1], parts[-1], names)
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
            "overlap": {f"{names[a]}–{names[b]}": v.value for (a, b), v in overlaps.items()},
            "paths": len(self.works),
            "hidden": hidden.diagnostics(problem.criteria),
            **extra,
        }
        if not stratified:  # else each stays in its state, and works join them
            pairs_of = ((a, b) for a in range(len(names)) for b in range(a))
            diagnostics["round_trips"] = int(sum(trips[pair] for pair in pairs_of))
        told = found.judged(
            problem,
            diagnostics,
            extent,
            first=(NeverFound(missing), hidden),
            then=(RHat(r_hat), EffectiveSamples(ess), TwoStates(len(names)), joined),
        )
        if problem.on_points and problem.boxes is None:
            told = replace(told, regions=boxes_of(states, problem.names))
        return told

    def _chains(self, stratum: int) -> list[Array]:
        """The series of a stratum's replicas, without the rounds they missed."""
        mine = self.series[self.stratum == stratum]
        return [one[np.isfinite(one[:, 0])] for one in mine]

    def memories(self, problem: Problem) -> float:
        """Times that a replica of all states has forgotten where it was, by CVs and states."""
        k = self.states.shape[1]
        chains = []
        for xi, labels in zip(self.series, self.labels, strict=True):
            here = np.isfinite(xi[:, 0])
            chains.append(np.hstack([xi[here], labels[here, None] == np.arange(k)]))
        circular = [*problem.periodic, *[False] * k]
        return _memories({0: effective_samples(chains, circular)}, {0: chains})

    @property
    def owner(self) -> Ints:
        """Stratum of each block, shape (B,)."""
        owner = np.zeros(len(self.bins), dtype=np.int64)
        owner[self.block] = self.stratum
        return owner

    def populations(
        self, bins: Sequence[int], periodic: Sequence[bool], *, stratified: bool
    ) -> tuple[Populations, ...]:
        """Of surfaces with so many bins each, and of the states, as `estimate` has them."""
        network, n_strata = solve_network(1, []), 1
        if stratified:
            network, n_strata = self.network, self.states.shape[1]
        parts = self._populations(bins, n_strata, network)
        if network.n_clusters == 1:
            return parts
        chains = {int(s): self._chains(s) for s in np.unique(self.stratum)}
        effective = {s: effective_samples(c, list(periodic)) for s, c in chains.items()}
        return self._cut(bins, parts, stratified, effective)

    def _populations(
        self, bins: Sequence[int], n_strata: int, network: NetworkResult
    ) -> tuple[Populations, ...]:
        """Of each surface's bins and of states, by whole blocks; a bridge's sampled nothing."""
        blocks = max(len(self.bins), int(network.blocks.max(initial=-1)) + 1)
        sums = np.zeros((n_strata, blocks, self.bins.shape[1] + self.states.shape[1]))
        sums[self.owner, np.arange(len(self.bins))] = np.hstack([self.bins, self.states])
        return _of_sums(sums, bins, network)

    def _cut(
        self,
        bins: Sequence[int],
        whole: tuple[Populations, ...],
        stratified: bool,
        effective: Mapping[int, float],
    ) -> tuple[Populations, ...]:
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
        cut = _of_sums(sums, bins, network, units)
        return tuple(replace(part, whole=one) for part, one in zip(cut, whole, strict=True))


def bins_of(problem: Problem) -> tuple[int, ...]:
    """How many each surface has."""
    return tuple(surface.grid.size for surface in problem.marginals)


def _of_sums(
    sums: Array, bins: Sequence[int], network: NetworkResult, units: Units | None = None
) -> tuple[Populations, ...]:
    """Populations of the bins of each surface, and of the states, from sums (strata, U, labels)."""
    parts = np.split(sums, np.cumsum(bins), axis=2)
    return tuple(combine(part, network, units) for part in parts)


def _memories(effective: Mapping[int, float], chains: Mapping[int, Sequence[Array]]) -> float:
    """Effective samples of the longest chain, where they are fewest of all strata."""
    each = []
    for stratum, group in chains.items():
        length = [len(one) for one in group]
        if sum(length):
            each.append(effective[stratum] * max(length) / sum(length))
    return min(each, default=float("nan"))
