"""The Transporter: fits an interpolant between the samples of two states."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.target import FitTransportPayload, FitTransportRecord
from msgen.models.continuous.transport import Transport


def fit_transport(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a map of samples of one density to those of another.

    Payload and record: `FitTransportPayload`, `FitTransportRecord`. The order's model version is
    the map in use, −1 for none.
    """
    p = order.read(FitTransportPayload)
    if order.model_version >= 0:
        new = Transport.from_state(context.models.state(order.model_version))
    else:
        new = Transport.between(p.periodic.tolist())
    report = new.fit(p.start, p.end, seed=int(rng.integers(2**31)))
    return Segment(
        order.key,
        carry=encode(FitTransportRecord(new.state())),
        counts={"matching_loss": report.held_out_loss, "epochs": float(report.epochs)},
        model_version=order.model_version,
    )
