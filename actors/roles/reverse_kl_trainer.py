"""The Trainer without data: a model learns from the energy itself."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.roles.trainer import on_device
from msgen.models import build, load
from msgen.models.base import ModelState, Reparametrised, Space
from msgen.models.training.reverse_kl import EnergyTraining, first_temperature, reverse_kl
from msgen.systems.base import Array, Walkers

FIRST_DRAWS = 512
"""Draws from which the temperature is found that the annealing begins at."""


def fit_energy(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """One part of a training on the energy, going on from the order's model version.

    Payload: 'training' (fields of `EnergyTraining`; 'hot' may be None: to be found), 'begin' and
    'end' of the part, 'mean' and 'std' (where a new model is placed), 'data' (n, D) or None.

    The carry holds 'accepted' (True), 'model' (config and arrays) and 'hot'.
    """
    p = order.payload
    evaluations = 0
    if order.model_version >= 0:
        # a model of its own: the one in the context is frozen
        tree = context.models.tree(order.model_version)
        model = load(ModelState(tree["config"], tree["arrays"]))
    else:
        space = Space((False,) * context.system.n_dof)
        model = build(on_device(context.setup["model"]), space)
    if not isinstance(model, Reparametrised):
        raise TypeError(f"{type(model).__name__} cannot be trained on an energy")
    if order.model_version < 0:
        model.place(np.asarray(p["mean"]), np.asarray(p["std"]), int(rng.integers(2**31)))
    settings = dict(p["training"])
    if settings["hot"] is None:
        draws = model.sample(FIRST_DRAWS, rng)
        u = context.system.energy(Walkers(draws)) / context.system.kT
        settings["hot"], evaluations = first_temperature(u), FIRST_DRAWS
    data = p.get("data")
    report = reverse_kl(
        model,
        lambda x: _reduced(context, x),
        EnergyTraining(**settings),
        seed=int(rng.integers(2**31)),
        part=(float(p["begin"]), float(p["end"])),
        data=None if data is None else np.asarray(data, dtype=np.float64),
    )
    state = model.state()
    carry: Tree = {
        "accepted": True,
        "model": {"config": dict(state.config), "arrays": dict(state.arrays)},
        "hot": float(settings["hot"]),
    }
    return Segment(
        order.key,
        carry=carry,
        counts={
            "train_loss": report.train_loss,
            "held_out_loss": report.held_out_loss,
            "accepted": 1.0,
            "temperature": report.history[-1][1],
            "clipped": float(np.mean(report.clipped)),
            "nonfinite": float(report.nonfinite),
        },
        evaluations=evaluations + report.evaluations,
        model_version=order.model_version,
    )


def _reduced(context: WorkerContext, x: Array) -> tuple[Array, Array]:
    """u = U/kT and ∇u."""
    energy, force = context.system.energy_and_force(Walkers(x))
    return energy / context.system.kT, -force / context.system.kT
