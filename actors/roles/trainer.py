"""The Trainer: fits the generative model on what the replicas saw."""

from __future__ import annotations

import os

import numpy as np

from msgen.actors.base import FIT_DEVICE, Segment, Tree, WorkOrder
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.proposals import log_masses, one_hot
from msgen.actors.cv_space.strata import Partition
from msgen.actors.roles.sampler import broad_of
from msgen.models import build, compare_on_held_out, load
from msgen.models.base import FitReport, GenerativeModel, ModelState, Space, Spec
from msgen.systems.base import Array

HELD_OUT = 0.2
"""Share of the data on which a new version must beat the old."""


def fit(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version, and keep it only if it is better on data neither has been fitted to.

    Payload: 'data' (n, d), 'weights' (n,), 'stratum' (n,) with 'n_strata', 'periodic'; where the
    model proposes λ also 'partition', 'broad' and 'epsilon'; optionally 'goes_on': the fit begins
    with the weights of the version in use, and 'unit' (n,): rows of one unit, which resemble each
    other, are held out together. The order's model version is that one, −1 for none.

    The carry holds 'accepted', and for an accepted version 'model' (config and arrays) and
    'log_mass', ln Q_k of each stratum, with its standard error.
    """
    p = order.payload
    data = np.asarray(p["data"], dtype=np.float64)
    weights = np.asarray(p["weights"], dtype=np.float64)
    strata = int(p["n_strata"])
    context_of = one_hot(np.asarray(p["stratum"], dtype=np.int64), strata)
    about = [False] * (0 if context_of is None else strata)
    periodic = [bool(v) for v in p["periodic"]]
    new, report, carry, gain = _refit(
        context, order, rng, data, weights, context_of, periodic, about
    )
    if carry["accepted"] and "partition" in p:
        partition = Partition.from_tree(p["partition"])
        mass, error = log_masses(new, broad_of(p["broad"]), float(p["epsilon"]), partition, rng)
        carry["log_mass"], carry["log_mass_error"] = mass, error
    return _fitted(order, report, carry, gain)


def fit_windows(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit p(x|λ) for the windows of an umbrella campaign; kept only if it is better.

    Payload: 'data' (n, d) in the model's coordinates, 'weights' (n,), 'label' (n, c): λ drawn from
    g at each configuration, 'label_periodic' (c,), 'repeats' (times that all configurations are
    there, each with labels of its own). The carry is as in `fit`.
    """
    p = order.payload
    _, report, carry, gain = _refit(
        context,
        order,
        rng,
        np.asarray(p["data"], dtype=np.float64),
        np.asarray(p["weights"], dtype=np.float64),
        np.asarray(p["label"], dtype=np.float64),
        list(coordinates(context).periodic),
        [bool(v) for v in p["label_periodic"]],
        repeats=int(p["repeats"]),
    )
    return _fitted(order, report, carry, gain)


def _refit(
    context: WorkerContext,
    order: WorkOrder,
    rng: np.random.Generator,
    data: Array,
    weights: Array,
    about: Array | None,
    periodic: list[bool],
    about_periodic: list[bool],
    repeats: int = 1,
) -> tuple[GenerativeModel, FitReport, Tree, float]:
    """A new version as a frozen model, its report, the carry so far, and its gain in nats."""
    # a configuration that is there several times is either held out or not
    held = np.tile(rng.random(len(data) // repeats) < HELD_OUT, repeats)
    if "unit" in order.payload:
        unit = np.asarray(order.payload["unit"], dtype=np.int64)
        if len(known := np.unique(unit)) > 1:
            held = np.isin(unit, rng.permutation(known)[: max(1, round(HELD_OUT * len(known)))])
        # unit after unit: what a fit itself holds out are stretches of rows
        rows = np.argsort(unit, kind="stable")
        data, weights, held = data[rows], weights[rows], held[rows]
        about = None if about is None else about[rows]
    new = build(on_device(context.setup["model"]), Space(tuple(periodic), tuple(about_periodic)))
    if order.payload.get("goes_on") and order.model_version >= 0:
        # a model of its own: the one in the context is frozen
        tree = context.models.tree(order.model_version)
        new = load(ModelState(tree["config"], tree["arrays"]))
    report = new.fit(
        data[~held],
        seed=int(rng.integers(2**31)),
        weights=weights[~held],
        context=None if about is None else about[~held],
    )
    held_about = None if about is None else about[held]
    old = _previous(context, order, len(about_periodic))
    better, gain = True, float("nan")
    if old is not None:
        verdict = compare_on_held_out(new, old, data[held], weights[held], context=held_about)
        better, gain = verdict.better, verdict.margin
    carry: Tree = {"accepted": better}
    if not better:
        return new, report, carry, gain
    state = new.state()
    carry["model"] = {"config": dict(state.config), "arrays": dict(state.arrays)}
    return load(ModelState(state.config, state.arrays)), report, carry, gain


def on_device(spec: Spec) -> Spec:
    """The model asked for; on the device that this worker was given, if `device` is left to it."""
    if spec.get("device") != "auto":
        return spec
    return {**spec, "device": os.environ.get(FIT_DEVICE, "cpu")}


def _fitted(order: WorkOrder, report: FitReport, carry: Tree, gain: float) -> Segment:
    return Segment(
        order.key,
        carry=carry,
        counts={
            "train_loss": report.train_loss,
            "held_out_loss": report.held_out_loss,
            "epochs": float(report.epochs),
            "accepted": float(carry["accepted"]),
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
