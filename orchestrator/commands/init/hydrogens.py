"""Hydrogens that a structure lacks, put there by OpenMM's Modeller."""

from __future__ import annotations

from pathlib import Path

from openmm import app

from msgen.orchestrator.commands.init.wrong import wrong
from msgen.systems.errors import first_line
from msgen.systems.openmm.inputs.solvation import keyed
from msgen.systems.openmm.structure_files import read_structure


def add_hydrogens(structure: Path, folder: Path) -> Path:
    """Write the structure with hydrogens at pH 7, also those of waters, as ``NAME_H.pdb``.

    What is no standard residue gets none.

    Raises
    ------
    CampaignError
        Where the file is there already, or hydrogens cannot be placed.
    SpecError
        Where the structure cannot be read.
    """
    target = folder / f"{structure.stem}_H.pdb"
    if target.exists():
        raise wrong("output", str(target), "exists already", "Give it to msgen init, or move it")
    read = read_structure(structure.name, structure.absolute().parent)
    made = app.Modeller(read.topology, read.positions)
    try:
        with keyed():
            made.addHydrogens()
    except Exception as error:  # of Modeller's, with a text
        text = first_line(error)
        remedy = "Add what the residues miss first, with pdbfixer"
        raise wrong("--add-hydrogens", structure.name, f"cannot be done: {text}", remedy) from error
    with target.open("w", encoding="utf-8") as out:
        app.PDBFile.writeFile(made.topology, made.positions, out, keepIds=True)
    return target
