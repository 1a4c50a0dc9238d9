"""The bidirectional profile along one CV, gathered round by round on the grid of the surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.base import ProfileEstimate
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.estimators.works.bidirectional import Readings, log_weights, profile
from msgen.orchestrator.estimators.works.network import NetworkResult
from msgen.orchestrator.estimators.works.reading_density import Fine, Reach
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.flattening import Flattener
from msgen.systems.base import Array

TAILS = 0.1
"""Share of ends that are spread evenly over the range of the CV."""
MOST_ALONE = 0.5
"""Relative error of a bin's population, not inflated, above which fewer than four blocks carry it:
its true error is then anybody's guess, and it is not reported."""
LEAST_WEIGHT = 0.01
"""Of the pair of strata that is crossed best: no pair counts for less."""
_LARGEST = 650.0
"""ln of the largest weight of a reading, so that sums over all stay numbers."""


@dataclass(frozen=True)
class Profiling:
    """Sums of weights over the readings of frozen rounds, in independent blocks.

    The sums need ΔF in their weights when they are made; that of the rounds before does, see
    `bidirectional.log_weights`, so that no reading has to be kept.

    Attributes
    ----------
    reach : Reach
    log_ratio : Array, shape (K, K)
    f : Array, shape (K,)
        Free energies of the strata as last looked at.
    bins : Array, shape (B, grid size)
    paths : Array, shape (B,)
    """

    reach: Reach
    log_ratio: Array
    f: Array
    bins: Array
    paths: Array

    @classmethod
    def start(
        cls,
        problem: Problem,
        schedule: Schedule,
        strata: Partition,
        flatteners: Mapping[int, Flattener],
        stratum: NDArray[np.int64],
        works: Works,
    ) -> Profiling:
        """Freeze how ends are weighed, from what the adaptation has seen.

        Parameters
        ----------
        schedule : Schedule
            Of the paths in production, with their readings.
        flatteners : mapping of int to Flattener
            The adaptation's histograms of each stratum.
        stratum : int array, shape (R,)
            Where each replica is kept in production.
        works : Works
            Of the adaptation.
        """
        k, edges = len(strata), problem.grid.edges[0]
        fine = Fine.of(edges, problem.grid.periodic[0])
        ends = np.zeros((k, fine.number))
        for number, seen in flatteners.items():
            ends[number] = _ends(problem, seen.populations(), fine)
        f, weight = np.zeros(1), np.ones((1, 1))
        if k > 1:
            f = works.network(k).f
            weight = _crossed(works, f, k, np.unique(stratum))
        replicas = np.maximum(np.bincount(stratum, minlength=k), 1)
        log_ratio = np.log(replicas[:, None] / replicas[None, :])
        g = None if schedule.exact else schedule.g
        reach = Reach.of(fine, ends, strata, schedule.read_at, weight, g)
        none = np.zeros((0, problem.grid.size))
        return cls(reach, log_ratio, f, none, np.zeros(0))

    def with_round(
        self,
        problem: Problem,
        segments: Sequence[Segment],
        known: NetworkResult | None,
        block: NDArray[np.int64],
        counted: NDArray[np.bool_],
    ) -> Profiling:
        """With a round's paths.

        Parameters
        ----------
        known : NetworkResult or None
            Of rounds of production before this one, where it has been looked at anew.
        block : int array, shape (R,)
            What each replica is counted to.
        counted : bool array, shape (R,)
            Whether it counts.
        """
        more = int(block.max()) + 1 - len(self.bins)
        bins = np.concatenate([self.bins, np.zeros((more, problem.grid.size))])
        paths = np.concatenate([self.paths, np.zeros(more)])
        free_energies = self.f
        if known is not None and known.connected and len(self.f) > 1:
            free_energies = known.f
        f = np.nan_to_num(free_energies)  # unknown: any number does, if none does well
        for samples in (s.samples for s in segments if "profile_work" in s.samples):
            replica = samples["path_replica"].astype(np.int64)
            readings = _readings(samples, self.reach)
            keep = counted[replica]
            weight = log_weights(readings, f, self.log_ratio) - self.reach.log_at(readings.xi)
            weight = np.where(keep[:, None], np.exp(np.minimum(weight, _LARGEST)), 0.0)
            label = problem.grid.index(readings.xi.reshape(-1, 1))
            mine = np.repeat(block[replica], readings.xi.shape[1])
            bins += block_sums(label, problem.grid.size, mine, len(bins), weight.reshape(-1))
            paths += np.bincount(block[replica[keep]], minlength=len(paths))
        return replace(self, f=free_energies, bins=bins, paths=paths)

    def estimate(
        self, problem: Problem, network: NetworkResult, owner: NDArray[np.int64]
    ) -> ProfileEstimate | None:
        """The profile with its errors; None while nothing is known of it.

        `owner`, shape (B,): the stratum of each block.
        """
        k, b = len(network.f), len(self.bins)
        sums, paths = np.zeros((k, b, problem.grid.size)), np.zeros((k, b))
        sums[owner[:b], np.arange(b)] = self.bins
        paths[owner[:b], np.arange(b)] = self.paths
        found = profile(sums, paths, network)
        # one over the root of the number of blocks that a bin rests on
        alone = np.nan_to_num(found.stderr / found.scale, nan=np.inf)
        inside = self.reach.covers(problem.grid.edges[0]) & (alone < MOST_ALONE)
        if not inside.any():
            return None
        f = np.where(inside, found.f - np.where(inside, found.f, np.inf).min(), np.nan)
        return ProfileEstimate(f, np.where(inside, found.stderr, np.nan), int(self.paths.sum()))


