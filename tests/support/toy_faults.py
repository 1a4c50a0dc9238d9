"""The toy's walk on workers that hang, give nonsense or sit on a slow node; once, as told."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import toy_campaign

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.context import WorkerContext

ROLES = {**toy_campaign.ROLES, "walk": "toy_faults:walk", "fit": "toy_faults:fit"}


def setup(**options: Any) -> dict[str, Any]:
    return {**toy_campaign.setup(**options), "roles": ROLES}


def _first(folder: str, order: WorkOrder) -> bool:
    """Whether no worker came here before."""
    try:
        (Path(folder) / "-".join(map(str, order.key))).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def walk(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    toy = context.setup["toy"]
    slow = toy.get("slow_node")
    if slow:
        import ray

        if str(ray.get_runtime_context().get_node_id()) == slow:
            time.sleep(9 * toy["seconds"] * (1 + order.replica))
    if list(order.key) in toy.get("hang_at", []) and _first(toy["marker"], order):
        (Path(toy["marker"]) / "hung").write_text(str(os.getpid()))
        time.sleep(1e6)
    segment = toy_campaign.walk(context, order, rng)
    x = np.array(segment.carry["x"])
    if list(order.key) in toy.get("nan_at", []) and (
        _first(toy["marker"], order) or toy.get("nan_always")
    ):
        x += np.nan
    segment.carry["walkers"] = {"positions": x}
    return segment


def fit(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    toy = context.setup["toy"]
    if list(order.key) in toy.get("die_at", []) and _first(toy["marker"], order):
        os.kill(os.getpid(), 9)
    return toy_campaign.fit(context, order, rng)
