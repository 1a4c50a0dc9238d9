"""What is watched beside the CVs: slow things that no window holds, and that may differ between
walkers of one window for ever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.systems.base import Array

_Watched = tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp], tuple[str, ...]]

MOST_COORDINATES = 16
"""Coordinates of an analytic system that are watched one by one."""


def watched_names(context: WorkerContext) -> tuple[str, ...]:
    """Names of the columns of `watch`; a torsion has two, its cos and its sin."""
    if context.system.topology is None:
        return tuple(f"x{d}" for d in range(min(context.system.n_dof, MOST_COORDINATES)))
    names, _, _, centres = _molecule(context)
    return (*(f"{part} {n}" for n in names for part in ("cos", "sin")), *centres)


def watch(context: WorkerContext, positions: Array) -> Array:
    """Coordinates of an analytic system, torsions and handedness of a molecule.

    Parameters
    ----------
    positions : Array, shape (n, D)

    Returns
    -------
    Array, shape (n, H)
    """
    if context.system.topology is None:
        return positions[:, :MOST_COORDINATES]
    # here: an analytic system needs no topology
    from msgen.systems.topology.rotatable_torsions import handedness, torsion_angles

    _, torsions, corners, _ = _molecule(context)
    angle = torsion_angles(positions, torsions)
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(positions), -1)
    return np.concatenate([turn, handedness(positions, corners)], axis=1)


def _molecule(context: WorkerContext) -> _Watched:
    if "watched" not in context.cache:
        from msgen.actors.roles.state_explorer import stereo_watch
        from msgen.systems.topology.rotatable_torsions import free_torsions

        stereo = stereo_watch(context)
        names, atoms = free_torsions(context.system.topology)
        context.cache["watched"] = (names, atoms, stereo.centres, stereo.centre_names)
    found: _Watched = context.cache["watched"]
    return found
