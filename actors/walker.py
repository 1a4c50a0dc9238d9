"""The Walker of the full configuration: local moves, and independence moves of a model."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.build import local_kernel
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.independence import Independence
from msgen.actors.sampler import tree_of, walkers_of
from msgen.models import Broad, Defended


def walk(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local steps, then global proposals of the frozen model, all replicas of the order at once.

    Payload: 'walkers', 'replicas', 'local_steps', 'record', 'step_size', 'global_steps',
    'epsilon', 'broad' ('mean' and 'std' of the wide Gaussian). Without a model (version −1) there
    are local moves only.
    """
    p = order.payload
    target = BoltzmannTarget(context.system)
    kernel = local_kernel(context.setup["strategy"]["local"], context.system, p.get("step_size"))
    replicas = np.asarray(p["replicas"], dtype=np.float64)
    record = int(p["record"])
    local = kernel(
        target, walkers_of(p["walkers"]), rng, n_steps=int(p["local_steps"]), record_every=record
    )
    frames = [local.trajectory]
    walkers, evaluations, nonfinite = local.walkers, local.evaluations, local.nonfinite
    n = len(walkers)
    counts = {
        "local_proposed": float(n * int(p["local_steps"])),
        "local_accepted": float(local.accepted.sum()) * int(p["local_steps"]),
    }
    steps = int(p["global_steps"]) if order.model_version >= 0 else 0
    if steps:
        broad = Broad(
            [False] * context.system.n_dof,
            mean=np.asarray(p["broad"]["mean"]),
            std=np.asarray(p["broad"]["std"]),
        )
        proposal = Defended(context.models[order.model_version], broad, float(p["epsilon"]))
        moved = Independence(proposal)(target, walkers, rng, n_steps=steps, record_every=1)
        frames.append(moved.trajectory)
        walkers, evaluations = moved.walkers, evaluations + moved.evaluations
        nonfinite += moved.nonfinite
        counts["global_proposed"] = float(n * steps)
        counts["global_accepted"] = float(moved.accepted.sum()) * steps
    counts["nonfinite"] = float(nonfinite)
    seen = np.concatenate([f for f in frames if f is not None])
    xi = context.cvs(seen.reshape(-1, seen.shape[2])).reshape(len(seen), n, -1).swapaxes(0, 1)
    return Segment(
        order.key,
        samples={
            "cvs": xi.reshape(-1, xi.shape[2]),
            "replica": np.repeat(replicas, len(seen)),
        },
        carry={"walkers": tree_of(walkers), "recent": seen[:: max(1, len(seen) // 8)]},
        counts=counts,
        evaluations=evaluations,
        model_version=order.model_version,
    )
