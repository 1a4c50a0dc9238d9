"""The Trainer without data: a model learns from the energy itself."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.fit_energy import FitEnergyPayload, FitEnergyRecord
from msgen.actors.roles.trainer import on_device
from msgen.models import build, load
from msgen.models.base import Reparametrised, Space
from msgen.models.training.reverse_kl import EnergyTraining, first_temperature, reverse_kl
from msgen.systems.base import Array, Walkers

FIRST_DRAWS = 512
"""Draws from which the temperature is found that the annealing begins at."""


def fit_energy(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """One part of a training on the energy, going on from the order's model version.

    Payload and record: `FitEnergyPayload`, `FitEnergyRecord`.
    """
    p = order.read(FitEnergyPayload)
    evaluations = 0
    if order.model_version >= 0:
        # a model of its own: the one in the context is frozen
        model = load(context.models.state(order.model_version))
    else:
        space = Space((False,) * context.system.n_dof)
        model = build(on_device(context.setup["model"]), space)
    if not isinstance(model, Reparametrised):
        raise TypeError(f"{type(model).__name__} cannot be trained on an energy")
    if order.model_version < 0:
        model.place(p.mean, p.std, int(rng.integers(2**31)))
    hot = p.training.hot
    if hot is None:
        draws = model.sample(FIRST_DRAWS, rng)
        u = context.system.energy(Walkers(draws)) / context.system.kT
        hot, evaluations = first_temperature(u), FIRST_DRAWS
    report = reverse_kl(
        model,
        lambda x: _reduced(context, x),
        EnergyTraining(**{**asdict(p.training), "hot": hot}),
        seed=int(rng.integers(2**31)),
        part=(p.begin, p.end),
        data=p.data,
    )
    return Segment(
        order.key,
        carry=encode(FitEnergyRecord(True, model.state(), float(hot))),
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
