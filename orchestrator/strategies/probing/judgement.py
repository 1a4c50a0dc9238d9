"""What becomes of probes that came back: known, to be looked at again, or a basin of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment
from msgen.actors.orders.probe import ProbeRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.estimators.completeness.features import Features
from msgen.orchestrator.estimators.completeness.region import Region, alike
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.orchestrator.strategies.probing.state import Basin, Candidate, Probes, Rows
from msgen.systems.base import Array

TOO_HIGH, EACH = 12.0, 1.5
"""kT above the mean energy of what counts, and for every coordinate, from which a basin of a
potential cannot weigh enough to be seen: it would have to be e times as wide in every second
one."""
RELEASE = 1e-3
"""Share of the evaluations of production for which a walker has to stay in a basin."""


def features_of(problem: Problem) -> Features:
    """The CVs, and what is watched but the energy."""
    beside = problem.watched_names[:-1]
    turning = np.concatenate([problem.periodic, problem.watched_periodic[: len(beside)]])
    return Features((*problem.names, *beside), turning.astype(bool), problem.dim)


def looked_again(
    features: Features,
    probes: Probes,
    parts: Sequence[Sequence[int]],
    segments: Sequence[Segment],
) -> Probes:
    """Those that waited, as they are after another look, and without those that it broke.

    `parts` are those that shared an order, as they were when the round began.
    """
    waiting: list[Candidate | None] = list(probes.waiting)
    broken = 0
    for part, segment in zip(parts, segments, strict=True):
        done = segment.read(ProbeRecord)
        runs = features.flat(done.readings)
        for row, k in enumerate(part):
            before = probes.waiting[k]
            if not np.isfinite(runs[row]).all():
                waiting[k], broken = None, broken + before.times
                continue
            one = done.walkers.take(np.array([row]))
            weight = None if done.log_weight is None else float(done.log_weight[row])
            waiting[k] = replace(
                before,
                walkers=one,
                run=runs[row],
                looks=before.looks + 1,
                length=before.length + segment.evaluations / len(part),
                moved=not alike(before.run, runs[row]),
                log_weight=weight,
            )
    left = tuple(one for one in waiting if one is not None)
    return replace(probes, waiting=left, made=probes.made - broken, broken=probes.broken + broken)


def came_back(
    problem: Problem,
    features: Features,
    probes: Probes,
    segments: Sequence[Segment],
    region: Region | None,
) -> Probes:
    """With new probes: each in a basin that was found before, known, or a candidate.

    Where nothing counts, or too little to know a region by, all of them are candidates.
    """
    for segment in segments:
        done = segment.read(ProbeRecord)
        runs = features.flat(done.readings)
        whole = np.asarray(np.isfinite(runs).all(axis=(1, 2)))
        isomers = dict(probes.isomers)
        keep = []
        for row, flipped in enumerate(done.flipped):
            if flipped and not problem.any_isomer:
                isomers[flipped] = isomers.get(flipped, 0) + 1
            elif whole[row]:
                keep.append(row)
        broken = probes.broken + int((~whole).sum())
        probes = replace(probes, isomers=isomers, broken=broken, made=probes.made + len(keep))
        # a broken one is nowhere, and not looked up
        looks = region.outside(runs[keep]) if keep and region is not None else [None] * len(keep)
        for row, look in zip(keep, looks, strict=True):
            if (told := _in_a_basin(probes, runs[row])) is not None:
                probes = told
            elif region is not None and look is None:
                continue
            elif _too_high(problem, probes, done.energy[row]):
                probes = replace(probes, high=probes.high + 1)
            else:
                probes = _with(probes, done.walkers.take(np.array([row])), runs[row])
    return probes


def judged(probes: Probes, region: Region | None) -> Probes:
    """Only those still wait that are outside of what production has covered by now.

    Moves that leave the density alone come to a basin of mass m as often as they leave it: who
    stays for τ there is left, in a time T of production, some m T/τ times. So what production
    never came to in T weighs no more than about 3 τ/T, and is a basin to go back for only if it
    was stayed in for `RELEASE` of T.
    """
    if region is None or not probes.waiting:
        return probes
    looks = region.outside(np.stack([one.run for one in probes.waiting]))
    long = RELEASE * probes.visits.spent
    left = [
        replace(one, shown=look.features, stayed=one.looks > 0 and one.length >= long)
        for one, look in zip(probes.waiting, looks, strict=True)
        if look is not None
    ]
    gone = [one for one, look in zip(probes.waiting, looks, strict=True) if look is None]
    # where one has not moved, production has come to it
    released = sum(one.times for one in gone if one.looks and one.moved)
    return replace(probes, waiting=tuple(left), released=probes.released + released)


def proposed(probes: Probes) -> Probes:
    """Without candidates that the frozen q of production would have proposed if they weighed much.

    Of many basins, each of which weighs next to nothing, no production visits all; see
    `Visits.heaviest`.
    """
    limit = probes.visits.heaviest
    known = [w is not None and w <= limit for w in (one.log_weight for one in probes.waiting)]
    if not any(known):
        return probes
    pairs = list(zip(probes.waiting, known, strict=True))
    return replace(
        probes,
        waiting=tuple(one for one, here in pairs if not here),
        proposed=probes.proposed + sum(one.times for one, here in pairs if here),
    )


def found(features: Features, probes: Probes) -> tuple[Probes, Finds | None]:
    """Candidates that stayed where they were are basins; and these, to begin again from."""
    stayed = [one for one in probes.waiting if one.stayed]
    if not stayed:
        return probes, None
    kept: list[Candidate] = []
    for one in stayed:
        same = [k for k, other in enumerate(kept) if alike(one.run, other.run)]
        if same:
            twin = kept[same[0]]
            kept[same[0]] = replace(twin, times=twin.times + one.times)
        else:
            kept.append(one)
    basins = [Basin(one.run, one.place(features), one.times, learnt=True) for one in kept]
    xi = np.array([_cvs(features, one.run)[-1] for one in kept])
    trail = np.stack([_cvs(features, one.run) for one in kept])
    walkers = WalkerRows.join([one.walkers for one in kept]).without_velocities()
    left = tuple(one for one in probes.waiting if not one.stayed)
    told = replace(probes, waiting=left, basins=(*probes.basins, *basins))
    return told, Finds(walkers, xi, trail)


def unvisited(probes: Probes, region: Region | None) -> list[Basin]:
    """Basins that the campaign did not go back for, and that production does not cover."""
    alone = [b for b in probes.basins if not b.learnt]
    if region is None or not alone:
        return alone
    looks = region.outside(np.stack([b.run for b in alone]))
    return [b for b, look in zip(alone, looks, strict=True) if look is not None]


def _cvs(features: Features, run: Rows) -> Array:
    """CVs of every reading, shape (m, C); angles from their cos and sin."""
    parts = []
    for columns in features.columns[: features.cvs]:
        one = run[:, columns].astype(np.float64)
        parts.append(one[:, 0] if len(columns) == 1 else np.arctan2(one[:, 1], one[:, 0]))
    return np.stack(parts, axis=1)


def _in_a_basin(probes: Probes, run: Rows) -> Probes | None:
    """With one more probe in the basin, or the candidate, that a run stayed in; None: in none."""
    for k, basin in enumerate(probes.basins):
        if alike(run, basin.run):
            more = replace(basin, times=basin.times + 1)
            return replace(probes, basins=(*probes.basins[:k], more, *probes.basins[k + 1 :]))
    for k, one in enumerate(probes.waiting):
        if alike(run, one.run):
            again = replace(one, times=one.times + 1)
            return replace(probes, waiting=(*probes.waiting[:k], again, *probes.waiting[k + 1 :]))
    return None


def _with(probes: Probes, walkers: WalkerRows, run: Rows) -> Probes:
    return replace(probes, waiting=(*probes.waiting, Candidate(walkers, run)))


def _too_high(problem: Problem, probes: Probes, energy: Array) -> bool:
    """Whether a basin lies so high that it could not weigh anything."""
    if not problem.batched or not probes.visits.energies:
        return False
    above = float(np.median(energy[len(energy) // 2 :])) - probes.visits.energy
    return above > TOO_HIGH + EACH * len(problem.masses)
