"""Which molecules of a topology are solvent: water and single ions, whatever they are called."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_WATER = ("H", "H", "O")
_SITES = ("", "VS")


def symbol(atom: Any) -> str:
    """Of its element; empty of a virtual site."""
    found = atom.element
    return "" if found is None or found.symbol in _SITES else str(found.symbol)


def solute(topology: Any) -> Ints:
    """Atoms of all residues but water and single ions, shape (M,); all where there is nothing else.

    A residue is told by its elements, virtual sites aside, since programs name waters and ions as
    they like: SOL is a water of GROMACS, and a solute elsewhere.

    Parameters
    ----------
    topology : mdtraj.Topology
    """
    bound = {a.residue.index for pair in topology.bonds for a in pair if _between(*pair)}
    kept = [
        atom.index
        for residue in topology.residues
        if residue.index in bound or not _is_solvent(residue)
        for atom in residue.atoms
    ]
    return np.array(kept or range(topology.n_atoms), dtype=np.int64)


def _between(a: Any, b: Any) -> bool:
    return bool(a.residue.index != b.residue.index)


def _is_solvent(residue: Any) -> bool:
    symbols = sorted(s for s in (symbol(a) for a in residue.atoms) if s)
    return tuple(symbols) == _WATER or len(symbols) <= 1
