"""The Drawer: draws of a frozen model with their weights, and the weights of walkers kept aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.configurations.coordinates import InCoordinates, exact
from msgen.actors.context import WorkerContext
from msgen.actors.roles.independence_sampler import walk
from msgen.actors.roles.state_explorer import flips
from msgen.models import Broad, Defended
from msgen.systems.base import Array


def draw(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Independent draws x of the defended model q, and ln w = −U(x)/kT − ln q(x) of each.

    The model sees configurations in the campaign's coordinates y, and ρ* is their density there: of
    a molecule, −U/kT plus the logarithm of the volume that belongs to y. Another isomer than the
    start has no weight.

    Payload: 'draws', 'epsilon', 'broad' ('mean' and 'std' of the wide Gaussian), 'first' (number of
    the first draw in the campaign), 'keep' (whether to hand the configurations to the next fit).

    The segment's samples are the 'cvs', 'log_weight' (−inf where the energy is not finite) and
    'draw', the running number; the carry holds 'recent' and 'log_weight' of those with a weight.
    """
    p = order.payload
    n = int(p["draws"])
    q = _defended(context, order)
    y, log_q = q.sample_with_log_prob(n, rng)
    log_w, xi, bad = log_weights(context, y, log_q)
    carry: Tree = {}
    if p["keep"]:
        good = np.isfinite(log_w)
        carry = {"recent": y[good], "log_weight": log_w[good]}
    return Segment(
        order.key,
        samples={
            "cvs": xi,
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
    y = np.asarray(done.carry["recent"])
    log_w, xi, _ = log_weights(context, y, _defended(context, order).log_prob(y))
    return replace(
        done,
        carry={**done.carry, "held_cvs": xi, "held_log_weight": log_w},
        evaluations=done.evaluations + len(y),
    )


def log_weights(context: WorkerContext, y: Array, log_q: Array) -> tuple[Array, Array, int]:
    """ln w and CVs of configurations y (n, d) with `log_q` of the model, and how many have no ln w.

    ln w is −inf where ρ* is not finite, and the CVs are then those of nothing, 0. Where the model
    cannot be and the target can, ln w is the largest float, so that whoever compares sees it.
    """
    coordinates = exact(context)
    target = InCoordinates(context.system, coordinates)
    log_p = target.log_density(y)
    good = np.asarray(np.isfinite(log_p))
    xi = np.zeros((len(y), len(context.cvs)))
    if good.any():
        x = target.placed(y[good])
        xi[good] = context.cvs(x)
        if context.molecular:
            good[good] = [not names for names in flips(context, x)]
    with np.errstate(invalid="ignore"):
        log_w = np.where(good, log_p - log_q, -np.inf)
    top = float(np.finfo(np.float64).max)
    return np.minimum(np.where(np.isnan(log_w), -np.inf, log_w), top), xi, int((~good).sum())


def _defended(context: WorkerContext, order: WorkOrder) -> Defended:
    p = order.payload
    mean, std = np.asarray(p["broad"]["mean"]), np.asarray(p["broad"]["std"])
    broad = Broad(exact(context).periodic, mean=mean, std=std)
    return Defended(context.models[order.model_version], broad, float(p["epsilon"]))
