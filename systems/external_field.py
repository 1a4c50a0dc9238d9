"""Whether a system's energy depends on where it is and how it lies: by the energy itself.

What a force is called says little: a field may sit in a `CustomCVForce`, in a compound bond that
looks at coordinates, or in a potential that a user wrote.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from msgen.systems.base import System, Walkers

DISPLACED = 3
"""Starts that are looked at: the one there is, and others beside it, where a field that happens to
be level at the start is not."""
JITTER = 0.01
"""Displacement of each coordinate at these, in radii of gyration: what is stiff stays below a few
thousand kT, so that single precision tells a field from rounding."""
FAR = (0.0, 0.3, 1.0, 4.0)
"""How far a start is carried, in radii of gyration, each time turned at random."""
LEAST, ROUNDING = 0.02, 1e-5
"""Change of U that counts: in kT, and of U's own size."""


def counts(change: float, energy: float, kT: float) -> bool:
    """Whether a change of an energy of this size is one, and no rounding; all in one unit."""
    return not abs(change) <= LEAST * kT + ROUNDING * abs(energy)


def field_felt(system: System, *, turned: bool = True) -> float:
    """By how much U/kT changes as the start, and starts beside it, are moved as a whole.

    Parameters
    ----------
    system : System
        Whose coordinates are those of atoms, three by three.
    turned : bool
        Whether they are turned as well as shifted.

    Returns
    -------
    float
        The largest change; 0 where none is more than rounding, inf where U is finite at some places
        only.
    """
    rng = np.random.default_rng(20_260)
    start = system.initial()
    x = start.positions.reshape(-1, 3)
    centre = x.mean(axis=0)
    radius = float(np.sqrt(((x - centre) ** 2).sum(axis=1).mean())) or 1.0
    worst = 0.0
    for k in range(DISPLACED):
        about = x - centre + (JITTER * radius * rng.standard_normal(x.shape) if k else 0.0)
        # about the origin, too, where representations put what they decode
        placed = [about + centre, about]
        for far in FAR:
            way = rng.standard_normal(3)
            turn = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
            shape = about @ turn.T if turned else about
            placed.append(shape + centre + far * radius * way / np.linalg.norm(way))
        box = None if start.box is None else np.repeat(start.box, len(placed), axis=0)
        with np.errstate(all="ignore"):
            u = system.energy(Walkers(np.array(placed).reshape(len(placed), -1), None, box))
        if not np.isfinite(u[0]):
            continue  # nothing to compare with
        change = float(np.abs(u - u[0]).max()) if np.isfinite(u).all() else np.inf
        if counts(change, float(u[0]), system.kT):
            worst = max(worst, change / system.kT)
    return worst
