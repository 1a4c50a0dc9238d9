"""The structure an `ase` system starts from, and what its atoms are called."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from msgen.systems.errors import SpecError
from msgen.systems.files import find_file, open_with
from msgen.systems.kinds import Field
from msgen.systems.openmm.structure_files import read_structure

FIELD: Field = ("system", "structure")
RESIDUE = "CLU"
"""What the atoms of a file without residues belong to."""
_WITH_NAMES = (".pdb", ".ent")


def read_atoms(name: str, base_dir: Path) -> tuple[Any, Any]:
    """Atoms of ASE's, and their mdtraj.Topology.

    A PDB file names its atoms, residues and bonds. In any other file that ASE reads (XYZ …) the
    atoms are one residue `CLU` without bonds, called Ag1, Ag2 … in the file's order.

    Raises
    ------
    SpecError
        If the file cannot be read, has a cell, or holds atoms in place.
    """
    import ase
    import ase.io

    path = find_file(name, base_dir, FIELD)
    if path.suffix.lower() in _WITH_NAMES:
        read = read_structure(name, base_dir)
        _no_cell(name, read.topology.getPeriodicBoxVectors() is not None)
        topology = mdtraj.Topology.from_openmm(read.topology)
        positions = 10.0 * np.array(read.positions._value, dtype=np.float64)
        symbols = [_symbol(name, atom) for atom in topology.atoms]
        return ase.Atoms(symbols, positions=positions), topology
    atoms = open_with(ase.io.read, path, FIELD)
    if not len(atoms) or 0 in atoms.numbers:
        raise SpecError(FIELD, name, "has no atoms, or one of no element", "Give another file")
    _no_cell(name, bool(np.any(atoms.pbc)))
    if atoms.constraints:
        raise SpecError(FIELD, name, "holds atoms in place", "Remove its constraints")
    return atoms, _cluster(atoms.get_chemical_symbols())


def _no_cell(name: str, there: bool) -> None:
    if there:
        raise SpecError(
            FIELD,
            name,
            "has a periodic cell, and systems of this kind stand in vacuum",
            "Remove its cell (in XYZ the Lattice and pbc of the second line)",
        )


def _symbol(name: str, atom: Any) -> str:
    if atom.element is None or atom.element.number == 0:
        raise SpecError(FIELD, name, f"does not name the element of {atom}", "Name every element")
    return str(atom.element.symbol)


def _cluster(symbols: list[str]) -> Any:
    topology, seen = mdtraj.Topology(), Counter[str]()
    residue = topology.add_residue(RESIDUE, topology.add_chain())
    for symbol in symbols:
        seen[symbol] += 1
        element = mdtraj.element.Element.getBySymbol(symbol)
        topology.add_atom(f"{symbol}{seen[symbol]}", element, residue)
    return topology
