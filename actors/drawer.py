"""The Drawer: draws of a frozen model with their weights, and the weights of walkers kept aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.walker import walk
from msgen.models import Broad, Defended
from msgen.systems.base import Array, Walkers


def draw(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Independent draws x of the defended model q, and ln w = −U(x)/kT − ln q(x) of each.

    Payload: 'draws', 'epsilon', 'broad' ('mean' and 'std' of the wide Gaussian), 'first' (number of
    the first draw in the campaign), 'keep' (whether to hand the configurations to the next fit).

    The segment's samples are the 'cvs', 'log_weight' (−inf where the energy is not finite) and
    'draw', the running number; the carry holds 'recent' and 'log_weight' of those with a weight.
    """
    p = order.payload
    n = int(p["draws"])
    q = _defended(context, order)
    x, log_q = q.sample_with_log_prob(n, rng)
    log_w, bad = log_weights(context, x, log_q)
    carry: Tree = {}
    if p["keep"]:
        good = np.isfinite(log_w)
        carry = {"recent": x[good], "log_weight": log_w[good]}
    return Segment(
        order.key,
        samples={
            "cvs": context.cvs(np.where(np.isfinite(x), x, 0.0)),
            "log_weight": log_w,
            "draw": int(p["first"]) + np.arange(n, dtype=np.float64),
        },
        carry=carry,
        counts={"drawn": float(n), "nonfinite": float(bad)},
        evaluations=n,
        model_version=order.model_version,
    )


def watch(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local steps of walkers, and what the frozen model makes of where they are.

    Payload: that of `walk` without global steps, and that of `draw`. The carry also holds
    'held_cvs' and 'held_log_weight' of the 'recent' configurations, which no model has learnt from.
    """
    done = walk(context, order, rng)
    x = np.asarray(done.carry["recent"])
    log_w, _ = log_weights(context, x, _defended(context, order).log_prob(x))
    return replace(
        done,
        carry={**done.carry, "held_cvs": context.cvs(x), "held_log_weight": log_w},
        evaluations=done.evaluations + len(x),
    )


def log_weights(context: WorkerContext, x: Array, log_q: Array) -> tuple[Array, int]:
    """ln w of configurations (n, D) at which the model has `log_q`, and how many have no energy.

    −inf for a density that is not finite. Where the model cannot be and the target can, it is the
    largest float, so that whoever compares sees it.
    """
    system = context.system
    finite = np.asarray(np.isfinite(x).all(axis=1))
    rows = np.where(finite[:, None], x, 0.0)
    u = np.asarray(np.where(finite, system.energy(Walkers(rows)) / system.kT, np.inf))
    bad = np.asarray(~np.isfinite(u))
    with np.errstate(invalid="ignore"):
        log_w = np.where(bad, -np.inf, -u - log_q)
    top = float(np.finfo(np.float64).max)
    return np.minimum(np.where(np.isnan(log_w), -np.inf, log_w), top), int(bad.sum())


def _defended(context: WorkerContext, order: WorkOrder) -> Defended:
    p = order.payload
    mean, std = np.asarray(p["broad"]["mean"]), np.asarray(p["broad"]["std"])
    broad = Broad([False] * context.system.n_dof, mean=mean, std=std)
    return Defended(context.models[order.model_version], broad, float(p["epsilon"]))
