"""Two files are matched atom by atom: by names, elements, masses and bonds, never by their number.

An RMSD to a reference whose atoms stood in another order inside their residues was 0.231 nm of the
molecule to itself, and «ready to run».
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from alanine_molecule import AMBER99SB
from openmm import app, unit
from places import CONFIGS
from sections import build_cvs, build_system
from waters import ONE_WATER_TOP

from msgen.systems import SpecError
from msgen.systems.openmm.bonded_terms import BondedTerms
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.same_atoms import (
    NamedAtom,
    first_difference,
    mass_difference,
    named,
)

PDB = CONFIGS / AMBER99SB["structure"]
RMSD = {"r": {"kind": "rmsd", "atoms": "all", "reference": "reference.pdb"}}


def lines() -> list[str]:
    return [x for x in PDB.read_text().splitlines() if x.startswith(("ATOM", "HETATM"))]


def reordered() -> list[str]:
    """The atoms of each residue from last to first, as another program may write them."""
    homes = [row[22:26] for row in lines()]
    return [
        row
        for home in dict.fromkeys(homes)
        for row in reversed([r for r, h in zip(lines(), homes, strict=True) if h == home])
    ]


def write(folder: Path, name: str, rows: list[str]) -> None:
    (folder / name).write_text("\n".join([*rows, "END", ""]))


def alanine(folder: Path, **changes: object) -> OpenMMSystem:
    write(folder, "ala.pdb", lines())
    spec = {k: v for k, v in {**AMBER99SB, "structure": "ala.pdb", **changes}.items() if v}
    built = build_system(spec, folder)
    assert isinstance(built, OpenMMSystem)
    return built


def serialised(folder: Path, **options: object) -> mm.System:
    write(folder, "ala.pdb", lines())
    pdb = app.PDBFile(str(folder / "ala.pdb"))
    system = app.ForceField("amber99sb.xml").createSystem(pdb.topology, **options)
    (folder / "ala.xml").write_text(mm.XmlSerializer.serialize(system))
    return system


FROM_XML = {"forcefield": None, "system_xml": "ala.xml"}


def test_a_reference_in_another_order_is_refused(tmp_path: Path) -> None:
    system = alanine(tmp_path)
    write(tmp_path, "reference.pdb", lines())
    cvs = build_cvs(RMSD, system, tmp_path)
    # PDB holds three digits of an Å, and the start was brought on its constraints
    assert cvs(system.initial().positions)[0, 0] < 1e-3
    write(tmp_path, "reference.pdb", reordered())
    with pytest.raises(SpecError) as refusal:
        build_cvs(RMSD, system, tmp_path)
    assert refusal.value.path == "cvs.r.reference"
    assert "another order" in refusal.value.problem
    assert "in the system's order" in refusal.value.remedy


def test_only_what_is_compared_must_agree(tmp_path: Path) -> None:
    """Hydrogens of a reference may stand in any order where heavy atoms are compared."""
    system = alanine(tmp_path)
    rows = lines()
    hydrogens = [k for k, row in enumerate(rows) if row[12:16].strip() in ("HB1", "HB2", "HB3")]
    assert len(hydrogens) == 3
    swapped = list(rows)
    swapped[hydrogens[0]], swapped[hydrogens[2]] = rows[hydrogens[2]], rows[hydrogens[0]]
    write(tmp_path, "reference.pdb", swapped)
    heavy = {"r": {**RMSD["r"], "atoms": "element != H"}}
    build_cvs(heavy, system, tmp_path)
    with pytest.raises(SpecError, match="another order"):
        build_cvs(RMSD, system, tmp_path)


@pytest.mark.parametrize("options", [{}, {"hydrogenMass": 3.0 * unit.dalton}])
def test_a_structure_in_another_order_than_its_system_is_refused(
    tmp_path: Path, options: dict[str, object]
) -> None:
    """Heavy hydrogens are told from another order."""
    serialised(tmp_path, **options)
    alanine(tmp_path, **FROM_XML)
    write(tmp_path, "other.pdb", reordered())
    with pytest.raises(SpecError) as refusal:
        build_system({**_xml_spec(), "structure": "other.pdb"}, tmp_path)
    assert refusal.value.path == "system.structure"
    assert "another order" in refusal.value.problem
    assert "ala.xml" in refusal.value.problem


def _xml_spec() -> dict[str, object]:
    return {k: v for k, v in {**AMBER99SB, **FROM_XML}.items() if v}


def test_two_carbons_that_changed_places_are_told_by_their_bonds(tmp_path: Path) -> None:
    """Masses are the same: the methyl carbons at both ends of the molecule."""
    serialised(tmp_path)
    rows = lines()
    first, last = (
        next(k for k, row in enumerate(rows) if row[17:20] == name and row[13] == "C")
        for name in ("ACE", "NME")
    )
    rows[first], rows[last] = (
        rows[first][:30] + rows[last][30:],
        rows[last][:30] + rows[first][30:],
    )
    write(tmp_path, "other.pdb", rows)
    with pytest.raises(SpecError) as refusal:
        build_system({**_xml_spec(), "structure": "other.pdb"}, tmp_path)
    assert "bonded at 0.1" in refusal.value.problem


def test_coordinates_without_names_are_told_by_their_bonds(tmp_path: Path) -> None:
    """As an Amber inpcrd is, or a trajectory."""
    system = serialised(tmp_path, constraints=app.HBonds)
    bonds = BondedTerms.of(system)
    x = np.array(app.PDBFile(str(tmp_path / "ala.pdb")).getPositions(asNumpy=True)._value)
    assert bonds.torn(x, None) is None
    assert bonds.torn(x + np.random.default_rng(0).normal(0, 0.02, x.shape), None) is None
    assert bonds.torn(10 * x, None) is not None  # Å taken for nm
    assert bonds.torn(x[::-1], None) is not None


def test_names_of_another_convention_are_no_difference() -> None:
    own = [NamedAtom("ALA", 0, name, name[0]) for name in ("N", "H", "CA", "HB1", "HB2", "HB3")]
    theirs = [NamedAtom("ALA", 0, name, "") for name in ("N", "HN", "CA", "1HB", "2HB", "3HB")]
    assert first_difference(own, theirs) is None
    assert first_difference(own, own) is None
    swapped = [own[1], own[0], *own[2:]]
    assert first_difference(own, swapped) is not None
    assert first_difference(own, swapped, atoms=[2, 3]) is None
    elements = [NamedAtom("ALA", 0, "X", "C"), *theirs[1:]]
    assert first_difference(own, elements) == (
        0,
        "atom 0 (from 0) is X of ALA (C) there, and N of ALA (N) in the system",
    )


def test_masses_that_are_nobody_s_are_no_difference(tmp_path: Path) -> None:
    """Beads; but the masses of the elements in another order are."""
    topology = alanine(tmp_path).topology
    own = np.array([a.element.mass for a in topology.atoms])
    assert mass_difference(topology, own) is None
    assert mass_difference(topology, np.full(len(own), 72.0)) is None
    assert mass_difference(topology, np.where(own > 2, 0.0, own)) is None
    assert mass_difference(topology, own[::-1]) is not None
    assert len(named(topology)) == len(own)


def test_twin_that_counts_atoms_sees_no_difference(tmp_path: Path) -> None:
    """What the files were matched by."""
    write(tmp_path, "reference.pdb", reordered())
    other = app.PDBFile(str(tmp_path / "reference.pdb"))
    assert other.topology.getNumAtoms() == len(lines())


def test_gromacs_coordinates_in_another_order_are_refused(tmp_path: Path) -> None:
    (tmp_path / "water.top").write_text(ONE_WATER_TOP)
    spec = {**AMBER99SB, "topology": "water.top", "coordinates": "water.gro"}
    spec = {k: v for k, v in spec.items() if k not in ("structure", "forcefield")}
    (tmp_path / "water.gro").write_text(GRO.format("OW ", "HW1", "HW2"))
    build_system(spec, tmp_path)
    (tmp_path / "water.gro").write_text(GRO.format("HW1", "OW ", "HW2"))
    with pytest.raises(SpecError) as refusal:
        build_system(spec, tmp_path)
    assert refusal.value.path == "system.coordinates"
    assert "HW1 of SOL" in refusal.value.problem


GRO = """one water
    3
    1SOL    {}    1   0.000   0.000   0.000
    1SOL    {}    2   0.096   0.000   0.000
    1SOL    {}    3  -0.024   0.093   0.000
   0.0 0.0 0.0
"""
