"""A learnt dynamics that goes ahead of walkers: where to look for states that nobody has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.ahead import AheadPayload, AheadRecord, FitAheadPayload, Structures
from msgen.actors.orders.fit import FitRecord
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.rolling import Sound, roll_out
from msgen.actors.roles.steps import cvs_of, cycle_key
from msgen.actors.roles.trainer import on_device
from msgen.actors.roles.walkers import walkers_of
from msgen.models import (
    build_step_model,
    build_trajectory_model,
    load_step_model,
    load_trajectory_model,
)
from msgen.models.base import Space, StepModel, TrajectoryModel
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.steps.data import Pairs
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.systems.base import Array
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.modelled_atoms import modelled_atoms
from msgen.systems.topology.stereochemistry import StereoWatch


def fit_ahead(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version to all that was followed, each frame weighing as much.

    Payload and record: `FitAheadPayload`, `FitRecord`.
    """
    p, seed = order.read(FitAheadPayload), int(rng.integers(2**31))
    state = None if order.model_version < 0 else context.models.state(order.model_version)
    fitted: TrajectoryModel | StepModel
    if p.structures is None:
        space = Space(tuple(p.periodic.tolist()))
        snippets = (
            build_trajectory_model(on_device(p.model), space)
            if state is None
            else load_trajectory_model(state)
        )
        fitted, report = snippets, snippets.fit(TrainingTrajectories(list(p.frames)), seed=seed)
    else:
        steps = (
            build_step_model(on_device(p.model), Space(()))
            if state is None
            else load_step_model(state)
        )
        atoms = modelled_atoms(context.system.topology, p.model["atoms"], p.model["types"])
        pairs = Pairs.of(atoms.species, list(p.structures), turning=p.model["turning"])
        fitted, report = steps, steps.fit([pairs], seed=seed)
    return Segment(
        order.key,
        carry=encode(FitRecord(True, fitted.state())),
        counts={
            "train_loss": report.train_loss,
            "held_out_loss": report.held_out_loss,
            "epochs": float(report.epochs),
        },
        model_version=order.model_version,
    )


def roll_ahead(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Roll the model out from each walker; no energy is asked for, and no walker moves.

    Payload and record: `AheadPayload`, `AheadRecord`. Samples: 'frames', the CVs path after path,
    and 'path', the number of each frame's.
    """
    p = order.read(AheadPayload)
    positions = walkers_of(p.walkers, context).positions
    make = _snippets if p.structures is None else _steps
    done = make(context, order, p, positions)
    numbers = np.arange(p.first, p.first + len(positions), dtype=np.float64)
    return Segment(
        order.key,
        samples={
            "frames": done.paths.reshape(-1, done.paths.shape[2]),
            "path": np.repeat(numbers, p.frames),
        },
        carry=encode(done),
        counts={"generated": float(len(done.paths)), "broken": float((~done.sound[:, -1]).sum())},
        model_version=order.model_version,
    )


def _snippets(
    context: WorkerContext, order: WorkOrder, p: AheadPayload, positions: Array
) -> AheadRecord:
    """Snippet after snippet, each inpainted from the last frame of the one before."""
    model = frozen(context, order.model_version, load_trajectory_model)
    key, xi = _key(context, order), context.cvs(positions)
    whole = np.ones(len(xi), dtype=bool)
    made, here, sound = [], xi, []
    for number in range(-(-p.frames // (p.snippet - 1))):
        given = np.full((len(xi), p.snippet, xi.shape[1]), np.nan)
        given[:, 0] = here
        keys = [DrawKey(key, p.first + i, number) for i in range(len(xi))]
        paths = model.inpaint(keys, given, conditions=p.conditions)
        sound.append(whole[:, None] & _unbroken(model, paths))
        made.append(paths[:, 1:])
        whole = sound[-1][:, -1]
        # a path that has broken goes on from its walker, so that what is given is finite
        here = np.where(whole[:, None], paths[:, -1], xi)
        if context.slices is not None:
            context.slices.check()
    return AheadRecord(
        np.concatenate(made, axis=1)[:, : p.frames], np.concatenate(sound, axis=1)[:, : p.frames]
    )


def _unbroken(model: TrajectoryModel, paths: Array) -> NDArray[np.bool_]:
    """Which frames after the first, shape (n, length − 1), have no jump before them."""
    pairs = np.stack([paths[:, :-1], paths[:, 1:]], axis=2)
    whole = model.screen(pairs.reshape(-1, *pairs.shape[2:])).whole.reshape(pairs.shape[:2])
    return np.asarray(np.logical_and.accumulate(whole, axis=1))


def _steps(
    context: WorkerContext, order: WorkOrder, p: AheadPayload, positions: Array
) -> AheadRecord:
    """Step after step, each looked at before the next is taken."""
    assert isinstance(p.structures, Structures)
    topology, start = context.system.topology, context.system.initial().positions
    atoms = modelled_atoms(topology, p.structures.atoms, p.structures.types)
    begin = positions.reshape(len(positions), -1, 3)[:, atoms.index]
    made = roll_out(
        frozen(context, order.model_version, load_step_model),
        atoms.species,
        begin,
        p.frames,
        Sound(
            BondWindows(atoms.bonds, p.structures.low, p.structures.high),
            StereoWatch(topology, start).among(atoms.index),
        ),
        _key(context, order),
        range(p.first, p.first + len(positions)),
        p.conditions,
        look=(lambda: None) if context.slices is None else context.slices.check,
    )
    # a path that was given up stands still
    x = np.concatenate([begin[:, None], made.paths], axis=1)
    return AheadRecord(cvs_of(context, atoms, made.paths), (x[:, 1:] != x[:, :-1]).any(axis=(2, 3)))


def _key(context: WorkerContext, order: WorkOrder) -> int:
    """What keys the draws of a round."""
    return cycle_key(int(context.setup["seed"]), order.round)
