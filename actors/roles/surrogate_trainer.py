"""Who learns a system's energy from what was calculated."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.delayed import FitSurrogatePayload, FitSurrogateRecord
from msgen.models.surrogate.committee import Committee
from msgen.models.surrogate.fitting import fit_committee, useful, worth_keeping


def fit_surrogate(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """A surrogate from all that is worth learning from, begun afresh.

    Payload and record: `FitSurrogatePayload`, `FitSurrogateRecord`.
    """
    p = order.read(FitSurrogatePayload)
    n_dof = p.known.x.shape[1]
    known = p.known.take(useful(p.known.energy, n_dof))
    names = list(dict.fromkeys(p.elements))
    settings = dict(p.settings)
    updates, most = int(settings.pop("updates")), int(settings.pop("keep"))
    kinds = [names.index(symbol) for symbol in p.elements]
    made = Committee({**settings, "n_dof": n_dof, "kinds": kinds})
    learnt = fit_committee(
        made, known.x, known.energy, known.gradient, seed=int(rng.integers(2**31)), updates=updates
    )
    before = int(p.known.serial.max()) + 1
    rows = worth_keeping(made, known.x, most, rng)
    return Segment(
        order.key,
        carry=encode(FitSurrogateRecord(made.state(), known.serial[rows], before)),
        counts={"held_out_loss": learnt.error, "train_loss": learnt.error, "accepted": 1.0},
        model_version=order.model_version,
    )
