"""Turning a part of a molecule about a bond, which leaves every bond and angle as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.topology.rings import neighbours
from msgen.systems.topology.rotatable_torsions import free_torsions


@dataclass(frozen=True)
class Turn:
    """A bond, and the atoms on its smaller side.

    Attributes
    ----------
    begin, end : int
        Atoms of the bond.
    moved : int array
    """

    begin: int
    end: int
    moved: NDArray[np.intp]

    def apply(self, x: Array, angle: float) -> Array:
        """One configuration, shape (3N,), turned by `angle` about the bond (Rodrigues)."""
        p = np.array(x).reshape(-1, 3)
        axis = p[self.end] - p[self.begin]
        axis /= np.linalg.norm(axis)
        arm = p[self.moved] - p[self.begin]
        along = (arm @ axis)[:, None] * axis
        turned = along + np.cos(angle) * (arm - along) + np.sin(angle) * np.cross(axis, arm)
        p[self.moved] = p[self.begin] + turned
        return p.reshape(-1)


def turns(topology: Any, fixed: frozenset[tuple[int, int]] = frozenset()) -> tuple[Turn, ...]:
    """Bonds that are free to turn: those of `free_torsions` that are in no ring and not `fixed`.

    Parameters
    ----------
    topology : mdtraj.Topology
        With bonds.
    fixed : frozenset of pairs
        Bonds that do not turn, as of peptides; the smaller atom first.
    """
    near = neighbours(topology)
    found = []
    for _, i, j, _ in free_torsions(topology)[1].tolist():
        if (min(i, j), max(i, j)) in fixed:
            continue
        beyond = _side(near, i, j)
        if i in beyond:
            continue  # a ring
        behind = _side(near, j, i)
        moved = beyond if len(beyond) <= len(behind) else behind
        found.append(Turn(i, j, np.array(sorted(moved), dtype=np.intp)))
    return tuple(found)


def _side(near: list[list[int]], i: int, j: int) -> set[int]:
    """Atoms that are reached from j without crossing the bond i–j; i is among them in a ring."""
    seen, open_ = {j}, [a for a in near[j] if a != i]
    while open_:
        atom = open_.pop()
        if atom not in seen:
            seen.add(atom)
            open_ += near[atom]
    return seen
