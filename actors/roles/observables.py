"""What is watched beside the CVs: slow things that no window holds, and that may differ between
walkers of one window for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.systems.base import Array

_Watched = tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp], tuple[str, ...]]

MOST_COORDINATES = 16
"""Coordinates of an analytic system that are watched one by one."""


def watched_names(context: WorkerContext) -> tuple[str, ...]:
    """Names of the columns of `watch`; an angle has two, its cos and its sin."""
    if context.system.topology is None:
        angles = _angles(context)
        plain = [f"x{d}" for d in np.flatnonzero(~angles)]
        return (*plain, *_turns([f"x{d}" for d in np.flatnonzero(angles)]))
    names, _, _, centres = _molecule(context)
    return (*_turns(names), *centres)


def _turns(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{part} {n}" for n in names for part in ("cos", "sin"))


def _angles(context: WorkerContext) -> NDArray[np.bool_]:
    """Which of the coordinates that are watched are angles."""
    # here: torch comes with it
    from msgen.systems.cvs.torch_cvs import coordinate_angles

    return coordinate_angles(context.cvs, context.system.n_dof)[:MOST_COORDINATES]


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
        angles, x = _angles(context), positions[:, :MOST_COORDINATES]
        return x if not angles.any() else np.hstack([x[:, ~angles], _turned(x[:, angles])])
    # here: an analytic system needs no topology
    from msgen.systems.topology.rotatable_torsions import handedness, torsion_angles

    _, torsions, corners, _ = _molecule(context)
    angle = torsion_angles(positions, torsions)
    return np.concatenate([_turned(angle), handedness(positions, corners)], axis=1)


def _turned(angle: Array) -> Array:
    """Cos and sin of each angle, shape (n, A) → (n, 2A)."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(angle), -1)


def _molecule(context: WorkerContext) -> _Watched:
    if "watched" not in context.cache:
        from msgen.actors.roles.state_explorer import stereo_watch
        from msgen.systems.topology.rotatable_torsions import free_torsions

        stereo = stereo_watch(context)
        names, atoms = free_torsions(context.system.topology)
        context.cache["watched"] = (names, atoms, stereo.centres, stereo.centre_names)
    found: _Watched = context.cache["watched"]
    return found
