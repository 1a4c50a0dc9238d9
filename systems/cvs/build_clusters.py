"""Invariant CVs of clusters from their sections."""

from __future__ import annotations

from itertools import combinations

from msgen.systems.cvs.clusters import Axis, PrincipalRadius, SortedDistance, Steinhardt
from msgen.systems.cvs.sites import Atoms, many_atoms, own_masses
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite

MOST_ATOMS = 40
"""Of an order of bonds, which looks at all pairs of pairs."""


def principal_radius(name: str, site: CVSite, *, atoms: Atoms, axis: Axis) -> PrincipalRadius:
    """The root of an eigenvalue of the gyration tensor."""
    chosen = many_atoms(site, atoms, 3)
    masses = own_masses(site, chosen, atoms)
    return PrincipalRadius(name, chosen, masses, axis)


def sorted_distance(name: str, site: CVSite, *, atoms: Atoms, rank: int) -> SortedDistance:
    """The distance of this rank."""
    pairs = tuple(combinations(many_atoms(site, atoms, 2), 2))
    if rank > len(pairs):
        what = f"these atoms have {len(pairs)} distances"
        raise SpecError((*site.field, "rank"), rank, what, f"Give 1 … {len(pairs)}")
    return SortedDistance(name, pairs, rank)


def steinhardt(name: str, site: CVSite, *, atoms: Atoms, degree: int, r0: float) -> Steinhardt:
    """Steinhardt's global order."""
    chosen = many_atoms(site, atoms, 3)
    if len(chosen) > MOST_ATOMS:
        what = f"are {len(chosen)}: all pairs of pairs of more than {MOST_ATOMS} take too long"
        raise SpecError((*site.field, "atoms"), atoms, what, "Take fewer, or kind: coordination")
    return Steinhardt(name, tuple(combinations(chosen, 2)), r0, degree)
