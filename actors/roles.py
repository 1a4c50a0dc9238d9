"""Which function does which kind of work order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.context import WorkerContext

Role = Callable[[WorkerContext, WorkOrder, np.random.Generator], Segment]
"""``role(context, order, rng) -> Segment``: deterministic in the order, the models and `rng`."""

ROLES: dict[str, Role] = {}
"""Role functions by `WorkOrder.kind`."""
