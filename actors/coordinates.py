"""The coordinates in which a campaign's model sees configurations."""

from __future__ import annotations

from typing import Any

from msgen.actors.build import molecule
from msgen.actors.context import WorkerContext
from msgen.systems.representation import Representation, build_representation


def coordinates(context: WorkerContext) -> Representation:
    """What the campaign asks for, made once per worker."""
    if "coordinates" not in context.cache:
        kind = context.setup["strategy"].get("coordinates", "auto")
        about: tuple[Any, ...] = ()
        if context.setup["system"]["kind"] == "openmm":
            system = molecule(context)
            about = (system.topology, system.initial().positions[0])
        context.cache["coordinates"] = build_representation(kind, context.system.n_dof, *about)
    found: Representation = context.cache["coordinates"]
    return found
