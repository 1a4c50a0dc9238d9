"""Which bonds lie in rings that keep them from turning."""

from __future__ import annotations

from typing import Any

LARGEST = 11
"""Atoms of a ring whose bonds do not turn freely: small, common and medium rings.

From 12 atoms on rings are called large, and each of their bonds may be gauche or anti as in a chain
(E. L. Eliel and S. H. Wilen, Stereochemistry of Organic Compounds, Wiley 1994, chapter 11). Proline
has one of 5, two neighbouring units of a cucurbituril share one of 8, cyclo-(Gly)₆ has one of 18.
"""


def neighbours(topology: Any) -> list[list[int]]:
    """Atoms bonded to each atom of an mdtraj topology."""
    near: list[list[int]] = [[] for _ in range(topology.n_atoms)]
    for a, b in topology.bonds:
        near[a.index].append(b.index)
        near[b.index].append(a.index)
    return near


def in_small_ring(near: list[list[int]], i: int, j: int, largest: int = LARGEST) -> bool:
    """Whether the bond i–j closes a ring of `largest` atoms or fewer; breadth first."""
    seen, edge = {j}, {j}
    for _ in range(largest - 1):  # a ring of n atoms is a way of n − 1 other bonds
        edge = {b for a in edge for b in near[a] if {a, b} != {i, j}} - seen
        if i in edge:
            return True
        seen |= edge
    return False
