"""Which files ``msgen init`` was given, as keys of a ``system:`` section."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from msgen.orchestrator.commands.init.wrong import wrong
from msgen.systems.openmm import file_names
from msgen.systems.openmm.file_names import (
    AMBER,
    AMBER_COORDINATES,
    CHARMM,
    CHARMM_COORDINATES,
    CHARMM_PARAMETERS,
    GROMACS,
    GROMACS_COORDINATES,
    MMCIF,
    PDB,
)

STRUCTURES = (*PDB, *MMCIF)
COORDINATES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    AMBER: (*AMBER_COORDINATES, *GROMACS_COORDINATES, *STRUCTURES),
    GROMACS: (*GROMACS_COORDINATES, *STRUCTURES),
    CHARMM: (*CHARMM_COORDINATES, *GROMACS_COORDINATES, *STRUCTURES),
}
"""What goes with a topology, in the order in which it is looked for beside it."""
_KNOWN = (
    "Give a structure (.pdb, .ent, .cif), a topology with its coordinates (.prmtop and .inpcrd or "
    ".rst7, .top and .gro, .psf with .crd or .pdb and .prm files), or a System (.xml and .pdb)"
)


@dataclass(frozen=True)
class Given:
    """Files that make a system.

    Attributes
    ----------
    name : str
        Of the first file, without its suffix.
    files : mapping
        Keys of the section, with files relative to the campaign's folder; lists for `forcefield`
        and `parameters`.
    """

    name: str
    files: Mapping[str, str | list[str]]

    @property
    def source(self) -> str:
        """The key that forces come from; 'forcefield' where that is still to be chosen."""
        return next((k for k in ("topology", "system_xml") if k in self.files), "forcefield")


def given(files: Sequence[Path], folder: Path) -> Given:
    """Tell files by what they are called, and find what goes with them beside them.

    Raises
    ------
    CampaignError
        Where a file is missing, of no kind that is known, or does not go with the others.
    """
    for path in files:
        if not path.is_file():
            raise wrong("FILE", str(path), "no such file", "Give the path of a file")
    made = _made_of(list(files))

    def relative(value: Path | list[Path]) -> str | list[str]:
        if isinstance(value, list):
            return [os.path.relpath(v.resolve(), folder.resolve()) for v in value]
        return os.path.relpath(value.resolve(), folder.resolve())

    return Given(files[0].stem, {key: relative(value) for key, value in made.items() if value})


def _made_of(files: list[Path]) -> dict[str, Path | list[Path]]:
    topology = _one([f for f in files if _family(f)], "topology")
    xml = [f for f in files if f.suffix.lower() == ".xml"]
    rest = [f for f in files if f != topology and f not in xml]
    structures = [f for f in rest if f.suffix.lower() in STRUCTURES]
    if topology is not None:
        return _with_topology(topology, [*rest, *xml])
    if xml and all(_root(f) == "System" for f in xml):
        structure = _one(structures, "structure") or _beside(xml[0], STRUCTURES)
        if structure is None:
            remedy = f"Give the structure that it was made from: msgen init {xml[0].name} FILE.pdb"
            raise wrong("FILE", xml[0].name, "a System has no atoms' names and places", remedy)
        return {"system_xml": _only(xml, "System"), "structure": structure}
    structure = _one(structures, "structure")
    if structure is not None and len(rest) == 1:
        return {"structure": structure, "forcefield": xml}
    alone = next((f for f in rest if f.suffix.lower() in _ALONE), None)
    if alone is not None:
        found = _beside(alone, tuple(file_names.TOPOLOGIES_ALL))
        if found is not None:
            return _with_topology(found, rest)
        what = "has coordinates and no forces"
        remedy = f"Give its topology too: msgen init TOPOLOGY {alone.name}"
        raise wrong("FILE", alone.name, what, remedy)
    odd = next((f for f in rest if f.suffix.lower() not in STRUCTURES), files[0])
    raise wrong("FILE", odd.name, "is of no kind that is known", _KNOWN)


_ALONE = {s for suffixes in COORDINATES.values() for s in suffixes} - set(STRUCTURES)


def _with_topology(topology: Path, rest: list[Path]) -> dict[str, Path | list[Path]]:
    family = _family(topology)
    suffixes = COORDINATES[family]
    parameters = [f for f in rest if family == CHARMM and f.suffix.lower() in CHARMM_PARAMETERS]
    others = [f for f in rest if f not in parameters]
    odd = next((f for f in others if f.suffix.lower() not in suffixes), None)
    if odd is not None:
        what = f"does not go with {topology.name}"
        raise wrong("FILE", odd.name, what, f"Give one of {', '.join(suffixes)}")
    coordinates = _one(others, "coordinates") or _beside(topology, suffixes)
    if coordinates is None:
        what = "has no coordinates, and none of its name lie beside it"
        remedy = f"Give them too: msgen init {topology.name} FILE{suffixes[0]}"
        raise wrong("FILE", topology.name, what, remedy)
    if family == CHARMM and not parameters:
        what = "has no parameters: CHARMM keeps them in files of their own"
        remedy = f"Give them too: msgen init {topology.name} {coordinates.name} FILE.prm FILE.str"
        raise wrong("FILE", topology.name, what, remedy)
    return {"topology": topology, "coordinates": coordinates, "parameters": parameters}


def _family(path: Path) -> tuple[str, ...]:
    """Whose topology a file is, by its suffix; empty where it is none."""
    suffix = path.suffix.lower()
    return next((suffixes for suffixes in file_names.TOPOLOGIES if suffix in suffixes), ())


def _root(path: Path) -> str:
    """The outermost tag of an XML file; '' where it is none."""
    try:
        _, first = next(iter(ElementTree.iterparse(path, events=("start",))))
    except (ElementTree.ParseError, StopIteration):
        return ""
    return str(first.tag)


def _one(found: list[Path], what: str) -> Path | None:
    return _only(found, what) if found else None


def _only(found: list[Path], what: str) -> Path:
    if len(found) > 1:
        told = f"is a second {what}, beside {found[0].name}"
        raise wrong("FILE", found[1].name, told, f"Give one {what} only")
    return found[0]


def _beside(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    """A file of the same name with one of the suffixes, whatever its letters' case."""
    near = {f.suffix.lower(): f for f in path.parent.iterdir() if f.stem == path.stem and f != path}
    return next((near[suffix] for suffix in suffixes if suffix in near), None)
