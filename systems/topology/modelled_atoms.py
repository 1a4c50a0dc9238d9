"""The atoms of a molecule that a model of its steps sees, and what it knows each by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Which = Literal["all", "heavy"]
Types = Literal["element", "name"]


@dataclass(frozen=True, eq=False)
class ModelledAtoms:
    """Some atoms of a topology.

    Attributes
    ----------
    index : int array, shape (M,)
        In the topology.
    species : tuple of str, length M
        Type of each.
    bonds : int array, shape (B, 2)
        Between them, by their place in `index`.
    """

    index: Ints
    species: tuple[str, ...]
    bonds: Ints


def modelled_atoms(topology: Any, which: Which, types: Types) -> ModelledAtoms:
    """All atoms, or the heavy ones.

    Parameters
    ----------
    topology : mdtraj.Topology
    which : {'all', 'heavy'}
    types : {'element', 'name'}
        element: «C»; where hydrogens are left out with how many it has, «CH3». name: residue and
        atom, «ALA:CB», which no other molecule has. Virtual sites are left out.
    """
    hydrogens = [0] * topology.n_atoms
    for pair in topology.bonds:
        for a, b in (tuple(pair), tuple(pair)[::-1]):
            hydrogens[a.index] += _symbol(b) == "H"
    left_out = ("", "H") if which == "heavy" else ("",)
    kept = [a for a in topology.atoms if _symbol(a) not in left_out]
    place = {a.index: k for k, a in enumerate(kept)}

    def species(atom: Any) -> str:
        if types == "name":
            return f"{atom.residue.name}:{atom.name}"
        number = hydrogens[atom.index] if which == "heavy" else 0
        return _symbol(atom) + ("" if not number else "H" if number == 1 else f"H{number}")

    bonds = [
        (place[a.index], place[b.index])
        for a, b in topology.bonds
        if a.index in place and b.index in place
    ]
    return ModelledAtoms(
        np.array([a.index for a in kept], dtype=np.int64),
        tuple(species(a) for a in kept),
        np.array(bonds, dtype=np.int64).reshape(-1, 2),
    )


def _symbol(atom: Any) -> str:
    """Empty of a virtual site."""
    found = atom.element
    return "" if found is None or found.symbol == "VS" else str(found.symbol)
