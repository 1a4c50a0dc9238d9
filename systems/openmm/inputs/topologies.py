"""Molecules of Amber, Gromacs and CHARMM topologies with their coordinates."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from openmm import app

from msgen.systems.errors import SpecError, first_line
from msgen.systems.files import find_file, open_with
from msgen.systems.kinds import Field
from msgen.systems.openmm import file_names
from msgen.systems.openmm.gromacs_folder import gromacs_folder
from msgen.systems.openmm.inputs.coordinates import Coordinates, read_coordinates
from msgen.systems.openmm.inputs.parts import Parts, create, create_options, rectangular
from msgen.systems.openmm.sources import MoleculeSource

WHERE: Field = ("system", "topology")
_NOT_INCLUDED = re.compile(r"Could not locate #include file: (.+)")


def from_topology(source: MoleculeSource, base_dir: Path) -> Parts:
    """Read `source.topology` with `source.coordinates`.

    Raises
    ------
    SpecError
    """
    path = find_file(source.topology, base_dir, WHERE)
    suffix = path.suffix.lower()
    readers = {file_names.AMBER: _amber, file_names.GROMACS: _gromacs, file_names.CHARMM: _charmm}
    reader = next((read for suffixes, read in readers.items() if suffix in suffixes), None)
    if reader is None:
        raise SpecError(
            WHERE,
            source.topology,
            "is neither Amber's nor Gromacs' nor CHARMM's",
            "Give .prmtop, .top or .psf",
        )
    given = read_coordinates(source, base_dir, charmm=reader is _charmm)
    if source.implicit_solvent is not None:
        given = Coordinates(given.positions, None, given.names)
    elif source.box is not None:
        given = Coordinates(given.positions, rectangular(source.box), given.names)
    topology, system = reader(path, source, base_dir, given)
    given.check_names(topology, source.coordinates)
    return Parts(topology, system, given.positions, given.box)


def _implicit(source: MoleculeSource) -> dict[str, Any]:
    if source.implicit_solvent is None:
        return {}
    return {"implicitSolvent": getattr(app, source.implicit_solvent)}


def _amber(
    path: Path, source: MoleculeSource, base_dir: Path, given: Coordinates
) -> tuple[Any, Any]:
    # periodicity of the topology itself follows from the box that is passed here
    top = open_with(app.AmberPrmtopFile, path, WHERE, periodicBoxVectors=given.box)
    options = create_options(source, given.box is not None)
    make = partial(top.createSystem, **options, **_implicit(source))
    return top.topology, create(make, WHERE, source.topology)


def _gromacs(
    path: Path, source: MoleculeSource, base_dir: Path, given: Coordinates
) -> tuple[Any, Any]:
    folder = gromacs_folder(source.include_dir, base_dir)
    if source.include_dir and not folder.is_dir():
        raise SpecError(
            ("system", "include_dir"),
            source.include_dir,
            "no such folder",
            f"Folders are found relative to {base_dir.resolve()}",
        )
    pairs = (d.partition("=") for d in source.defines)
    try:
        top = open_with(
            app.GromacsTopFile,
            path,
            WHERE,
            periodicBoxVectors=given.box,
            includeDir=str(folder),
            defines={name.strip(): value.strip() or "1" for name, _, value in pairs},
        )
    except SpecError as error:
        missing = _NOT_INCLUDED.search(str(error.__cause__))
        if missing is None:
            raise
        raise SpecError(
            WHERE,
            source.topology,
            f"includes {missing[1]}, which is neither beside it nor in {folder}",
            "Write include_dir: with the folder that it lies in (Gromacs' own force fields are in "
            "share/gromacs/top of its installation), or put it beside the topology",
        ) from error
    options = create_options(source, given.box is not None)
    return top.topology, create(partial(top.createSystem, **options), WHERE, source.topology)


def _charmm(
    path: Path, source: MoleculeSource, base_dir: Path, given: Coordinates
) -> tuple[Any, Any]:
    psf = open_with(app.CharmmPsfFile, path, WHERE, periodicBoxVectors=given.box)
    where: Field = ("system", "parameters")
    files = [find_file(p, base_dir, (*where, k)) for k, p in enumerate(source.parameters)]
    for k, file in enumerate(files):
        if file.suffix.lower() not in file_names.CHARMM_PARAMETERS:
            what = "is no parameter file of CHARMM's"
            raise SpecError(
                (*where, k), source.parameters[k], what, "Give .prm, .rtf or .str files"
            )
    try:
        parameters = app.CharmmParameterSet(*map(str, files))
    except Exception as error:  # of many kinds, each with a text
        text = first_line(error)
        raise SpecError(
            where,
            list(source.parameters),
            f"cannot be read ({text})",
            "Give the files that the psf was made with; one may need another's atom types (rtf)",
        ) from error
    options = create_options(source, given.box is not None)
    make = partial(psf.createSystem, parameters, **options, **_implicit(source))

    def explain(text: str) -> SpecError | None:
        if not text.startswith(("Missing", "No ", "Could not find")):
            return None
        return SpecError(
            where,
            list(source.parameters),
            f"have not all that {source.topology} asks for: {text}",
            "Add the file that has it, such as toppar_water_ions.str, or that of a ligand",
        )

    return psf.topology, create(make, WHERE, source.topology, explain)
