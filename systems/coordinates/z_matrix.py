"""The Z-matrix of a molecule: which atoms each is placed from, measuring and building.

Every atom but the first is placed from one that it is bonded to, at a distance, an angle and a
torsion (a Z-matrix; J. Parsons et al., J. Comput. Chem. 26, 1063 (2005) for the placement). The
atoms that follow the first on the same parent are placed by their torsion relative to it, so that
one torsion turns the whole group, and the others hardly move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msgen.systems.errors import SpecError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ZMatrix:
    """Which atoms each atom is placed from; row k is the k-th atom to be placed.

    Attributes
    ----------
    atom : int array, shape (N,)
    refs : int array, shape (N, 3)
        Atoms of the bond, the angle and the torsion; −1 where the first three have none.
    relative : bool array, shape (N,)
        Whether the torsion is relative to another atom on the same parent.
    level : int array, shape (N,)
        Atoms of one level depend on lower ones only.
    """

    atom: Ints
    refs: Ints
    relative: NDArray[np.bool_]
    level: Ints

    @classmethod
    def of(cls, topology: Any) -> ZMatrix:
        """From the bonds, outwards from the middle, heavy atoms and larger groups first.

        Parameters
        ----------
        topology : mdtraj.Topology

        Raises
        ------
        SpecError
            Unless the bonds make one molecule of at least three atoms of it, or where some are
            virtual sites.
        """
        if any(a.element is None or a.element.number == 0 for a in topology.atoms):
            raise _refusal("some of its atoms are virtual sites, which are no variables")
        heavy = [a.element is not None and a.element.number > 1 for a in topology.atoms]
        near: list[list[int]] = [[] for _ in heavy]
        for a, b in topology.bonds:
            near[a.index].append(b.index)
            near[b.index].append(a.index)
        order, parent = _spanning(near, heavy)
        root, left, right = order[:3]
        rows = [(-1, -1, -1), (root, -1, -1), (root, left, -1)]
        relative = [False] * 3
        elder = {root: right}
        for i in order[3:]:
            a = parent[i]
            b = left if a == root else parent[a]
            relative.append(a in elder)
            rows.append((a, b, elder[a] if a in elder else _beyond(a, b, parent, order)))
            elder.setdefault(a, i)
        at = {i: k for k, i in enumerate(order)}
        level = np.zeros(len(order), dtype=np.int64)
        for k in range(3, len(order)):
            level[k] = 1 + max(level[at[r]] for r in rows[k])
        return cls(
            np.array(order, dtype=np.int64),
            np.array(rows, dtype=np.int64),
            np.array(relative, dtype=bool),
            level,
        )

    def measure(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bonds (n, N−1), angles (n, N−2) and torsions (n, N−3) of positions (n, N, 3)."""
        a, b, c = (self.refs[:, k] for k in range(3))
        one, two, three = slice(1, None), slice(2, None), slice(3, None)
        bond = (x[:, self.atom[one]] - x[:, a[one]]).norm(dim=2)
        arm, back = x[:, self.atom[two]] - x[:, a[two]], x[:, b[two]] - x[:, a[two]]
        normal = torch.linalg.cross(arm, back).norm(dim=2)
        angle = torch.atan2(normal, (arm * back).sum(2))
        quartet = (self.atom[three], a[three], b[three], c[three])
        return bond, angle, _torsion(*(x[:, i] for i in quartet))

    def build(self, bond: Tensor, angle: Tensor, torsion: Tensor) -> Tensor:
        """Positions (n, N, 3): the first atom at 0, the second on z, the third in the xz plane."""
        n = len(bond)
        # columns are gathered and put together, not written to, so that gradients go through
        place: dict[int, Tensor] = {int(self.atom[0]): bond.new_zeros(n, 3)}
        zero = torch.zeros_like(bond[:, 0])
        place[int(self.atom[1])] = torch.stack([zero, zero, bond[:, 0]], 1)
        a, b = (place[int(self.refs[2, k])] for k in range(2))
        axis = (b - a) / (b - a).norm(dim=1, keepdim=True)
        side = torch.stack([torch.ones_like(zero), zero, zero], 1)
        theta = angle[:, :1]
        arm = torch.cos(theta) * axis + torch.sin(theta) * side
        place[int(self.atom[2])] = a + bond[:, 1:2] * arm
        for level in range(1, int(self.level.max(initial=0)) + 1):
            rows = np.flatnonzero(self.level == level)
            at, near, far = (
                torch.stack([place[int(i)] for i in self.refs[rows, k]], dim=1) for k in range(3)
            )
            shape = (bond[:, rows - 1], angle[:, rows - 2], torsion[:, rows - 3])
            new = attach(at, near, far, *shape)
            for j, i in enumerate(self.atom[rows].tolist()):
                place[i] = new[:, j]
        return torch.stack([place[i] for i in range(len(self.atom))], dim=1)


