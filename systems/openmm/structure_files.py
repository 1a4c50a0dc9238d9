"""Structure files, PDB and mmCIF, as a campaign and ``msgen init`` read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openmm import app

from msgen.systems.errors import SpecError
from msgen.systems.files import find_file, open_with
from msgen.systems.kinds import Field
from msgen.systems.openmm.file_names import MMCIF, PDB

FIELD: Field = ("system", "structure")


def read_structure(name: str, base_dir: Path) -> Any:
    """OpenMM's reader of a structure: its topology, positions and box.

    Raises
    ------
    SpecError
        If it is not there, cannot be read, or is of another kind.
    """
    path = find_file(name, base_dir, FIELD)
    suffix = path.suffix.lower()
    if suffix in MMCIF:
        return open_with(app.PDBxFile, path, FIELD)
    if suffix in PDB:
        return open_with(app.PDBFile, path, FIELD)
    raise SpecError(FIELD, name, "is neither PDB nor mmCIF", "Give a .pdb, .ent or .cif file")
