"""The walkers of an order: taken out of it, and handed back."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Walkers


def walkers_of(rows: WalkerRows, context: WorkerContext) -> Walkers:
    """Walkers from an order, read from the files where it says that they lie there."""
    if rows.shelf is not None:
        return context.shelf.get(rows.shelf, context.system.initial())
    if rows.positions is None:
        raise ValueError("these rows hold neither coordinates nor a table of where they lie")
    return Walkers(rows.positions, rows.velocities, rows.box)


def rows_of(walkers: Walkers, context: WorkerContext, order: WorkOrder) -> WalkerRows:
    """What becomes of an order's walkers; inverse of `walkers_of`."""
    if context.setup.get("shelf"):
        return context.shelf.put(order.key, walkers)
    return WalkerRows(walkers.positions, walkers.velocities, walkers.box)


def concatenate(parts: list[Walkers], *, moving: bool = False) -> Walkers:
    """Batches of walkers as one; without velocities unless `moving`."""
    boxes = [w.box for w in parts if w.box is not None]
    velocities = [w.velocities for w in parts if moving and w.velocities is not None]
    return Walkers(
        np.concatenate([w.positions for w in parts]),
        np.concatenate(velocities) if velocities else None,
        np.concatenate(boxes) if boxes else None,
    )
