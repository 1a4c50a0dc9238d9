"""CVs of many pairs of atoms from their sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.cvs.contacts import ContactMap, Coordination, NativeContacts, Pair, distances
from msgen.systems.cvs.sites import Atoms, few_atoms, images, topology_of
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite
from msgen.systems.topology.atom_selection import resolve_atoms

Groups = Sequence[Atoms]


def _between(site: CVSite, groups: Groups) -> tuple[Pair, ...]:
    """All pairs of an atom of one group and one of the other, each once."""
    topology, where = topology_of(site), (*site.field, "groups")
    a, b = (resolve_atoms(g, topology, (*where, k)) for k, g in enumerate(groups))
    pairs = sorted({(min(i, j), max(i, j)) for i in a for j in b if i != j})
    if not pairs:
        raise SpecError(where, groups, "give no pair of atoms", "Give two groups")
    return tuple(pairs)


def _all(pairs: Sequence[Pair]) -> list[int]:
    return sorted({i for pair in pairs for i in pair})


def coordination(
    name: str, site: CVSite, *, groups: Groups, r0: float, n: int = 6, m: int = 12
) -> Coordination:
    """The coordination number of two groups; n and m are its exponents."""
    pairs = _between(site, groups)
    return Coordination(name, pairs, r0, n, m, images(site, _all(pairs)))


def contact_map(
    name: str,
    site: CVSite,
    *,
    contacts: Sequence[Mapping[str, Any]],
    r0: float | None,
    n: int,
    m: int,
) -> ContactMap:
    """Contacts that are named one by one; the section has seen that each has an r₀."""
    pairs = []
    for k, contact in enumerate(contacts):
        i, j = few_atoms(site, contact["atoms"], "contacts", k, "atoms")
        pairs.append((i, j))
    own = [r0 if c["r0"] is None else c["r0"] for c in contacts]
    weights = tuple(float(c["weight"]) for c in contacts)
    box = images(site, _all(pairs))
    return ContactMap(name, tuple(pairs), tuple(float(r or 0.0) for r in own), weights, n, m, box)


def native_contacts(
    name: str,
    site: CVSite,
    *,
    atoms: Atoms,
    groups: Groups | None,
    reference: str | None,
    cutoff: float,
    separation: int,
    width: float,
    tolerance: float,
) -> NativeContacts:
    """Pairs that are closer than `cutoff` in the reference, residues of one chain apart enough."""
    topology = topology_of(site)
    where = (*site.field, "atoms" if groups is None else "groups")
    if groups is None:
        pairs = list(combinations(sorted(resolve_atoms(atoms, topology, where)), 2))
    else:
        pairs = list(_between(site, groups))
    home = [(a.residue.chain.index, a.residue.index) for a in topology.atoms]
    apart = [
        (i, j)
        for i, j in pairs
        if home[i][0] != home[j][0] or abs(home[i][1] - home[j][1]) > separation
    ]
    if not apart:
        what = f"have no two residues more than {separation} apart"
        raise SpecError(where, groups or atoms, what, "Take other atoms, or a smaller separation")
    box = images(site, _all(apart))
    at = _reference(site, reference, _all(apart))
    r = distances(torch.as_tensor(at.reshape(1, -1)), tuple(apart), box)[0].numpy()
    native = np.flatnonzero(r < cutoff)
    if not len(native):
        what = f"has no two of these atoms closer than {cutoff:g} nm"
        remedy = "Take a longer cutoff, a folded reference, or other atoms"
        raise SpecError((*site.field, "reference"), reference or "the start", what, remedy)
    formed = tuple(apart[k] for k in native)
    return NativeContacts(name, formed, tuple(r[native].tolist()), 1.0 / width, tolerance, box)


def _reference(site: CVSite, reference: str | None, atoms: Sequence[int]) -> Array:
    """Positions of the whole system in a structure file, or at the start, shape (N, 3)."""
    if reference is None:
        return site.system.initial().positions.reshape(-1, 3)
    # imports mdtraj and OpenMM, which analytic systems do without
    from msgen.systems.files import read_reference

    where = (*site.field, "reference")
    return read_reference(reference, site.base_dir, topology_of(site), where, atoms)
