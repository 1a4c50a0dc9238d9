"""The coordinates in which a campaign's model sees configurations."""

from __future__ import annotations

from msgen.actors.context import WorkerContext
from msgen.systems.representation import Cartesian, Representation


def coordinates(context: WorkerContext) -> Representation:
    """What the campaign asks for, made once per worker."""
    if "coordinates" not in context.cache:
        context.cache["coordinates"] = Cartesian(context.system.n_dof)
    found: Representation = context.cache["coordinates"]
    return found
