"""The Transporter: fits an interpolant between the samples of two states."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.models.base import ModelState
from msgen.models.continuous.transport import Transport


def fit_transport(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a map of samples of one density to those of another.

    Payload: 'start' (n, d), 'end' (m, d), 'periodic' (d,). The order's model version is the map in
    use, whose fit goes on, −1 for none. Any fit gives an exact map, so that the newest is taken.

    The carry holds 'model' (config and arrays).
    """
    p = order.payload
    if order.model_version >= 0:
        tree = context.models.tree(order.model_version)
        new = Transport.from_state(ModelState(tree["config"], tree["arrays"]))
    else:
        new = Transport.between([bool(v) for v in p["periodic"]])
    report = new.fit(
        np.asarray(p["start"], dtype=np.float64),
        np.asarray(p["end"], dtype=np.float64),
        seed=int(rng.integers(2**31)),
    )
    state = new.state()
    return Segment(
        order.key,
        carry={"model": {"config": dict(state.config), "arrays": dict(state.arrays)}},
        counts={"matching_loss": report.held_out_loss, "epochs": float(report.epochs)},
        model_version=order.model_version,
    )
