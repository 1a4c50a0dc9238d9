"""Files with the positions that go with a topology, told by their suffix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from openmm import app

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.files import find_file, in_nm, open_with
from msgen.systems.kinds import Field
from msgen.systems.openmm import file_names
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.topology.same_atoms import NamedAtom, first_difference

WHERE: Field = ("system", "coordinates")
ORDER = "Give the structure that the System was made from, its atoms in the same order"


@dataclass(frozen=True)
class Coordinates:
    """What a file says of where atoms are.

    Attributes
    ----------
    positions : Array, shape (N, 3)
        nm.
    box : Array, shape (3, 3), or None
        nm.
    names : sequence of (residue, atom, element) or None
        Where the file has them; the element '' where it is unknown.
    """

    positions: Array
    box: Array | None
    names: Sequence[tuple[str, str, str]] | None = None

    def check_names(self, topology: Any, file: str) -> None:
        """See that atoms have the order of a topology, which other programs do not ask.

        Raises
        ------
        SpecError
        """
        if self.names is None or len(self.names) != topology.getNumAtoms():
            return  # told with the numbers
        own = [
            NamedAtom(
                a.residue.name, a.residue.index, a.name, a.element.symbol if a.element else ""
            )
            for a in topology.atoms()
        ]
        theirs = [
            NamedAtom(residue, ours.number, name, element)
            for ours, (residue, name, element) in zip(own, self.names, strict=True)
        ]
        found = first_difference(own, theirs)
        if found is not None:
            raise SpecError(WHERE, file, f"has its atoms in another order: {found[1]}", ORDER)


def _box(vectors: Any) -> Array | None:
    if vectors is None:
        return None
    box = np.array([in_nm(v) for v in vectors])
    return box if float(box.trace()) > 0 else None  # a .gro file always has a line for it


def _symbol(element: Any) -> str:
    return "" if element is None else str(element.symbol)


def _amber(path: Path) -> Coordinates:
    read = open_with(app.AmberInpcrdFile, path, WHERE)
    return Coordinates(in_nm(read.positions), _box(read.boxVectors))


def _gromacs(path: Path) -> Coordinates:
    read = open_with(app.GromacsGroFile, path, WHERE)
    # OpenMM's elements are guesses: sodium is nitrogen, and atoms of one letter have none
    rows = [
        (residue, name, "H" if name.lstrip("0123456789").startswith("H") else "")
        for residue, name in zip(read.residueNames, read.atomNames, strict=True)
    ]
    return Coordinates(
        in_nm(read.getPositions(asNumpy=True)), _box(read.getPeriodicBoxVectors()), rows
    )


def _charmm(path: Path) -> Coordinates:
    read = open_with(app.CharmmCrdFile, path, WHERE)
    # the column that it calls a type has names
    rows = [(residue, name, "") for residue, name in zip(read.resname, read.attype, strict=True)]
    return Coordinates(in_nm(read.positions), None, rows)


def _structure(path: Path) -> Coordinates:
    reader = app.PDBFile if path.suffix.lower() in file_names.PDB else app.PDBxFile
    read = open_with(reader, path, WHERE)
    rows = [(a.residue.name, a.name, _symbol(a.element)) for a in read.topology.atoms()]
    return Coordinates(
        in_nm(read.getPositions(asNumpy=True)), _box(read.topology.getPeriodicBoxVectors()), rows
    )


def read_coordinates(source: MoleculeSource, base_dir: Path, charmm: bool = False) -> Coordinates:
    """Read `source.coordinates`.

    Parameters
    ----------
    source : MoleculeSource
    base_dir : Path
        The campaign file's folder.
    charmm : bool
        Whether ``.crd`` is CHARMM's, and not Amber's.

    Raises
    ------
    SpecError
    """
    path = find_file(source.coordinates, base_dir, WHERE)
    suffix = path.suffix.lower()
    if charmm and suffix in file_names.CHARMM_COORDINATES:
        return _charmm(path)
    if suffix in file_names.AMBER_COORDINATES:
        return _amber(path)
    if suffix in file_names.GROMACS_COORDINATES:
        return _gromacs(path)
    if suffix in (*file_names.PDB, *file_names.MMCIF):
        return _structure(path)
    raise SpecError(
        WHERE,
        source.coordinates,
        "is of no kind that is known",
        "Give .inpcrd or .rst7 (Amber), .gro (Gromacs), .crd (CHARMM), .pdb or .cif",
    )
