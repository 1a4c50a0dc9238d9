"""The Trainer: fits the proposal model on what the replicas saw."""

from __future__ import annotations

import os

import numpy as np

from msgen.actors.base import FIT_DEVICE, Segment, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.partition import Partition
from msgen.actors.proposals import log_masses, one_hot
from msgen.actors.sampler import broad_of
from msgen.models import build, compare_on_held_out, load
from msgen.models.base import GenerativeModel, ModelState

HELD_OUT = 0.2
"""Share of the data on which a new version must beat the old."""


def fit(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version, and keep it only if it is better on data neither has been fitted to.

    Payload: 'data' (n, d), 'weights' (n,), 'stratum' (n,) with 'n_strata', 'periodic'; where the
    model proposes λ also 'partition', 'broad' and 'epsilon'. The order's model version is the one
    in use, −1 for none.

    The carry holds 'accepted', and for an accepted version 'model' (config and arrays) and
    'log_mass', ln Q_k of each stratum, with its standard error.
    """
    p = order.payload
    data = np.asarray(p["data"], dtype=np.float64)
    weights = np.asarray(p["weights"], dtype=np.float64)
    strata = int(p["n_strata"])
    context_of = one_hot(np.asarray(p["stratum"], dtype=np.int64), strata)
    periodic = [bool(v) for v in p["periodic"]]
    held = rng.random(len(data)) < HELD_OUT
    spec = dict(context.setup["model"])
    if spec["kind"] != "kde":
        spec.setdefault("device", os.environ.get(FIT_DEVICE, "cpu"))
    new = build(spec, data.shape[1], periodic, 0 if context_of is None else strata)
    report = new.fit(
        data[~held],
        seed=int(rng.integers(2**31)),
        weights=weights[~held],
        context=None if context_of is None else context_of[~held],
    )
    held_context = None if context_of is None else context_of[held]
    old = _previous(context, order, strata if context_of is not None else 0)
    better, gain = True, float("nan")
    if old is not None:
        verdict = compare_on_held_out(new, old, data[held], weights[held], context=held_context)
        better, gain = verdict.better, verdict.margin
    carry: dict[str, object] = {"accepted": better}
    if better:
        state = new.state()
        carry["model"] = {"config": dict(state.config), "arrays": dict(state.arrays)}
        frozen = load(ModelState(state.config, state.arrays))
        if "partition" in p:
            partition = Partition.from_tree(p["partition"])
            mass, error = log_masses(
                frozen, broad_of(p["broad"]), float(p["epsilon"]), partition, rng
            )
            carry["log_mass"], carry["log_mass_error"] = mass, error
    return Segment(
        order.key,
        carry=carry,
        counts={
            "train_loss": report.train_loss,
            "held_out_loss": report.held_out_loss,
            "epochs": float(report.epochs),
            "accepted": float(better),
            "gain": gain,
        },
        model_version=order.model_version,
    )


def _previous(context: WorkerContext, order: WorkOrder, n_context: int) -> GenerativeModel | None:
    """The version in use, unless it was made for another set of strata."""
    if order.model_version < 0:
        return None
    config = context.models.tree(order.model_version)["config"]
    if len(config.get("context_periodic", [])) != n_context:
        return None
    return context.models[order.model_version]
