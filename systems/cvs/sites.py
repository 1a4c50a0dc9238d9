"""Atoms of a CV: which they are, what they weigh, and whether they share a molecule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite, Field
from msgen.systems.topology.atom_selection import resolve_atom, resolve_atoms

Atoms = str | Sequence[int | str]
"""One selection, or a list of atoms."""


def topology_of(site: CVSite) -> Any:
    """The system's mdtraj topology."""
    topology = site.system.topology
    if topology is None:
        raise SpecError(
            site.field,
            type(site.system).__name__,
            "has no atoms, and this CV is one of atoms",
            "Use kind: coordinate with an index, or kind: python",
        )
    return topology


def few_atoms(site: CVSite, given: Sequence[int | str], *keys: str | int) -> tuple[int, ...]:
    """Different atoms, each named alone, at `keys` of the section."""
    topology, where = topology_of(site), (*site.field, *keys)
    atoms = tuple(resolve_atom(a, topology, (*where, k)) for k, a in enumerate(given))
    if len(set(atoms)) != len(atoms):
        raise SpecError(where, given, "names an atom twice", "Give every atom once")
    return atoms


def many_atoms(site: CVSite, given: Atoms, least: int, *keys: str | int) -> tuple[int, ...]:
    """At least so many atoms, of one molecule, at `keys` ('atoms') of the section."""
    where = (*site.field, *(keys or ("atoms",)))
    atoms = resolve_atoms(given, topology_of(site), where)
    if len(atoms) < least:
        raise SpecError(where, given, "too few atoms", f"Give at least {least}")
    one_molecule(site, atoms, where)
    return atoms


def _homes(site: CVSite) -> Mapping[int, int] | None:
    """The molecule that each atom belongs to; None where no bond is known."""
    topology = topology_of(site)
    if not topology.n_bonds:
        return None
    return {a.index: k for k, m in enumerate(topology.find_molecules()) for a in m}


def _molecules(atoms: Iterable[int], homes: Mapping[int, int]) -> int:
    return len({homes.get(a, -1 - a) for a in atoms})


def one_molecule(site: CVSite, atoms: Sequence[int], where: Field) -> None:
    """See that atoms among which no image is taken share a molecule, in a periodic box.

    Raises
    ------
    SpecError
    """
    if site.system.initial().box is None or len(atoms) < 2:
        return
    homes = _homes(site)
    if homes is None:
        raise SpecError(
            where,
            list(atoms),
            "may be of different molecules of a periodic box, where this CV is not defined: "
            "neither the structure nor the forces name a bond",
            "Add CONECT records to the structure",
        )
    if _molecules(atoms, homes) > 1:
        raise SpecError(
            where,
            list(atoms),
            "belong to different molecules of a periodic box, where this CV is not defined",
            "Take atoms of one molecule",
        )


def images(site: CVSite, atoms: Sequence[int]) -> Array | None:
    """The box, where atoms belong to several molecules of one, so that images are taken.

    Rows a, b, c, nm; None in vacuum and within a molecule, which is kept whole.
    """
    box = site.system.initial().box
    if box is None:
        return None
    homes = _homes(site)
    if homes is not None and _molecules(atoms, homes) == 1:
        return None
    if getattr(site.system, "pressure", None) is not None:
        raise SpecError(
            site.field,
            list(atoms),
            "is between molecules of a box that changes, whose nearest images it does not know",
            "Take atoms of one molecule, or remove system.pressure",
        )
    return np.array(box[0], dtype=np.float64)


REPARTITIONED = 0.5
"""g/mol that an atom is off its element from which masses count as shared out otherwise."""


def own_masses(
    site: CVSite, chosen: Sequence[int], given: Atoms, *keys: str | int
) -> tuple[float, ...]:
    """Masses of the atoms `chosen`: the system's, or the elements' where it has shared them out.

    Hydrogens are made heavy at the cost of their neighbours so that steps may be longer, and atoms
    without mass stand still; what is measured must not depend on that. The first shows by a total
    that is that of the elements.

    Raises
    ------
    SpecError
        If none of them has a mass; they were `given` so, at `keys` ('atoms') of the section.
    """
    held = site.system.masses.reshape(-1, 3).max(axis=1)
    atoms = list(topology_of(site).atoms)
    own = np.array([0.0 if a.element is None else float(a.element.mass) for a in atoms])
    held = np.where(held > 0, held, own)
    shared = abs(held.sum() - own.sum()) < 1e-3 * own.sum()
    told = own if shared and np.abs(held - own).max() > REPARTITIONED else held
    masses = tuple(float(told[a]) for a in chosen)
    if not sum(masses) > 0:
        what = "have no mass to weigh them by, and are of no element"
        raise SpecError((*site.field, *(keys or ("atoms",))), given, what, "Take other atoms")
    return masses
