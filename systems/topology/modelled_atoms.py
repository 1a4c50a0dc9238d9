"""The atoms of a molecule that a model of its steps sees, and what it knows each by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from msgen.systems.topology.atom_selection import resolve_atoms
from msgen.systems.topology.solvent import solute as without_solvent
from msgen.systems.topology.solvent import symbol

Ints = NDArray[np.int64]
Which = Literal["all", "heavy"]
Types = Literal["element", "name"]
Solute = str | Sequence[int | str]
AUTO = "auto"


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

    @cached_property
    def molecules(self) -> int:
        """How many parts the bonds leave."""
        n = len(self.index)
        pairs = (np.ones(len(self.bonds)), (self.bonds[:, 0], self.bonds[:, 1]))
        return int(connected_components(coo_array(pairs, shape=(n, n)), directed=False)[0])


def modelled_atoms(
    topology: Any, which: Which, types: Types, solute: Solute = AUTO
) -> ModelledAtoms:
    """All atoms of the solute, or the heavy ones.

    Parameters
    ----------
    topology : mdtraj.Topology
    which : {'all', 'heavy'}
    types : {'element', 'name'}
        element: «C»; where hydrogens are left out with how many it has, «CH3». name: residue and
        atom, «ALA:CB», which no other molecule has. Virtual sites are left out.
    solute : str or sequence
        auto: all but water and ions; or what `resolve_atoms` takes.

    Raises
    ------
    SpecError
        If that matches no atom.
    """
    hydrogens = [0] * topology.n_atoms
    for pair in topology.bonds:
        for a, b in (tuple(pair), tuple(pair)[::-1]):
            hydrogens[a.index] += symbol(b) == "H"
    left_out = ("", "H") if which == "heavy" else ("",)
    if solute == AUTO:
        own = set(without_solvent(topology).tolist())
    else:
        asked = solute if isinstance(solute, str) else list(solute)
        own = set(resolve_atoms(asked, topology, ("model", "solute")))
    kept = [a for a in topology.atoms if a.index in own and symbol(a) not in left_out]
    place = {a.index: k for k, a in enumerate(kept)}

    def species(atom: Any) -> str:
        if types == "name":
            return f"{atom.residue.name}:{atom.name}"
        number = hydrogens[atom.index] if which == "heavy" else 0
        return symbol(atom) + ("" if not number else "H" if number == 1 else f"H{number}")

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
