"""CVs that compare with structures, from their sections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.cvs.sites import Atoms, many_atoms, topology_of
from msgen.systems.cvs.superposition import RMSD, Along, PathCV, deviation
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite
from msgen.systems.topology.atom_selection import resolve_atom

Piece = int | str | Sequence[int | str]
"""An atom, or several that change places together with those of another piece."""

MOST_ORDERS = MOST_STRUCTURES = 30
"""Structures that one CV is compared with: OpenMM's CustomCVForce holds 32 forces."""
OVERLAP = 2.3
"""λ times the mean square distance of neighbours on a path: a tenth of each other's weight."""
FAR = 300.0
"""λ d² of the nearest structure of a path where OpenMM's sums begin to underflow."""


def rmsd(
    name: str,
    site: CVSite,
    *,
    atoms: Atoms,
    reference: str | None,
    symmetric: Sequence[Sequence[Piece]] | None,
) -> RMSD:
    """The RMSD from a structure file, or from the start."""
    chosen = many_atoms(site, atoms, 3)
    orders = () if symmetric is None else _orders(site, chosen, symmetric)
    if reference is None:
        return RMSD(name, chosen, site.system.initial().positions.reshape(-1, 3), orders)
    # imports mdtraj and OpenMM, which analytic systems do without
    from msgen.systems.files import read_reference

    where = (*site.field, "reference")
    own = topology_of(site)
    found = read_reference(reference, site.base_dir, own, where, chosen)
    return RMSD(name, chosen, found, orders)


def _orders(
    site: CVSite, atoms: tuple[int, ...], symmetric: Sequence[Sequence[Piece]]
) -> tuple[tuple[int, ...], ...]:
    """All orders of `atoms` in which like pieces have changed places, that as given first."""
    number = math.prod(math.factorial(len(pieces)) for pieces in symmetric)
    if number > MOST_ORDERS:
        what = f"have {number} orders together, more than the {MOST_ORDERS} that are compared"
        remedy = "Leave out some, or let larger pieces change places as one"
        raise SpecError((*site.field, "symmetric"), symmetric, what, remedy)
    sets = [_pieces(site, atoms, k, pieces) for k, pieces in enumerate(symmetric)]
    named = [a for pieces in sets for piece in pieces for a in piece]
    if len(set(named)) < len(named):
        where = (*site.field, "symmetric")
        raise SpecError(where, symmetric, "names an atom twice", "Give every atom once")
    out = []
    for choice in product(*(permutations(pieces) for pieces in sets)):
        stands_for = dict(zip(atoms, atoms, strict=True))
        for pieces, other in zip(sets, choice, strict=True):
            for piece, theirs in zip(pieces, other, strict=True):
                stands_for.update(zip(piece, theirs, strict=True))
        out.append(tuple(stands_for[a] for a in atoms))
    return tuple(out)


def _pieces(
    site: CVSite, atoms: tuple[int, ...], k: int, pieces: Sequence[Piece]
) -> list[tuple[int, ...]]:
    """The atoms of each piece; all of the same elements in the same order, and compared."""
    topology, where = topology_of(site), (*site.field, "symmetric", k)
    found = []
    for i, piece in enumerate(pieces):
        parts = [piece] if isinstance(piece, int | str) else piece
        found.append(tuple(resolve_atom(a, topology, (*where, i)) for a in parts))
    elements = {tuple(topology.atom(a).element for a in piece) for piece in found}
    if len(elements) > 1:
        what = "are not alike: they differ in number or elements"
        raise SpecError(where, pieces, what, "Give like atoms of all of them in the same order")
    outside = [a for piece in found for a in piece if a not in atoms]
    if outside:
        what = f"holds atom {outside[0]} (from 0), which is not among atoms"
        raise SpecError(where, pieces, what, "Add it to atoms, or leave it out here")
    return found


def path(
    name: str,
    site: CVSite,
    *,
    structures: str | Sequence[str],
    atoms: Atoms,
    rate: float | str,
    along: Along,
) -> PathCV:
    """Progress along structures of files, or the distance from them."""
    chosen, where = many_atoms(site, atoms, 3), (*site.field, "structures")
    path = _read(site, structures, chosen)
    if not 2 <= len(path) <= MOST_STRUCTURES:
        what = f"hold {len(path)} structures"
        raise SpecError(where, structures, what, f"Give 2 to {MOST_STRUCTURES} of them")
    points = torch.as_tensor(path[:, list(chosen)])
    steps = deviation(points, points).diagonal(1).numpy()
    if not steps.min() > 1e-8:
        k = int(steps.argmin()) + 1
        what = f"hold structures {k} and {k + 1} that do not differ in these atoms"
        raise SpecError(where, structures, what, "Leave one of them out")
    speed = OVERLAP / float(steps.mean()) if isinstance(rate, str) else rate
    cv = PathCV(name, chosen, path, speed, along)
    away = cv.exponents(torch.as_tensor(site.system.initial().positions))[0].numpy()
    if away.min() > FAR:
        k = int(away.argmin())
        what = (
            f"are far from the start: the nearest, {k + 1}, is {math.sqrt(away[k] / speed):.3g} nm "
            f"away, where neighbours of the path are {math.sqrt(float(steps.mean())):.3g} nm apart"
        )
        remedy = "Start on the path, give one nearer to the start, or a smaller rate"
        raise SpecError(where, structures, what, remedy)
    return cv


def _read(site: CVSite, structures: str | Sequence[str], atoms: Sequence[int]) -> Array:
    """All structures of the files, shape (m, N, 3)."""
    from msgen.systems.files import read_structures

    own, where = topology_of(site), (*site.field, "structures")
    if isinstance(structures, str):
        return read_structures(structures, site.base_dir, own, where, atoms)
    parts = [
        read_structures(name, site.base_dir, own, (*where, k), atoms)
        for k, name in enumerate(structures)
    ]
    return np.concatenate(parts)
