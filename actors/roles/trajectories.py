"""Trajectories: of the local moves on the workers, and of a model of them."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.registry import build_inertial_engine
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    FollowRecord,
    GeneratePayload,
    GenerateRecord,
)
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.sampler import last_frames
from msgen.actors.roles.trainer import on_device
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.models import build_trajectory_model, load_trajectory_model
from msgen.models.base import Space
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.models.trajectories.path_files import read_path


def follow(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Leave walkers to the local moves, and read the CVs every so many steps.

    Payload and record: `FollowPayload`, `FollowRecord`. Samples, replica after replica: 'cvs',
    'replica', 'start', the region that the trajectory began in, and 'apart', whether it is at
    another temperature than the system's own; of a molecule beside the campaign's own 'frames'
    for 'cvs'.
    """
    p = order.read(FollowPayload)
    context = _at(context, p.temperature)
    engine = build_inertial_engine(context)
    engine.begin(rng)
    xi = engine.load(walkers_of(p.walkers, context))
    free = np.zeros(len(xi), dtype=bool)
    xis, structures = [], []
    for _ in range(p.frames):
        xis.append(engine.chunk(xi, free, p.steps))
        if p.atoms is not None:
            x = engine.walkers().positions
            structures.append(x.reshape(len(x), -1, 3)[:, p.atoms])
    read, last = np.stack(xis, axis=1), engine.walkers()
    seen = np.stack(structures, axis=1) if structures else None
    return Segment(
        order.key,
        samples={
            # those of another system are no samples of the campaign's CVs
            "frames" if "molecule" in context.setup else "cvs": read.reshape(-1, read.shape[2]),
            "replica": np.repeat(p.replicas.astype(np.float64), p.frames),
            "start": np.repeat(p.start.astype(np.float64), p.frames),
            # of those at another temperature: they are no samples of the campaign's density
            "apart": np.full(read.shape[0] * p.frames, float(p.temperature is not None)),
            **last_frames(context, last),
        },
        carry=encode(FollowRecord(rows_of(last, context, order), seen)),
        counts={
            "local_evaluations": float(engine.tally.evaluations),
            "nonfinite": float(engine.tally.nonfinite),
        },
        evaluations=engine.tally.evaluations,
        model_version=order.model_version,
    )


def fit_trajectories(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version of the model to all trajectories that there are.

    Payload and record: `FitTrajectoriesPayload`, `FitRecord`.
    """
    p = order.read(FitTrajectoriesPayload)
    if order.model_version >= 0:
        # a model of its own: the one that generates is frozen
        model = load_trajectory_model(context.models.state(order.model_version))
    else:
        conditions = 0 if p.conditions is None else p.conditions.shape[1]
        space = Space(tuple(p.periodic.tolist()), (False,) * conditions)
        model = build_trajectory_model(on_device(context.setup["model"]), space)
    seed = int(rng.integers(2**31))
    report = model.fit(TrainingTrajectories(list(p.frames), p.weights, p.conditions), seed=seed)
    return Segment(
        order.key,
        carry=encode(FitRecord(True, model.state())),
        counts={
            "train_loss": report.train_loss,
            "held_out_loss": report.held_out_loss,
            "epochs": float(report.epochs),
        },
        model_version=order.model_version,
    )


def generate(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Draw trajectories, each by its own number whatever is drawn beside it.

    Payload and record: `GeneratePayload`, `GenerateRecord`. Samples: 'frames', path after path,
    'path' and 'task', the numbers of each frame's.
    """
    p = order.read(GeneratePayload)
    model = frozen(context, order.model_version, load_trajectory_model)
    seed = int(context.setup["seed"])
    numbers = np.arange(p.first, p.first + p.number)
    keys = [DrawKey(seed, int(i), p.cycle) for i in numbers]
    near = p.near
    if p.file is not None:
        near = read_path((context.base_dir / p.file).expanduser(), model.dim)
    if p.given is not None:
        paths = model.inpaint(keys, p.given, conditions=p.conditions)
    elif near is not None:
        paths = model.vary(keys, near, p.noise, conditions=p.conditions)
    else:
        paths = model.generate(keys, length=p.length, conditions=p.conditions)
    whole = model.screen(paths).whole
    return Segment(
        order.key,
        samples={
            "frames": paths.reshape(-1, paths.shape[2]),
            "path": np.repeat(numbers.astype(np.float64), paths.shape[1]),
            "task": np.full(len(paths) * paths.shape[1], float(p.task)),
        },
        carry=encode(GenerateRecord(paths, whole, p.task, near)),
        counts={"generated": float(len(paths)), "broken": float((~whole).sum())},
        model_version=order.model_version,
    )


def _at(context: WorkerContext, temperature: float | None) -> WorkerContext:
    """The worker's own system at another temperature, built once a worker."""
    if temperature is None:
        return context
    kept = context.cache.setdefault("at_temperature", {})
    if temperature not in kept:
        system = context.setup["system"]
        key = "temperature" if "temperature" in system else "kT"
        kept[temperature] = WorkerContext({**context.setup, "system": {**system, key: temperature}})
    found: WorkerContext = kept[temperature]
    found.slices = context.slices
    return found
