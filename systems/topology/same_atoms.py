"""Whether two files speak of the same atoms in the same order: by names, elements and masses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msgen.systems.base import Array

OWN = 0.5
"""g/mol within which a mass is that of an element, whoever rounded it."""
EXACT = 0.006
"""The same, where it is to tell elements from beads of somebody's own mass."""
HEAVY_HYDROGEN = 6.0
"""g/mol up to which hydrogens are made heavy at the cost of their neighbours."""
COMMON = (1.008, 12.011, 14.007, 15.999, 18.998, 22.99, 24.305, 30.974, 32.06, 35.45, 39.098,
          40.078, 54.938, 55.845, 58.693, 63.546, 65.38, 78.971, 79.904, 126.904)  # fmt: skip
"""Masses of the elements that molecules in water are made of."""


NAMING = (".pdb", ".h5", ".lh5", ".pdb.gz", ".cif", ".gro")
"""Formats whose files say which atoms they are of; of others mdtraj has to be told."""


@dataclass(frozen=True)
class NamedAtom:
    """An atom as a file knows it.

    Attributes
    ----------
    residue : str
        Name of its residue.
    number : int
        Of its residue, counted from 0 through the file: what files call it differs.
    name : str
    element : str
        Symbol; '' where the file does not say.
    """

    residue: str
    number: int
    name: str
    element: str

    def __str__(self) -> str:
        return f"{self.name} of {self.residue}" + (f" ({self.element})" if self.element else "")


def named(topology: Any) -> list[NamedAtom]:
    """Those of an mdtraj.Topology."""
    return [
        NamedAtom(
            a.residue.name, a.residue.index, a.name, "" if a.element is None else a.element.symbol
        )
        for a in topology.atoms
    ]


def first_difference(
    own: Sequence[NamedAtom], given: Sequence[NamedAtom], atoms: Iterable[int] | None = None
) -> tuple[int, str] | None:
    """The first atom that is another one in the second file, and in words how.

    Programs have names of their own for the same atoms. So another name alone is no difference:
    it is one where a residue has the same names in another order, or where the element is another.

    Parameters
    ----------
    own, given : sequences of NamedAtom, of the same length
    atoms : iterable of int, optional
        Which are compared; all by default.
    """
    chosen = range(len(own)) if atoms is None else sorted(atoms)
    residues: dict[int, list[int]] = {}
    for i in chosen:
        residues.setdefault(own[i].number, []).append(i)
    for members in residues.values():
        ours, theirs = ([file[i].name for i in members] for file in (own, given))
        reordered = ours != theirs and sorted(ours) == sorted(theirs)
        for i in members:
            a, b = own[i], given[i]
            elements = bool(a.element and b.element and a.element != b.element)
            if elements or (reordered and a.name != b.name):
                return i, f"atom {i} (from 0) is {b} there, and {a} in the system"
    return None


def mass_difference(topology: Any, masses: Array) -> tuple[int, str] | None:
    """The first atom whose mass is that of another element, and in words how.

    Masses that are nobody's (beads), and hydrogens made heavy at the cost of their neighbours, are
    no difference.

    Parameters
    ----------
    topology : mdtraj.Topology
    masses : Array, shape (N,)
        g/mol; 0 for what does not move, which is not compared.
    """
    own = np.array([0.0 if a.element is None else float(a.element.mass) for a in topology.atoms])
    off = (masses > 0) & (own > 0) & (np.abs(masses - own) > OWN)
    if not off.any() or _shared_out(topology, masses, own):
        return None
    told = off & (np.abs(np.subtract.outer(masses, COMMON)).min(axis=1) < EXACT)
    same = np.isclose(np.sort(masses), np.sort(own), atol=OWN).all()
    if not same and not told[off].all() and not _shared_out_at_all(masses, own):
        return None  # beads, or masses chosen freely
    i = int(np.flatnonzero(off)[0])
    atom = topology.atom(i)
    return i, (
        f"atom {i} (from 0), {atom.name} of {atom.residue.name}, is {atom.element.symbol} with a "
        f"mass of {masses[i]:.4g} g/mol"
    )


def _shared_out(topology: Any, masses: Array, own: Array) -> bool:
    """Whether hydrogens are heavy at the cost of others of their residue, and nothing else is."""
    hydrogen = np.abs(own - COMMON[0]) < EXACT
    light, heavy = masses[hydrogen], masses[~hydrogen]
    if (light > HEAVY_HYDROGEN).any() or (heavy > own[~hydrogen] + OWN).any():
        return False
    homes = np.array([a.residue.index for a in topology.atoms])
    totals = [np.bincount(homes, weights=w) for w in (masses, own)]
    return bool((np.abs(totals[0] - totals[1]) < OWN).all())


def _shared_out_at_all(masses: Array, own: Array) -> bool:
    """Whether the total is that of the elements, so that they are the elements' in some order."""
    return bool(abs(masses.sum() - own.sum()) < 1e-3 * own.sum())
