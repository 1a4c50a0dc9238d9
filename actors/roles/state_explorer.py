"""The Explorer: hard pushes over the range of the CVs, each followed by relaxation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.registry import build_engine, engine_kind
from msgen.actors.kernels.base import Mask
from msgen.actors.orders.explore import ExplorePayload, ExploreRecord
from msgen.actors.roles.walkers import concatenate, rows_of, walkers_of
from msgen.systems.base import Array, Walkers

if TYPE_CHECKING:
    from msgen.systems.topology.stereochemistry import StereoWatch


def explore(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Push walkers to λ targets and let go; seeds need no detailed balance.

    A push that breaks leaves its walker where it was. Payload and record: `ExplorePayload`,
    `ExploreRecord`. Samples: the CVs 'cvs' seen on the way down from each push, 'seed' (index of
    the push) and 'flipped' (1 where the molecule has become an isomer).
    """
    p = order.read(ExplorePayload)
    engine = build_engine(context, p.step_size)
    engine.begin(rng)
    known = walkers_of(p.walkers, context)
    if p.start is None:
        start = known.take(rng.integers(len(known), size=len(p.targets)))
    else:
        start = known.take(p.start)
    xi = context.cvs(start.positions)
    pushed = engine.switch(Walkers(start.positions, None, start.box), xi, p.targets, p.schedule)
    ends, trails = [], []
    for part in _batches(pushed.walkers, engine_kind(context).batched):
        engine.load(part)
        n = len(part)
        free = np.zeros(n, dtype=bool)
        trail = []
        for _ in range(p.chunks):
            now = engine.chunk(np.zeros((n, len(context.cvs))), free, p.steps)
            engine.revert(np.asarray(~np.isfinite(now).all(axis=1)))
            trail.append(context.cvs(engine.walkers().positions))
        ends.append(engine.walkers())
        trails.append(np.array(trail))
    relaxed = concatenate(ends)
    seen = np.concatenate(trails, axis=1).swapaxes(0, 1)
    names = flips(context, relaxed.positions)
    return Segment(
        order.key,
        samples={
            "cvs": seen.reshape(-1, seen.shape[2]),
            "seed": np.repeat(np.arange(len(p.targets), dtype=np.float64), seen.shape[1]),
            "flipped": np.repeat([float(bool(f)) for f in names], seen.shape[1]),
        },
        carry=encode(
            ExploreRecord(
                rows_of(relaxed, context, order),
                context.cvs(relaxed.positions),
                tuple(", ".join(f) for f in names),
            )
        ),
        counts={
            "pushes": float(len(p.targets)),
            "broken": float(pushed.broken),
            "isomers": float(sum(bool(f) for f in names)),
            "nonfinite": float(engine.tally.nonfinite),
        },
        evaluations=engine.tally.evaluations,
    )


def _batches(walkers: Walkers, batched: bool) -> list[Walkers]:
    """One at a time where the engine takes one at a time: no Context is reloaded between chunks."""
    bare = Walkers(walkers.positions, None, walkers.box)
    return [bare] if batched else [bare.take([i]) for i in range(len(bare))]


def flips(context: WorkerContext, positions: Array) -> list[list[str]]:
    """For each configuration, which peptide bonds and chiral centres differ from the start."""
    if context.system.topology is None:
        return [[] for _ in positions]
    return stereo_watch(context).names_flipped(positions)


class Isomers:
    """Configurations of another isomer than the start.

    Attributes
    ----------
    seen : int
        How many it has found.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context, self.seen = context, 0

    def __call__(self, positions: Array) -> Mask:
        """Shape (n, D) → (n,)."""
        found = np.array([bool(f) for f in flips(self._context, positions)], dtype=bool)
        self.seen += int(found.sum())
        return found


def isomers(context: WorkerContext) -> Isomers | None:
    """What tells isomers; None for a system without atoms."""
    return None if context.system.topology is None else Isomers(context)


def stereo_watch(context: WorkerContext) -> StereoWatch:
    """What watches the molecule's isomers, made once."""
    if "stereo" not in context.cache:
        # here: an analytic system needs no OpenMM
        from msgen.systems.topology.stereochemistry import StereoWatch

        system = context.system
        context.cache["stereo"] = StereoWatch(system.topology, system.initial().positions[0])
    found: StereoWatch = context.cache["stereo"]
    return found
