"""``msgen init FILE…``: a campaign that can start, or what is to be done before there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import yaml

from msgen.orchestrator.commands.init.given import Given, given
from msgen.orchestrator.commands.init.guesses import Guess, guesses
from msgen.orchestrator.commands.init.hydrogens import add_hydrogens
from msgen.orchestrator.commands.init.surroundings import Contents, Solvent, surrounded
from msgen.orchestrator.commands.init.text import text
from msgen.orchestrator.commands.init.wrong import wrong
from msgen.orchestrator.schema import Campaign, units
from msgen.orchestrator.schema.problems import CampaignError, Problem, dotted
from msgen.orchestrator.validate import load, start_problems
from msgen.systems.base import Array
from msgen.systems.build import build_cvs, build_system
from msgen.systems.errors import SpecError
from msgen.systems.files import in_nm
from msgen.systems.openmm.inputs.force_field import read_force_field
from msgen.systems.openmm.inputs.parts import Parts
from msgen.systems.openmm.inputs.ready_made import from_xml
from msgen.systems.openmm.inputs.topologies import from_topology
from msgen.systems.openmm.inputs.unmatched import misfits
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.openmm.structure_files import read_structure
from msgen.systems.openmm.system import OpenMMSystem


def write_campaign(
    files: Sequence[Path],
    folder: Path,
    temperature: str = "300 K",
    solvent: Solvent = "auto",
    hydrogens: bool = False,
) -> Path:
    """Write ``<first file's name>.yaml`` into `folder`: a campaign that `validate` takes.

    Parameters
    ----------
    files : sequence of Path
        A structure; a topology, with coordinates and what else it needs; or a System and its
        structure. What has the same name beside a file is found.
    folder : Path
    temperature : str
        With its unit.
    solvent : {'auto', 'vacuum', 'implicit', 'water'}
        What the molecule is in; auto as the files have it.
    hydrogens : bool
        Whether to write the structure with its hydrogens first, and to take that.

    Returns
    -------
    Path

    Raises
    ------
    CampaignError
        With all that has to be done before, where the files make no system that can be simulated.
    """
    _check_temperature(temperature)
    files = list(files)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", files[0].stem).lstrip("._-") or "campaign"
    target = folder / f"{name}.yaml"
    if target.exists():
        raise wrong("output", str(target), "exists already", "Move it away, or edit it")
    found = given(files, folder)
    try:
        if hydrogens:
            found = _with_hydrogens(found, folder)
        system = {"kind": "openmm", **_section(found, folder, solvent)}
        system |= {"temperature": temperature, **_dynamics(found, system, folder)}
        written = _first_that_starts(name, system, folder)
    except SpecError as error:
        of_a_file = error.field[-1] in _FILES
        where = "FILE" if of_a_file else dotted(error.field)
        raise wrong(where, _told(error.value), error.problem, error.remedy) from error
    target.write_text(written, encoding="utf-8")
    return target


_FILES = ("structure", "topology", "coordinates", "parameters", "system_xml")


def _check_temperature(temperature: str) -> None:
    try:
        if units.parse(temperature, "temperature") <= 0:
            raise units.UnitError("must be greater than zero", "Write it like '300 K'")
    except units.UnitError as error:
        raise wrong("--temperature", temperature, error.problem, error.remedy) from None


def _told(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _with_hydrogens(found: Given, folder: Path) -> Given:
    structure = found.files.get("structure")
    if found.source != "forcefield" or not isinstance(structure, str):
        what = "are added to a structure file only"
        raise wrong("--add-hydrogens", found.name, what, "Leave it out, or give a .pdb or .cif")
    made = add_hydrogens(folder / structure, folder)
    return Given(found.name, {**found.files, "structure": made.name})


def _section(found: Given, folder: Path, solvent: Solvent) -> dict[str, object]:
    """The files, and what surrounds the molecule."""
    if found.source != "forcefield":
        parts = _parts(found, folder)
        topology = mdtraj.Topology.from_openmm(parts.topology)
        return {**found.files, **surrounded(found, Contents.of(topology, _box(parts)), solvent)}
    read = read_structure(str(found.files["structure"]), folder)
    topology = mdtraj.Topology.from_openmm(read.topology)
    if not topology.n_atoms:
        raise wrong("FILE", str(found.files["structure"]), "has no atoms", "Give a structure")
    vectors = read.topology.getPeriodicBoxVectors()
    box = None if vectors is None else in_nm(vectors)
    keys = surrounded(found, Contents.of(topology, box), solvent)
    section: dict[str, object] = {**found.files, **keys}
    named = section["forcefield"]
    assert isinstance(named, list)
    unfit = misfits(read_force_field(named, folder), read.topology)
    if unfit:
        rows = [Problem((str(found.files["structure"]),), m.told, m.what, m.remedy) for m in unfit]
        raise CampaignError("msgen init", rows)
    return section


def _box(parts: Parts) -> Array | None:
    if parts.box is not None or not parts.system.usesPeriodicBoundaryConditions():
        return parts.box
    return np.array([in_nm(v) for v in parts.system.getDefaultPeriodicBoxVectors()])


def _parts(found: Given, folder: Path) -> Parts:
    """The molecule of a topology or of a System, in whatever surroundings."""
    files: dict[str, Any] = dict(found.files)
    source = MoleculeSource("None", False, "NoCutoff", **files)
    return from_topology(source, folder) if source.topology else from_xml(source, folder)


def _dynamics(found: Given, section: dict[str, object], folder: Path) -> dict[str, object]:
    """Time step and what is rigid; a System says that by itself."""
    if found.source != "system_xml":
        rigid = {"timestep": "2 fs", "friction": "1 /ps", "constraints": "HBonds"}
        return {**rigid, "platform": "auto"}
    rigid_bonds = _parts(found, folder).system.getNumConstraints()
    return {"timestep": "2 fs" if rigid_bonds else "1 fs", "friction": "1 /ps", "platform": "auto"}


def _first_that_starts(name: str, system: dict[str, object], folder: Path) -> str:
    """The text of a campaign along the first guess with which one can start."""
    anything = Guess({"d": "{kind: distance, atoms: [0, 1], range: [0 nm, 9 nm]}"}, "")
    campaign = _read(text(name, system, anything))
    built = build_system(campaign.spec_system(), folder, platform="any")
    assert isinstance(built, OpenMMSystem)
    wrong_of: list[Problem] = []
    for guess in guesses(built.topology, built.initial().positions.reshape(-1, 3)):
        written = text(name, system, guess)
        campaign = _read(written)
        try:
            cvs = build_cvs(campaign.spec_cvs(), built, folder)
            wrong_of = start_problems(campaign, built, cvs)
            wrong_of += campaign.strategy.checks(campaign, folder, built, cvs)
        except SpecError as error:
            wrong_of = [Problem(error.field, error.value, error.problem, error.remedy)]
        if not wrong_of:
            return written
    raise CampaignError("msgen init", wrong_of or [_NO_CV])


_NO_CV = Problem(
    ("FILE",),
    "the molecule",
    "has no two atoms that move against each other",
    "Give a molecule of two atoms or more",
)


def _read(written: str) -> Campaign:
    return load(yaml.safe_load(written))[0]
