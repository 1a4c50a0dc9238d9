"""Short runs from structures that were thrown about: steps that equilibrium seldom takes.

Heat or turned torsions lead where exact samples are few. What is recorded comes after a structure
has relaxed at the campaign's temperature: each step is one of its dynamics, but
the share of frames is not that of equilibrium.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.registry import build_inertial_engine
from msgen.actors.engines.tempered_openmm import HeatedMolecule
from msgen.actors.orders.hot import HotPayload, HotRecord
from msgen.actors.probing.molecules import free_bonds
from msgen.actors.roles.state_explorer import flips
from msgen.actors.roles.walkers import concatenate, walkers_of
from msgen.systems.base import Array, Walkers

ITERATIONS = 200
"""Of L-BFGS, after torsions were turned."""


def run_hot(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Throw walkers about, let them relax, and read the atoms that a model of steps sees.

    Payload and record: `HotPayload`, `HotRecord`. Samples, under a kind of their own which no
    estimate reads: 'frames', the CVs run after run, and 'run', the number of each frame's.
    """
    p = order.read(HotPayload)
    start, spent = walkers_of(p.walkers, context), 0
    thrown = []
    for i, way in enumerate(p.ways):
        one = Walkers(start.positions[i : i + 1], None, _box(start, i))
        moved, used = (_heated if way == "heat" else _turned)(context, p, one, rng)
        thrown.append(moved)
        spent += used
    xi, structures, good, tally = _followed(context, p, concatenate(thrown), rng)
    kept = np.flatnonzero(good)
    return Segment(
        order.key,
        samples={
            "frames": xi[kept].reshape(-1, xi.shape[2]),
            "run": np.repeat(kept.astype(np.float64), p.frames),
        },
        carry=encode(HotRecord(structures[kept])),
        counts={"hot_runs": float(len(good)), "hot_lost": float((~good).sum())},
        evaluations=spent + tally,
        model_version=order.model_version,
    )


def _followed(
    context: WorkerContext, p: HotPayload, walkers: Walkers, rng: np.random.Generator
) -> tuple[Array, Array, NDArray[np.bool_], int]:
    """CVs (n, frames, C), atoms (n, frames, M, 3), which runs are sound, and what it took."""
    engine = build_inertial_engine(context)
    engine.begin(rng)
    lam = engine.load(walkers)
    free = np.zeros(len(lam), dtype=bool)
    good = np.asarray(np.isfinite(lam).all(axis=1))
    if p.relax:
        good &= np.isfinite(engine.chunk(lam, free, p.relax)).all(axis=1)
    read, structures = [], []
    for _ in range(p.frames):
        read.append(engine.chunk(lam, free, p.steps))
        x = engine.walkers().positions
        structures.append(x.reshape(len(x), -1, 3)[:, p.atoms])
        # another isomer is another molecule, whose roll-outs would be refused
        good &= np.array([not names for names in flips(context, x)])
    xi, seen = np.stack(read, axis=1), np.stack(structures, axis=1)
    good &= np.isfinite(xi).all(axis=(1, 2)) & np.isfinite(seen).all(axis=(1, 2, 3))
    return xi, seen, np.asarray(good), engine.tally.evaluations


def _heated(
    context: WorkerContext, p: HotPayload, one: Walkers, rng: np.random.Generator
) -> tuple[Walkers, int]:
    hot = HeatedMolecule(context, one, np.array([p.tau]), rng)
    try:
        hot.stretch(1, p.heat)
    finally:
        hot.cool()
    return _bare(hot.walkers()), hot.evaluations


def _turned(
    context: WorkerContext, p: HotPayload, one: Walkers, rng: np.random.Generator
) -> tuple[Walkers, int]:
    """Every free bond turned by an angle of its own, and the clashes relaxed."""
    x: Array = one.positions[0]
    for bond in free_bonds(context):
        x = bond.apply(x, float(rng.uniform(-np.pi, np.pi)))
    made = HeatedMolecule(context, Walkers(x[None], None, one.box), np.ones(1), rng)
    made.minimise(ITERATIONS)
    return _bare(made.walkers()), made.evaluations


def _bare(walkers: Walkers) -> Walkers:
    return Walkers(walkers.positions, None, walkers.box)


def _box(walkers: Walkers, i: int) -> Array | None:
    return None if walkers.box is None else walkers.box[i : i + 1]
