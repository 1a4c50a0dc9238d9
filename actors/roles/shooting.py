"""Shots of transition paths: legs by the local dynamics, tested against each chain's path."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import exact
from msgen.actors.context import WorkerContext
from msgen.actors.engines.local_kernel import local_kernel
from msgen.actors.kernels.base import BoltzmannTarget, Mask
from msgen.actors.kernels.langevin import Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.actors.kernels.shooting import (
    AimlessShooting,
    DensityShooting,
    Present,
    Region,
    Shots,
)
from msgen.actors.kernels.two_way import Legs, Stepped
from msgen.actors.orders.shooting import Ints, PathRows, ShootPayload, ShootRecord, ShotRows
from msgen.actors.roles.independence_run import defended
from msgen.systems.base import Array
from msgen.systems.pause import pause


def shoot(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Shots of some chains of transition paths.

    Payload and record: `ShootPayload`, `ShootRecord`. Samples, chain after chain, of the path that
    each has at the end: 'path_cvs' with 'path_replica'; and of every shot 'point_cvs', 'accepted'
    and 'log_weight'.
    """
    p = order.read(ShootPayload)
    kernel = _dynamics(context)
    region = _region(context, p)
    target = BoltzmannTarget(context.system)
    legs = Legs(p.paths.positions, p.paths.log_density, p.paths.reversal)
    present, rows, evaluations = Present(legs, p.paths.there), [], 0
    n, frames = len(p.paths), p.paths.log_density.shape[1]
    if p.window is not None:
        aimless = AimlessShooting(kernel, frames, p.stride, p.window)
        for _ in range(p.shots):
            pause()
            done, shots = aimless.step(target, region, present, rng)
            present, evaluations = done.present, evaluations + shots.evaluations
            rows.append(_told(context, shots, p.replicas, done.accepted))
    else:
        assert p.broad is not None
        seen = exact(context)
        q = defended(context, order.model_version, seen, p.broad, p.epsilon)
        free = DensityShooting(kernel, q, seen, frames, p.stride)
        share = np.full(n, np.nan)
        if present.there.any():
            share[present.there] = free.log_share(present.legs.take(present.there))
        # they do not depend on where the chains are: all at once
        drawn = free.shoot(target, region, n * p.shots, rng)
        evaluations = drawn.evaluations
        for k in range(p.shots):
            shots = _some(drawn, np.arange(k * n, (k + 1) * n))
            done, share = free.test(present, share, shots, rng)
            present = done.present
            rows.append(_told(context, shots, p.replicas, done.accepted, free))
    told = ShotRows.join(rows)
    paths = PathRows(*present.legs, present.there)
    kept = paths.positions[paths.there]
    flat = kept.reshape(-1, kept.shape[2])
    learnt = flat[region(flat) < 0] if p.learn else flat[:0]
    return Segment(
        order.key,
        samples={
            "path_cvs": context.cvs(flat),
            "path_replica": np.repeat(p.replicas[paths.there].astype(np.float64), frames),
            "point_cvs": told.xi,
            "accepted": told.accepted.astype(np.float64),
            "log_weight": told.log_weight,
        },
        carry=encode(ShootRecord(paths, told, exact(context).encode(learnt))),
        counts={
            "shooting_proposed": float(len(told)),
            "shooting_accepted": float(told.accepted.sum()),
            "local_evaluations": float(evaluations),
        },
        evaluations=evaluations,
        model_version=order.model_version,
    )


def _dynamics(context: WorkerContext) -> Stepped:
    kernel = local_kernel(context.setup["strategy"]["local"], context.system, None)
    assert isinstance(kernel, Overdamped | Mala | Langevin)
    return kernel


def _region(context: WorkerContext, p: ShootPayload) -> Region:
    """0 where paths begin, 1 where they end, −1 elsewhere."""
    of = np.full(len(p.states) + 1, -1, dtype=np.int64)
    of[list(p.ends)] = 0, 1

    def region(positions: Array) -> Ints:
        return of[p.states.assign(context.cvs(positions))]

    return region


def _some(shots: Shots, rows: Ints) -> Shots:
    legs = shots.legs.take(rows)
    return Shots(legs, shots.label[rows], shots.origin[rows], shots.log_share[rows], 0)


def _told(
    context: WorkerContext,
    shots: Shots,
    replicas: Ints,
    accepted: Mask,
    free: DensityShooting | None = None,
) -> ShotRows:
    """Of each shot what estimates rest on."""
    n = len(shots.label)
    every = np.arange(n)
    x = shots.legs.positions[every, shots.origin]
    log_point = np.full(n, np.nan)
    if free is not None:
        log_rho = shots.legs.log_density[every, shots.origin]
        log_point = log_rho - free.log_density(x)
    crossings, passage, late = passages_inside(shots.label)
    return ShotRows(
        replicas,
        context.cvs(x),
        shots.label[every, shots.origin] < 0,
        first_ahead(shots.label, shots.origin),
        log_point,
        -shots.log_share,
        crossings,
        passage,
        late,
        accepted,
    )


def passages_inside(label: Ints) -> tuple[Array, Array, Array]:
    """Σ 1/(F − d) over the passages in each path, there and back; with d; and of late ones.

    A passage goes from the last frame in one end to the next frame in the other, d frames later. Of
    the windows of F frames of an endless trajectory F − d hold it as a whole, so that the sum over
    stationary paths is the number of passages a frame.

    Parameters
    ----------
    label : int array, shape (n, F)
        0, 1, or −1 in neither.
    """
    n, frames = label.shape
    at = np.arange(frames)
    last = np.maximum.accumulate(np.where(label >= 0, at, -1), axis=1)
    before = np.concatenate([np.full((n, 1), -1), last[:, :-1]], axis=1)
    came = np.take_along_axis(label, np.maximum(before, 0), axis=1)
    passes = (label >= 0) & (before >= 0) & (came != label)
    d = np.where(passes, at - before, 0)
    each = np.where(passes, 1.0 / (frames - d), 0.0)
    there, back = (each * (label == end) for end in (1, 0))
    both = np.stack([there.sum(axis=1), back.sum(axis=1)], axis=1)
    return both, (each * d).sum(axis=1), (each * (2 * d > frames)).sum(axis=1)


def first_ahead(label: Ints, origin: Ints) -> Ints:
    """Which end the longer leg comes to first, −1 for none, shape (n,).

    Where a shooting point lies in the path is drawn without regard to it, so that this is a fair
    trial of its committor: cut short only where the leg is.
    """
    frames = label.shape[1]
    at = np.arange(frames)
    forward = (frames - 1 - origin >= origin)[:, None]
    mine = np.where(forward, at >= origin[:, None], at <= origin[:, None]) & (label >= 0)
    distance = np.where(mine, np.abs(at - origin[:, None]), frames)
    nearest = distance.argmin(axis=1)
    found = np.take_along_axis(label, nearest[:, None], axis=1)[:, 0]
    return np.where(mine.any(axis=1), found, -1)
