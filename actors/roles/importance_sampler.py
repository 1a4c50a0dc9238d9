"""The Drawer: draws of a frozen model with their weights, and the weights of walkers kept aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import InCoordinates, exact
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.orders.draw import DrawPayload, DrawRecord
from msgen.actors.orders.walk import WalkRecord, WatchPayload
from msgen.actors.roles.independence_run import defended
from msgen.actors.roles.independence_sampler import walk
from msgen.actors.roles.state_explorer import flips
from msgen.systems.base import Array

VISITS = 64
"""Draws of an order that tell where they are."""


def draw(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Independent draws x of the defended model q, and ln w = −U(x)/kT − ln q(x) of each.

    The model sees configurations in the campaign's coordinates y, and ρ* is their density there: of
    a molecule, −U/kT plus the logarithm of the volume that belongs to y. Another isomer than the
    start has no weight.

    Payload and record: `DrawPayload`, `DrawRecord`. Samples: 'cvs', 'log_weight' (−inf where the
    energy is not finite) and 'draw', the running number.
    """
    p = order.read(DrawPayload)
    n = p.draws
    q = defended(context, order.model_version, exact(context), p.broad, p.epsilon)
    y, log_q = q.sample_with_log_prob(n, rng)
    log_w, xi, bad = log_weights(context, y, log_q)
    record = DrawRecord(visited=visited(context, y, log_w))
    if p.keep:
        good = np.isfinite(log_w)
        record = DrawRecord(y[good], log_w[good])
    return Segment(
        order.key,
        samples={
            "cvs": xi,
            "log_weight": log_w,
            "draw": p.first + np.arange(n, dtype=np.float64),
        },
        carry=encode(record),
        counts={"drawn": float(n), "nonfinite": float(bad)},
        evaluations=n,
        model_version=order.model_version,
    )


def visited(context: WorkerContext, y: Array, log_w: Array) -> NDArray[np.float32] | None:
    """Where draws y (n, d) are, each told as often as it weighs, `VISITS` times in all.

    By systematic resampling from the middle of every stratum: it takes no random number.
    """
    good = np.flatnonzero(np.isfinite(log_w))
    if not len(good):
        return None
    up_to = np.cumsum(np.exp(log_w[good] - log_w[good].max()))
    at = (np.arange(VISITS) + 0.5) / VISITS * up_to[-1]
    pick = np.unique(good[np.searchsorted(up_to, at)])
    x = InCoordinates(BoltzmannTarget(context.system), exact(context)).placed(y[pick])
    rows = np.hstack([context.cvs(x), context.watched.geometry(x)])
    return np.asarray(rows, dtype=np.float32)


def watch(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local steps of walkers, and what the frozen model makes of where they are.

    Payload and record: `WatchPayload`, `WalkRecord`. No model has learnt from what it hands on.
    """
    p, done = order.read(WatchPayload), walk(context, order, rng)
    record = done.read(WalkRecord)
    if p.broad is None:
        raise ValueError("a walker is watched beside a model, and the order has no broad proposals")
    q = defended(context, order.model_version, exact(context), p.broad, p.epsilon)
    log_w, xi, _ = log_weights(context, record.recent, q.log_prob(record.recent))
    return replace(
        done,
        carry=encode(replace(record, held_cvs=xi, held_log_weight=log_w)),
        evaluations=done.evaluations + len(record.recent),
    )


def log_weights(context: WorkerContext, y: Array, log_q: Array) -> tuple[Array, Array, int]:
    """ln w and CVs of configurations y (n, d) with `log_q` of the model, and how many have no ln w.

    ln w is −inf where ρ* is not finite, and the CVs are then those of nothing, 0. Where the model
    cannot be and the target can, ln w is the largest float, so that whoever compares sees it.
    """
    coordinates = exact(context)
    target = InCoordinates(BoltzmannTarget(context.system), coordinates)
    log_p = target.log_density(y)
    good = np.asarray(np.isfinite(log_p))
    xi = np.zeros((len(y), len(context.cvs)))
    if good.any():
        x = target.placed(y[good])
        xi[good] = context.cvs(x)
        if context.system.topology is not None:
            good[good] = [not names for names in flips(context, x)]
    with np.errstate(invalid="ignore"):
        log_w = np.where(good, log_p - log_q, -np.inf)
    top = float(np.finfo(np.float64).max)
    return np.minimum(np.where(np.isnan(log_w), -np.inf, log_w), top), xi, int((~good).sum())
