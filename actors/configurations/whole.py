"""What a flow of whole configurations sees of a system, atoms without bonds among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.configurations.coordinates import exact, exact_coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.orders.proposals import BroadGaussian
from msgen.models import Broad, Defended
from msgen.models.base import Drawn
from msgen.models.centre_free import CentreFree, DefendedCentreFree
from msgen.systems.base import System
from msgen.systems.coordinates.free_particles import Centred
from msgen.systems.coordinates.representation import Exact


def free_particles(system: System) -> int:
    """Atoms of a system in which no bond joins two of them; 0 of any other."""
    topology = system.topology
    return 0 if topology is None or topology.n_bonds else int(topology.n_atoms)


def whole_coordinates(system: System, angles: NDArray[np.bool_] | None = None) -> Exact:
    """Positions about their centre of free particles, else as `exact_coordinates`."""
    n = free_particles(system)
    return Centred(n) if n else exact_coordinates("auto", system, angles)


def whole(context: WorkerContext) -> Exact:
    """What `whole_coordinates` makes of the campaign, once per worker."""
    n = free_particles(context.system)
    return Centred(n) if n else exact(context)


def whole_proposal(
    context: WorkerContext, version: int, broad: BroadGaussian, epsilon: float
) -> Drawn:
    """The frozen model `version` and no other, with its share of broad proposals."""
    seen, model = whole(context), context.models[version]
    if not isinstance(seen, Centred):
        return Defended(model, Broad(seen.periodic, mean=broad.mean, std=broad.std), epsilon)
    kept: tuple[int, CentreFree] | None = context.cache.get("centre_free")
    if kept is None or kept[0] != version:
        kept = context.cache["centre_free"] = (version, CentreFree(model, seen.n_atoms))
    width = float(np.sqrt(np.mean(np.square(broad.std))))
    return DefendedCentreFree(kept[1], seen.n_atoms, width, epsilon)
