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

    Payload: 'walkers', 'replicas', 'blocks' times 'local_steps' (recorded every 'record') and
    'global_steps', 'step_size', 'recent' (configurations to hand back to the next fit), 'epsilon',
    'broad' ('mean' and 'std' of the wide Gaussian). Without a model (version −1) there are local
    moves only.
    """
    p = order.payload
    target = BoltzmannTarget(context.system)
    spec = context.setup["strategy"]["local"]
    kernel = local_kernel(spec, context.system, p.get("step_size"), p.get("masses"))
    replicas = np.asarray(p["replicas"], dtype=np.float64)
    steps, globals_ = int(p["local_steps"]), int(p["global_steps"])
    proposal = None
    if order.model_version >= 0 and globals_:
        broad = Broad(
            [False] * context.system.n_dof,
            mean=np.asarray(p["broad"]["mean"]),
            std=np.asarray(p["broad"]["std"]),
        )
        model = context.models[order.model_version]
        proposal = Independence(Defended(model, broad, float(p["epsilon"])))
    walkers, frames = walkers_of(p["walkers"], context), []
    n, evaluations, nonfinite = len(walkers), 0, 0
    counts = dict.fromkeys(
        ("local_proposed", "local_accepted", "global_proposed", "global_accepted"), 0.0
    )
    for _ in range(int(p["blocks"])):
        done = kernel(target, walkers, rng, n_steps=steps, record_every=int(p["record"]))
        parts = [("local", steps, done)]
        if proposal is not None:
            done = proposal(target, done.walkers, rng, n_steps=globals_, record_every=1)
            parts.append(("global", globals_, done))
        for name, tried, result in parts:
            counts[f"{name}_proposed"] += n * tried
            counts[f"{name}_accepted"] += float(result.accepted.sum()) * tried
            evaluations += result.evaluations
            nonfinite += result.nonfinite
            if result.trajectory is not None:
                frames.append(result.trajectory)
        walkers = done.walkers
    counts["nonfinite"] = float(nonfinite)
    seen = np.concatenate(frames)
    xi = context.cvs(seen.reshape(-1, seen.shape[2])).reshape(len(seen), n, -1).swapaxes(0, 1)
    return Segment(
        order.key,
        samples={
            "cvs": xi.reshape(-1, xi.shape[2]),
            "replica": np.repeat(replicas, len(seen)),
        },
        carry={
            "walkers": tree_of(walkers, context, order),
            "recent": seen[:: max(1, len(seen) // int(p["recent"]))].reshape(-1, seen.shape[2]),
        },
        counts=counts,
        evaluations=evaluations,
        model_version=order.model_version,
    )
