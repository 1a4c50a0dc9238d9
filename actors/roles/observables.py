"""What is watched beside the CVs: slow things that no window holds, and that may differ between
walkers of one window for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.systems.base import Array
from msgen.systems.unbounded_coordinates import Unbounded

_Watched = tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp], tuple[str, ...]]

MOST_COORDINATES = 16
"""Coordinates of an analytic system that are watched one by one."""


def watched_names(context: WorkerContext) -> tuple[str, ...]:
    """Names of the columns of `watch`; an angle has two, its cos and its sin."""
    if context.system.topology is None:
        plain, ends = _plain(context)
        turning = np.flatnonzero(ends.repeats)[:MOST_COORDINATES]
        return (*(f"x{d}" for d in plain), *_turns(f"x{d}" for d in turning))
    names, _, _, centres = _molecule(context)
    return (*_turns(names), *centres)


def _turns(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{part} {n}" for n in names for part in ("cos", "sin"))


def _plain(context: WorkerContext) -> tuple[NDArray[np.intp], Unbounded]:
    """The coordinates that are watched as they are, and what is known of the others."""
    ends = context.watched.ends
    return np.flatnonzero(~ends.repeats & ~ends.free)[:MOST_COORDINATES], ends


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
        plain, ends = _plain(context)
        angle = ends.angles(positions)[:, :MOST_COORDINATES]
        return np.hstack([positions[:, plain], _turned(angle)])
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