def with_readings(
    profile: Profiling | None,
    problem: Problem,
    segments: Sequence[Segment],
    production: Production,
    counted: NDArray[np.bool_],
) -> Profiling | None:
    """With a round's readings, before `production` has the works of these paths."""
    if profile is None:
        return None
    known, rounds = None, production.rounds
    # ΔF changes less and less: looking again rarely is as good, and costs a solution each time
    if len(profile.f) > 1 and (rounds in (1, 2, 4) or (rounds and rounds % 8 == 0)):
        known = production.network
    return profile.with_round(problem, segments, known, production.block, counted)


def _ends(problem: Problem, populations: Array, fine: Fine) -> Array:
    """Density of λ at the ends of paths: what was seen of a stratum, and evenly spread tails."""
    grid, period = problem.grid, None
    low, high = float(problem.lower[0]), float(problem.upper[0])
    if fine.periodic:
        period = high - low
    c = fine.centres
    seen = np.interp(c, grid.centres[0], populations, period=period)
    inside = (c >= low) & (c <= high)
    even = inside / max(int(inside.sum()), 1)
    seen = seen * inside
    return np.asarray((1.0 - TAILS) * seen / max(float(seen.sum()), 1e-300) + TAILS * even)


def _crossed(works: Works, f: Array, k: int, inhabited: NDArray[np.int64]) -> Array:
    """Weight of each pair of strata: how well it is crossed, as the adaptation saw it; (K, K)."""
    chance, out = works.crossing(f), np.zeros((k, k))
    for a in inhabited:
        for b in inhabited:
            both = works.between(int(a), int(b)) | works.between(int(b), int(a))
            if a != b:
                out[a, b] = float(chance[both].mean()) if both.any() else 0.0
    largest = float(out.max()) if out.max() > 0.0 else 1.0
    apart = (inhabited[:, None] != inhabited[None, :]).astype(np.float64)
    out[np.ix_(inhabited, inhabited)] = np.maximum(
        out[np.ix_(inhabited, inhabited)], LEAST_WEIGHT * largest * apart
    )
    return out


def _readings(samples: Mapping[str, NDArray[Any]], reach: Reach) -> Readings:
    """The paths of a segment as the estimator takes them."""
    source, target = (samples[name].astype(np.int64) for name in ("source", "target"))
    start, stop = (samples[name][:, 0] for name in ("lambda_start", "lambda_stop"))
    log_start = samples["profile_start"] + reach.log_ends(start, stop, source, target)
    xi, work = samples["profile_xi"], samples["profile_work"]
    return Readings(source, target, samples["work"], xi, work, log_start)
