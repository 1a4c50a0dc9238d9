"""The Walker of the full configuration: local moves, and independence moves of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.roles.independence_run import Run, WholeRun
from msgen.actors.roles.watching import Watch


def walk(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local steps, then global proposals of the frozen model, all replicas of the order at once.

    The model sees configurations in the campaign's coordinates, and its proposals are tested there,
    with the density that the system's dynamics has in them: of a molecule, −U/kT plus the logarithm
    of the volume that belongs to its internal coordinates.

    Payload and record: `WalkPayload`, `WalkRecord`.

    Samples: 'cvs' with 'replica'; where a model proposed also 'proposal_log_weight' with
    'proposal_cvs' and 'proposal_replica', and 'walker_log_weight' with 'walker_replica', ln ρ* −
    ln q at proposals and at the walkers after their local steps; the columns of `Watch`.
    """
    made: type[Run] = WholeRun
    if "lags" in context.setup["strategy"].get("proposal", {}):
        from msgen.actors.roles.propagator import PropagatorRun

        made = PropagatorRun
    if context.setup["strategy"].get("solute"):
        # here: it is seldom asked for
        from msgen.actors.solute.sampler import SoluteRun

        made = SoluteRun
    run = made.begin(context, order, rng)
    watch = Watch(context, run.payload.blocks)
    for _ in range(run.payload.blocks):
        run.local()
        run.propose()
        watch.look(run.walkers, context.cvs(run.walkers.positions))
    done = run.segment()
    return replace(
        done,
        samples={**done.samples, **watch.columns(run.payload.replicas)},
        evaluations=done.evaluations + watch.evaluations,
    )
