"""The campaign's system where OpenMM steps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgen.actors.context import WorkerContext

if TYPE_CHECKING:
    from msgen.systems.openmm.system import OpenMMSystem


def molecule(context: WorkerContext) -> OpenMMSystem:
    """The campaign's system, known to be a molecule."""
    # here: an analytic system needs no OpenMM
    from msgen.systems.openmm.system import OpenMMSystem

    system = context.system
    if not isinstance(system, OpenMMSystem):
        raise TypeError(f"{type(system).__name__} is no OpenMM system")
    return system
