"""A search that learns by itself: walkers followed from every known state, and a model of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.orders.ahead import FitAheadPayload, Structures
from msgen.actors.orders.trajectories import FollowPayload, FollowRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.strategies.common.explorer import Explorer
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array
from msgen.systems.topology.bond_windows import BondWindows


@dataclass(frozen=True)
class Followed:
    """Trajectories of the system's own dynamics, of all rounds so far.

    Attributes
    ----------
    frames : Array, shape (n, length, C)
        CVs, `output.stride` steps apart.
    structures : Array, shape (n, length, M, 3), or None
        Of the atoms that a model of steps learns, nm.
    """

    frames: Array
    structures: Array | None = None

    def __len__(self) -> int:
        return len(self.frames)


def follow_orders(
    problem: Problem, explorer: Explorer, rnd: int, walkers: WalkerRows
) -> tuple[WorkOrder, ...]:
    """Each walker left to the local moves, as many to an order as are stepped together."""
    learning = explorer.learning
    assert learning is not None
    atoms = None if learning.atoms is None else learning.atoms.index

    def payload(first: int) -> FollowPayload:
        ids = np.arange(first, min(first + problem.batch, len(walkers)))
        begun = (walkers.take(ids).without_velocities(), ids, np.zeros(len(ids), dtype=np.int64))
        return FollowPayload(*begun, learning.frames, problem.stride, None, atoms)

    cost = float(learning.frames * problem.stride)
    return tuple(
        WorkOrder.of(rnd, payload(first), i, cost_hint=cost * problem.batch)
        for i, first in enumerate(range(0, len(walkers), problem.batch))
    )


def followed(problem: Problem, before: Followed | None, segments: Sequence[Segment]) -> Followed:
    """With a round of them; those that met what is not finite are left out."""
    mine = [s for s in segments if s.key[1] == FollowPayload.kind]
    records = [s.read(FollowRecord) for s in mine]
    read = [
        s.samples["cvs"].reshape(len(r.walkers), -1, problem.dim)
        for s, r in zip(mine, records, strict=True)
    ]
    frames, parts = np.concatenate(read), [r.structures for r in records]
    seen = [part for part in parts if part is not None]
    sound = np.isfinite(frames).all(axis=(1, 2))
    structures = np.concatenate(seen)[sound] if seen else None
    if before is None:
        return Followed(frames[sound], structures)
    if structures is not None and before.structures is not None:
        structures = np.concatenate([before.structures, structures])
    return Followed(np.concatenate([before.frames, frames[sound]]), structures)


def fit_order(
    problem: Problem, explorer: Explorer, rnd: int, seen: Followed, version: int
) -> WorkOrder:
    """The next fit, on all of them."""
    learning = explorer.learning
    assert learning is not None
    payload = FitAheadPayload(learning.model, seen.frames, problem.periodic, seen.structures)
    return WorkOrder.of(rnd, payload, model_version=version, cost_hint=1e3)


def structures_of(explorer: Explorer, seen: Followed) -> Structures | None:
    """What steps may look like, by those that were seen; None of whole snippets."""
    learning = explorer.learning
    if learning is None or learning.atoms is None or seen.structures is None:
        return None
    flat = seen.structures.reshape(-1, 3 * len(learning.atoms.index))
    windows = BondWindows.of(learning.atoms.bonds, flat)
    model = learning.model
    return Structures(model["atoms"], model["types"], windows.low, windows.high)
