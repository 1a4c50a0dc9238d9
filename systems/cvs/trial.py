"""Every CV is tried before it is trusted: at the start, and at starts displaced a little.

A CV may have a value where it is not defined (a torsion over three atoms in a line: torch calls its
gradient 0, OpenMM NaN), or a gradient along which nothing can move (a rigid bond, frozen atoms), or
be another one by another name.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from msgen.systems.base import CV, Array, CVSet, System
from msgen.systems.cvs.centroids import CentroidAngle, CentroidDihedral
from msgen.systems.cvs.torch_cvs import Angle, Dihedral
from msgen.systems.errors import SpecError
from msgen.systems.openmm.constraints import RigidBonds

TRIALS = 4
"""The start, and starts beside it."""
DISPLACED = 0.01
"""Displacement of each coordinate at these: nm, or the unit of a potential."""
STEP, JUMP = 1e-6, 1e-3
"""A displacement, and what a CV does not change by in it but by its gradient."""
NOTHING = 1e-6
"""What is left of a gradient, relative to it, where all of it is held or another's."""
IN_LINE = 1e-6
"""Sine of the angle at an atom from which three count as being in a line."""


def complaints(system: System, cvs: CVSet) -> list[SpecError]:
    """What is wrong with the CVs of a campaign, in their order; at most one for each.

    Parameters
    ----------
    system : System
    cvs : CVSet

    Returns
    -------
    list of SpecError
        To be told together.
    """
    places = _places(system)
    movable = _movable(system)
    said: list[SpecError] = []
    sound: list[tuple[str, list[Array]]] = []
    for cv in cvs.cvs:
        found = _tried(cv, system, places, movable)
        if isinstance(found, SpecError):
            said.append(found)
            continue
        others = _others(found, [gradients for _, gradients in sound])
        if others:
            names = ", ".join(repr(sound[k][0]) for k in others)
            what = f"changes only as {names} {'does' if len(others) == 1 else 'do'}"
            remedy = "Leave one of them out, or take a coordinate of its own"
            said.append(SpecError(("cvs", cv.name), cv.name, what, remedy))
        else:
            sound.append((cv.name, found))
    return said


def _places(system: System) -> Array:
    """The start and some starts beside it, shape (n, D); what has no mass stays."""
    start = system.initial().positions[0]
    rng = np.random.default_rng(20_261)
    beside = DISPLACED * rng.standard_normal((TRIALS, start.size))
    beside[0] = 0.0
    return np.asarray(start + np.where(_movable(system), beside, 0.0))


def _movable(system: System) -> NDArray[np.bool_]:
    """Coordinates that ever move, shape (D,); virtual sites go with others."""
    own = getattr(system, "movable", None)
    return np.asarray(system.masses > 0 if own is None else own, dtype=bool)


def _tried(
    cv: CV, system: System, places: Array, movable: NDArray[np.bool_]
) -> SpecError | list[Array]:
    """What is wrong with one CV, or along what it can move at each place, shape (D,) each."""
    field = ("cvs", cv.name)
    try:
        value, gradient = CVSet((cv,)).value_and_gradient(places)
    except RuntimeError as error:  # of torch
        text = str(error).splitlines()[0]
        return SpecError(
            field, cv.name, f"has no gradient ({text})", "Write it in torch throughout"
        )
    finite = np.isfinite(value[:, 0]) & np.isfinite(gradient[:, 0]).all(axis=1)
    if not finite.all():
        where = "at the start" if not finite[0] else f"beside the start, {DISPLACED:g} away"
        what = f"has no finite {'gradient' if np.isfinite(value).all() else 'value'} {where}"
        return SpecError(field, cv.name, what + _in_line(cv, system), _REMEDY)
    step = np.where(
        movable, STEP * np.random.default_rng(20_262).standard_normal(movable.size), 0.0
    )
    change = CVSet((cv,))(places + step)[:, 0] - value[:, 0]
    if cv.periodic:
        change -= 2 * np.pi * np.round(change / (2 * np.pi))
    expected = gradient[:, 0] @ step
    jumps = ~(np.abs(change - expected) <= JUMP + 0.5 * np.abs(expected))
    if jumps.any():
        k = int(jumps.argmax())
        where = "at the start" if k == 0 else f"beside the start, {DISPLACED:g} away"
        what = f"jumps by {abs(change[k]):.2g} {where}, where atoms move by {STEP:g}"
        return SpecError(field, cv.name, what + _in_line(cv, system), _REMEDY)
    free = [np.where(movable, g, 0.0) for g in gradient[:, 0]]
    if not any(g.any() for g in free):
        held = bool(gradient.any())
        what = "cannot move: its atoms have no mass" if held else "does not change at the start"
        return SpecError(field, cv.name, what, "Take atoms that move" if held else _REMEDY)
    bonds = system.constraints
    if bonds is None or not len(bonds):
        return free
    left = [_unheld(g, x, bonds, movable) for g, x in zip(free, places, strict=True)]
    if all(_small(a, b) for a, b in zip(left, free, strict=True)):
        what = "cannot move: rigid bonds hold its atoms in place to each other"
        return SpecError(field, cv.name, what, "Take other atoms, or write constraints: None")
    return left


