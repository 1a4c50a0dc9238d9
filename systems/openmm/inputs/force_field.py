"""Molecules of a structure file and force-field files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openmm import app

from msgen.systems.errors import SpecError, first_line
from msgen.systems.files import in_nm
from msgen.systems.kinds import Field
from msgen.systems.openmm.inputs.parts import (
    NO_LATTICE,
    Parts,
    create,
    create_options,
    rectangular,
)
from msgen.systems.openmm.inputs.solvation import solvate
from msgen.systems.openmm.inputs.unmatched import misfits
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.openmm.structure_files import read_structure

WHERE: Field = ("system", "structure")


def read_force_field(files: Sequence[str], base_dir: Path) -> Any:
    """The `openmm.app.ForceField` of files shipped with OpenMM or beside the campaign.

    Raises
    ------
    SpecError
        Naming the first that cannot be used.
    """
    paths = [str(base_dir / f) if (base_dir / f).is_file() else f for f in files]
    try:
        return app.ForceField(*paths)
    except Exception as error:  # of the parser's, KeyError and ValueError, each with a text
        text = first_line(error)
        culprit = _first_unusable(paths, text)
        raise SpecError(
            ("system", "forcefield", culprit),
            files[culprit],
            f"cannot be used ({text})",
            "Name a file beside the campaign or one that OpenMM ships, such as amber14-all.xml",
        ) from error


def _first_unusable(paths: list[str], text: str) -> int:
    """The first file with which the files so far cannot be read for the cause that is told.

    For another cause they may: residues whose atom types a later file has.
    """
    for k in range(len(paths) - 1):
        try:
            app.ForceField(*paths[: k + 1])
        except Exception as error:  # as above
            if first_line(error) == text:
                return k
    return len(paths) - 1


def from_force_field(source: MoleculeSource, base_dir: Path) -> Parts:
    """Read `source.structure`, solvate it where that is asked for, and make its System.

    Raises
    ------
    SpecError
    """
    pdb = read_structure(source.structure, base_dir)
    field = read_force_field(source.forcefield, base_dir)
    if source.box is not None:
        pdb.topology.setPeriodicBoxVectors(rectangular(source.box))

    def explain(text: str) -> SpecError | None:
        found = misfits(field, pdb.topology) if "No template found" in text else []
        if not found:
            return None
        return SpecError(WHERE, source.structure, found[0].problem, found[0].remedy)

    topology, positions = pdb.topology, pdb.getPositions()
    if source.solvent is not None:
        solvent = source.solvent
        made = create(
            lambda: solvate(pdb, field, solvent),
            WHERE,
            source.structure,
            lambda text: explain(text) or _without_water(text, solvent["water"]),
        )
        topology, positions = made.topology, made.positions
    boxed = topology.getPeriodicBoxVectors() is not None
    options = create_options(source, boxed)

    def build() -> Any:
        try:
            return field.createSystem(topology, **options)
        except ValueError as error:
            placeholder = boxed and source.box is None and source.nonbonded == "auto"
            if not (placeholder and NO_LATTICE in str(error)):
                raise
        topology.setPeriodicBoxVectors(None)
        return field.createSystem(topology, **create_options(source, False))

    return Parts(topology, create(build, WHERE, source.structure, explain), in_nm(positions))


WATER_FILES = {
    "tip3p": "amber14/tip3p.xml",
    "spce": "amber14/spce.xml",
    "tip4pew": "amber14/tip4pew.xml",
    "tip5p": "tip5p.xml",
}
"""A file of OpenMM's with each; that of TIP5P has no ions."""


def _without_water(text: str, water: str) -> SpecError | None:
    """Of a force field that has no such water, or none at all."""
    if "HOH" not in text:
        return None
    return SpecError(
        ("system", "solvent", "water"),
        water,
        "no file in forcefield: has parameters for this water and its ions",
        f"Add one to forcefield:, such as {WATER_FILES[water]}",
    )