def attach(a: Tensor, b: Tensor, c: Tensor, bond: Tensor, angle: Tensor, torsion: Tensor) -> Tensor:
    """Atoms bonded to a, at an angle with b, at the torsion (atom, a, b, c); shapes (n, m, …)."""
    axis = (a - b) / (a - b).norm(dim=2, keepdim=True)
    normal = torch.linalg.cross(b - c, axis)
    normal = normal / normal.norm(dim=2, keepdim=True)
    side = torch.linalg.cross(normal, axis)
    cos, sin = torch.cos(torsion)[..., None], torch.sin(torsion)[..., None]
    theta = angle[..., None]
    arm = torch.sin(theta) * (cos * side + sin * normal) - torch.cos(theta) * axis
    out: Tensor = a + bond[..., None] * arm
    return out


def _torsion(i: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    b1, b2, b3 = a - i, b - a, c - b
    n1, n2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    along = (torch.linalg.cross(n1, n2) * b2).sum(-1) / b2.norm(dim=-1)
    return torch.atan2(along, (n1 * n2).sum(-1))


def _spanning(near: list[list[int]], heavy: list[bool]) -> tuple[list[int], list[int]]:
    """Atoms in the order of placement, two of the first one's next, and the parent of each."""
    if len(near) < 3:
        raise _refusal(f"{len(near)} atoms have no angle")
    depth = {i: _depths(near, i) for i in range(len(near)) if heavy[i]} or {0: _depths(near, 0)}
    whole = [i for i, d in depth.items() if len(d) == len(near) and len(near[i]) > 1]
    if not whole:
        part = max(len(d) for d in depth.values())
        raise _refusal(f"bonds do not join its atoms to one molecule: {part} of {len(near)}")
    root = min(whole, key=lambda i: (max(depth[i].values()), -len(near[i]), i))
    size = [1] * len(near)
    order, parent = _outwards(near, root, lambda j: (0, j))
    for i in reversed(order[1:]):
        size[parent[i]] += size[i]
    # the largest branch comes first: its torsion turns the group
    return _outwards(near, root, lambda j: (-size[j] if heavy[j] else 0, j))


def _outwards(
    near: list[list[int]], root: int, key: Callable[[int], tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Breadth first from the root, children sorted by `key`: the order, and parents."""
    order, parent = [root], [-1] * len(near)
    for i in order:
        fresh = sorted((j for j in near[i] if j != root and parent[j] < 0), key=key)
        for j in fresh:
            parent[j] = i
        order += fresh
    return order, parent


def _depths(near: list[list[int]], root: int) -> dict[int, int]:
    """Bonds between the root and every atom that hangs on it."""
    depth, queue = {root: 0}, [root]
    for i in queue:
        for j in near[i]:
            if j not in depth:
                depth[j] = depth[i] + 1
                queue.append(j)
    return depth


def _beyond(a: int, b: int, parent: list[int], order: list[int]) -> int:
    """The atom after a and b for a torsion: b's parent, or of the root another child than a."""
    if parent[b] >= 0:
        return parent[b]
    return order[2] if a == order[1] else order[1]


def _refusal(problem: str) -> SpecError:
    return SpecError(("strategy", "coordinates"), "internal", problem, "Use aligned")