_REMEDY = "Take other atoms, or another start"


def _small(left: Array, whole: Array) -> bool:
    return bool(np.linalg.norm(left) <= NOTHING * np.linalg.norm(whole))


def _in_line(cv: CV, system: System) -> str:
    """What of a torsion or an angle lies in a line, if that is why."""
    start = system.initial().positions
    if isinstance(cv, Dihedral | Angle):
        whose, names = "atoms", [str(a) for a in cv.atoms]
        at = start.reshape(-1, 3)[list(cv.atoms)]
    elif isinstance(cv, CentroidDihedral | CentroidAngle):
        whose, names = "the centres of groups", [str(k) for k in range(len(cv.groups))]
        x = torch.as_tensor(start)
        at = np.array([group.centre(x)[0].numpy() for group in cv.groups])
    else:
        return ""
    for k in range(len(at) - 2):
        u, v = at[k] - at[k + 1], at[k + 2] - at[k + 1]
        if np.linalg.norm(np.cross(u, v)) <= IN_LINE * np.linalg.norm(u) * np.linalg.norm(v):
            which = ", ".join(names[k : k + 3])
            return f": {whose} {which} lie in a line, where it is not defined"
    return ""


def _unheld(g: Array, x: Array, bonds: RigidBonds, movable: NDArray[np.bool_]) -> Array:
    """A gradient without what rigid bonds hold of it, by least squares over those it touches."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import lsqr

    near = _touching(np.flatnonzero(g.reshape(-1, 3).any(axis=1)), bonds)
    if not len(near):
        return g
    points = x.reshape(-1, 3)
    pairs = bonds.pairs[near]
    arm = points[pairs[:, 0]] - points[pairs[:, 1]]
    arm /= np.linalg.norm(arm, axis=1)[:, None]
    columns = (3 * pairs[:, :, None] + np.arange(3)).reshape(-1)
    rows = np.repeat(np.arange(len(pairs)), 6)
    values = np.stack([arm, -arm], axis=1).reshape(-1) * movable[columns]
    matrix: Any = csr_matrix((values, (columns, rows)), shape=(g.size, len(pairs)))
    held = lsqr(matrix, g, atol=1e-12, btol=1e-12, iter_lim=20 * len(pairs) + 100)[0]
    return np.asarray(g - matrix @ held)


def _touching(atoms: NDArray[np.intp], bonds: RigidBonds) -> NDArray[np.intp]:
    """Rigid bonds that hang together with these atoms."""
    reached = np.zeros(len(bonds.masses), dtype=bool)
    reached[atoms] = True
    while True:
        touched = reached[bonds.pairs].any(axis=1)
        before = int(reached.sum())
        reached[bonds.pairs[touched]] = True
        if int(reached.sum()) == before:
            return np.flatnonzero(touched)


def _others(mine: list[Array], sound: list[list[Array]]) -> tuple[int, ...]:
    """Which of the others this CV is a function of, as far as gradients tell; () if of none."""
    if not sound:
        return ()
    parts: list[Array] = []
    for place, g in enumerate(mine):
        basis = np.array([gradients[place] for gradients in sound])
        size = np.linalg.norm(basis, axis=1)
        if not g.any() or not size.all():
            continue  # at the reference of an RMSD
        basis = (basis / size[:, None]).T
        share = np.linalg.lstsq(basis, g, rcond=None)[0]
        if not _small(g - basis @ share, g):
            return ()
        parts.append(np.abs(share) / np.linalg.norm(g))
    if not parts:
        return ()
    return tuple(np.flatnonzero(np.max(parts, axis=0) > math.sqrt(NOTHING)).tolist())
