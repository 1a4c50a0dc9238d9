"""Steps of a molecule: the Trainer's fits of their model, and its roll-outs on the workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, Learnt, RollOutPayload, RollOutRecord
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.rolling import Sound, roll_out
from msgen.actors.roles.state_explorer import stereo_watch
from msgen.actors.roles.trainer import on_device
from msgen.models import build_step_model, load_step_model
from msgen.models.base import Space
from msgen.models.steps.data import Pairs
from msgen.systems.base import Array
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.modelled_atoms import ModelledAtoms, modelled_atoms

AT_ONCE = 2**24
"""Coordinates that CVs are taken of at once."""


def fit_steps(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version of the model to all pairs of neighbouring frames of all molecules.

    Payload and record: `FitStepsPayload`, `FitRecord`.
    """
    p, spec = order.read(FitStepsPayload), context.setup["model"]
    molecules = [*([] if p.own is None else [p.own]), *p.beside]
    if order.model_version >= 0:
        # a model of its own: the one that is rolled out is frozen
        model = load_step_model(context.models.state(order.model_version))
    else:
        # of all molecules: a step is conditional on the same
        about = molecules[0].conditions
        space = Space((), (False,) * (0 if about is None else about.shape[1]))
        model = build_step_model(on_device(spec), space)
    pairs = [
        pair
        for one in molecules
        for pair in _pairs(one, one.species or _seen(context).species, spec)
    ]
    report = model.fit(pairs, seed=int(rng.integers(2**31)))
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


def _pairs(one: Learnt, species: tuple[str, ...], spec: Mapping[str, Any]) -> Iterator[Pairs]:
    """Those of trajectories, and those of hot runs."""
    turning, past = spec["turning"], spec["past"]
    yield Pairs.of(
        species,
        list(one.frames),
        turning=turning,
        weights=one.weights,
        conditions=one.conditions,
        past=past,
    )
    if one.hot is not None and len(one.hot):
        about = one.hot_conditions
        about = None if about is None else np.repeat(about, len(one.hot), axis=0)
        yield Pairs.of(species, list(one.hot), turning=turning, conditions=about, past=past)


def roll_out_steps(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Roll the model out, each path by its own number.

    Payload and record: `RollOutPayload`, `RollOutRecord`. Samples: 'frames', the CVs path after
    path, 'path' and 'task', the numbers of each frame's.
    """
    p, atoms = order.read(RollOutPayload), _seen(context)
    made = roll_out(
        frozen(context, order.model_version, load_step_model),
        atoms.species,
        p.begin,
        p.frames,
        Sound(
            BondWindows(atoms.bonds, p.low, p.high),
            stereo_watch(context).among(atoms.index),
        ),
        cycle_key(int(context.setup["seed"]), p.cycle),
        range(p.first, p.first + len(p.begin)),
        p.conditions,
        p.earlier,
        (lambda: None) if context.slices is None else context.slices.check,
    )
    paths = cvs_of(context, atoms, made.paths)
    numbers = np.arange(p.first, p.first + len(paths))
    return Segment(
        order.key,
        samples={
            "frames": paths.reshape(-1, paths.shape[2]),
            "path": np.repeat(numbers.astype(np.float64), p.frames),
            "task": np.full(len(paths) * p.frames, float(p.task)),
        },
        carry=encode(RollOutRecord(paths, made.whole, made.redrawn, p.task)),
        counts={
            "generated": float(len(paths)),
            "broken": float((~made.whole).sum()),
            "redrawn": float(made.redrawn),
        },
        model_version=order.model_version,
    )


def cycle_key(seed: int, cycle: int) -> int:
    """What keys the draws of one cycle."""
    return int(np.random.SeedSequence(seed, spawn_key=(cycle,)).generate_state(1, np.uint64)[0])


def cvs_of(context: WorkerContext, atoms: ModelledAtoms, x: Array) -> Array:
    """CVs of structures of the modelled atoms (n, L, M, 3), shape (n, L, C).

    What a CV wants of other atoms is NaN.
    """
    n, length = x.shape[:2]
    rows, n_dof = x.reshape(n * length, -1, 3), context.system.n_dof
    # a few atoms of a thousand: the others are NaN, and only some rows of them at a time
    some = max(1, AT_ONCE // n_dof)
    xi = []
    for first in range(0, len(rows), some):
        part = rows[first : first + some]
        full = np.full((len(part), n_dof // 3, 3), np.nan)
        full[:, atoms.index] = part
        xi.append(context.cvs(full.reshape(len(part), -1)))
    return np.concatenate(xi).reshape(n, length, -1)


def _seen(context: WorkerContext) -> ModelledAtoms:
    spec = context.setup["model"]
    asked = (spec["atoms"], spec["types"], spec["solute"])
    return modelled_atoms(context.system.topology, *asked)
