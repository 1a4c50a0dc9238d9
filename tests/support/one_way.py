"""A learnt dynamics that knows a few ways: the roll-outs of a test, in the place of a network's."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.ahead import AheadPayload, AheadRecord, FitAheadPayload
from msgen.actors.orders.fit import FitRecord
from msgen.actors.roles.walkers import walkers_of
from msgen.models.base import ModelState
from msgen.orchestrator.strategies.common.explorer import Explorer, Learning

ROLES = {"ahead": "one_way:roll_ahead", "fit_ahead": "one_way:fit_ahead"}
JITTER, REACH = 0.2, 3.0
"""Of frames about the way, and how far from the origin it may lead along each CV."""


def knows(*ways: tuple[float, ...], frames: int = 8, whole: bool = True) -> Explorer:
    """One whose path i goes along way i, round and round, unless that leads out of the wells."""
    arrays: dict[str, Any] = {"ways": np.array(ways), "whole": np.array([whole])}
    return Explorer(ModelState({"kind": "one_way"}, arrays), frames, frames)


def learns(frames: int, follow: int) -> Explorer:
    """One that a search fits to what it follows for so many frames."""
    return Explorer(None, frames, frames, learning=Learning({"kind": "one_way"}, follow))


def fit_ahead(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Whatever it is shown it knows the ways to the next wells; it counts what it was shown."""
    p = order.read(FitAheadPayload)
    arrays: dict[str, Any] = {
        "ways": np.array([[2.0, 0.0], [0.0, 2.0]]),
        "whole": np.array([True]),
        "shown": np.array([len(p.frames)]),
    }
    model = ModelState(dict(p.model), arrays)
    return Segment(order.key, carry=encode(FitRecord(True, model)), evaluations=0)


def roll_ahead(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Straight on, with some noise."""
    p = order.read(AheadPayload)
    model = context.models.state(order.model_version)
    begin = context.cvs(walkers_of(p.walkers, context).positions)
    ways = model.arrays["ways"]
    way = ways[(p.first + np.arange(len(begin))) % len(ways)]
    way = np.where((np.abs(begin + way) < REACH).all(axis=1)[:, None], way, 0.0)
    part = np.linspace(0.0, 1.0, p.frames + 1)[1:, None]
    paths = begin[:, None] + part * way[:, None]
    paths = paths + JITTER * rng.standard_normal(paths.shape)
    sound = np.broadcast_to(model.arrays["whole"], paths.shape[:2])
    return Segment(order.key, carry=encode(AheadRecord(paths, sound)))
