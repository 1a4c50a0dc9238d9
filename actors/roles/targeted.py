"""The role of the `targeted` strategy: local sampling in a state, and what its model says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.configurations.state_models import StateModels
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.engines.registry import build_engine
from msgen.actors.kernels.expanded_ensemble import Tempered
from msgen.actors.orders.target import BridgeSpec, TargetPayload, TargetRecord
from msgen.actors.roles.sampler import samples_of
from msgen.actors.roles.state_explorer import isomers
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.actors.roles.watching import Watch
from msgen.models.continuous.transport import Transport
from msgen.systems.base import Array
from msgen.systems.coordinates.representation import Exact


def target(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local sampling of replicas kept in one state; configurations along it, and draws of a model.

    Payload and record: `TargetPayload`, `TargetRecord`. Samples: 'cvs', 'log_bias' and 'replica',
    and the columns of `Watch`. With a bridge also 'draw_log_weight' and 'draw_state', of the
    configurations 'frame_log_weight', 'frame_state' and 'frame_replica', and the works of the maps
    under the names of `msgen.orchestrator.strategies.common.works`.
    """
    p = order.read(TargetPayload)
    engine = build_engine(context, p.step_size, p.masses)
    engine.begin(rng)
    engine.set_local_restraint(p.ladder.g)
    walkers = walkers_of(p.walkers, context)
    local = Tempered(engine, walkers, p.ladder, p.partition, p.stratum, rng)
    visits, frames, watch = [], [], Watch(context, p.frames)
    for _ in range(p.frames):
        visits.append(local.run(p.chunks, p.steps))
        frames.append(engine.walkers().positions)
        watch.look(engine.walkers(), local.xi)
    # replica after replica, each in the order of time
    held = np.stack(frames, axis=1).reshape(-1, context.system.n_dof)
    evaluations = engine.tally.evaluations
    counts = {
        "local_proposed": engine.tally.proposals,
        "local_accepted": engine.tally.accepted,
        "local_evaluations": float(evaluations),
        "reverted": float(sum(v.reverted for v in visits)),
        "nonfinite": float(engine.tally.nonfinite),
    }
    samples: dict[str, NDArray[Any]] = {
        **samples_of(visits, p.replicas),
        **watch.columns(p.replicas),
    }
    configurations = None
    evaluations += watch.evaluations
    if p.bridge is not None:
        of = np.repeat(p.replicas, p.frames)
        found, models = _bridges(context, p.bridge, p.partition, int(p.stratum[0]), held, of, rng)
        samples.update(found)
        evaluations += models.evaluations
        counts["nonfinite"] += models.nonfinite
        counts["model_evaluations"] = float(models.evaluations)
    else:
        configurations = coordinates(context).encode(held)
    if context.setup.get("trajectory"):
        samples["positions"] = engine.walkers().positions
    return Segment(
        order.key,
        samples=samples,
        carry=encode(TargetRecord(rows_of(engine.walkers(), context, order), configurations)),
        counts=counts,
        evaluations=evaluations,
        model_version=order.model_version,
    )


def _bridges(
    context: WorkerContext,
    spec: BridgeSpec,
    partition: Partition,
    state: int,
    held: Array,
    replica: Labels,
    rng: np.random.Generator,
) -> tuple[dict[str, Array], StateModels]:
    """Weights of the configurations and of draws, and works of the maps, as columns."""
    known = np.flatnonzero(spec.versions >= 0)
    variables = coordinates(context)
    assert isinstance(variables, Exact)  # the strategy has seen to it
    models = StateModels(
        context.system,
        context.cvs,
        variables,
        partition,
        {int(k): context.models[int(spec.versions[k])] for k in known},
        isomers(context),
        _transports(context, spec.transports) if spec.maps == "interpolant" else None,
        spec.steps,
    )
    y = variables.encode(held)
    log_density = models.log_density(held, y, np.full(len(held), state))
    drawn = models.draws(state, spec.draws * len(held), rng)
    out = {
        "draw_log_weight": drawn,
        "draw_state": np.full(len(drawn), float(state)),
        "frame_log_weight": models.weights(state, y, log_density, rng),
        "frame_state": np.full(len(held), float(state)),
        "frame_replica": replica.astype(np.float64),
    }
    others = models.reached(state) if spec.maps != "none" else known[:0]
    if not len(others):
        return out, models
    # configurations go to the other states in turn
    ends = others[(spec.turn + np.arange(len(held))) % len(others)]
    out.update(
        work=models.works(state, y, log_density, ends, rng),
        source=np.full(len(held), float(state)),
        target=ends.astype(np.float64),
        path_replica=replica.astype(np.float64),
        schedule=np.zeros(len(held)),
        path_steps=np.ones(len(held)),
    )
    return out, models


def _transports(context: WorkerContext, of_state: Labels) -> dict[int, Transport]:
    """The frozen interpolants, built once a version."""
    built = context.cache.setdefault("transports", {})
    versions = {k: int(v) for k, v in enumerate(of_state) if v >= 0}
    for version in versions.values():
        if version not in built:
            built[version] = Transport.from_state(context.models.state(version))
    return {k: built[v] for k, v in versions.items()}
