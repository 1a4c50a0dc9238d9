"""The role that does the relay's orders, on a worker."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.local_kernel import local_kernel
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.independence import Independence
from msgen.systems import Walkers
from msgen_relay.orders import RelayPayload, RelayRecord


def relay(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local moves and jumps in turn; exact for any model, which is frozen for the whole order."""
    payload = order.read(RelayPayload)
    local = local_kernel(context.setup["strategy"]["local"], context.system, None)
    target = BoltzmannTarget(context.system)
    walkers, visited, evaluations, jumped = Walkers(payload.positions), [], 0, 0.0
    for _ in range(payload.blocks):
        steps = int(context.setup["strategy"]["local"]["steps"])
        moved = local(target, walkers, rng, n_steps=steps)
        walkers, evaluations = moved.walkers, evaluations + moved.evaluations
        if order.model_version >= 0:
            jump = Independence(context.models[order.model_version])
            leapt = jump(target, walkers, rng, n_steps=payload.jumps)
            walkers, evaluations = leapt.walkers, evaluations + leapt.evaluations
            jumped += payload.jumps * float(leapt.accepted.sum())
        visited.append(walkers.positions[0])
    x = np.array(visited)
    xi = context.cvs(x)
    return Segment(
        order.key,
        samples={"cvs": xi},
        carry=encode(RelayRecord(walkers.positions, x, xi)),
        counts={"jumps": jumped, "proposed": payload.blocks * payload.jumps},
        evaluations=evaluations,
    )
