"""Topologies of Gromacs and CHARMM: includes, defines, parameters, coordinates of any program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alanine_molecule import AMBER99SB
from sections import build_system, refused
from waters import ONE_WATER_TOP

from msgen.orchestrator.run_directory.inputs import inputs_of
from msgen.orchestrator.schema.problems import dotted
from msgen.systems import Walkers

WATER = {
    "kind": "openmm",
    "topology": "water.top",
    "coordinates": "water.gro",
    "temperature": 300.0,
    "platform": "Reference",
    "constraints": None,
    "rigid_water": False,
}
GRO = """one water
    3
    1SOL      O    1   0.000   0.000   0.000
    1SOL     H1    2   0.096   0.000   0.000
    1SOL     H2    3  -0.024   0.093   0.000
   0.0 0.0 0.0
"""
PSF = """PSF

       1 !NTITLE
 REMARKS one water

       3 !NATOM
       1 W    1    TIP3 O    OT    -0.834000       15.9994           0
       2 W    1    TIP3 H1   HT     0.417000        1.0080           0
       3 W    1    TIP3 H2   HT     0.417000        1.0080           0

       2 !NBOND: bonds
       1       2       1       3

       1 !NTHETA: angles
       2       1       3

       0 !NPHI: dihedrals


       0 !NIMPHI: impropers


       0 !NDON: donors


       0 !NACC: acceptors


       0 !NNB

       0       0       0

       1       0 !NGRP
       0       0       0

"""
PRM = """* one water
*
ATOMS
MASS -1 OT 15.9994
MASS -1 HT  1.0080

BONDS
HT OT {bond:.6f} 0.9572

ANGLES
HT OT HT 100.0 104.52

NONBONDED nbxmod 5 atom cdiel shift vatom vdistance vswitch -
cutnb 14.0 ctofnb 12.0 ctonnb 10.0 eps 1.0 e14fac 1.0 wmin 1.5
OT 0.0 -0.1521034 1.7682 0.0 -0.1521034 1.7682
HT 0.0 0.0 0.5 0.0 0.0 0.5

END
"""
CRD = """* one water
*
    3
    1    1 TIP3 O      0.00000   0.00000   0.00000 W    1      0.00000
    2    1 TIP3 H1     0.96000   0.00000   0.00000 W    1      0.00000
    3    1 TIP3 H2    -0.24000   0.93000   0.00000 W    1      0.00000
"""
BOND = 462750.4 / 4.184 / 100 / 2
"""Of `ONE_WATER_TOP`, in CHARMM's unit."""
CHARMM = {"topology": "water.psf", "coordinates": "water.crd", "parameters": ["water.prm"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One water by either program; what the topology includes lies in a folder of its own."""
    (tmp_path / "water.gro").write_text(GRO)
    (tmp_path / "water.top").write_text(ONE_WATER_TOP)
    (tmp_path / "water.psf").write_text(PSF)
    (tmp_path / "water.crd").write_text(CRD)
    (tmp_path / "water.prm").write_text(PRM.format(bond=BOND))
    types, mark, rest = ONE_WATER_TOP.partition("[ moleculetype ]")
    (tmp_path / "itp").mkdir()
    (tmp_path / "itp" / "types.itp").write_text(types)
    (tmp_path / "split.top").write_text(
        f'#include "types.itp"\n#ifdef WATER\n{mark}{rest}#endif\n#ifdef SIZE\nSOL SIZE\n#endif\n'
    )
    return tmp_path


def test_a_water_of_charmm_and_of_gromacs(folder: Path) -> None:
    """One energy, to the digits of the files; another bond in the parameters is told."""
    systems = [build_system(s, folder) for s in (WATER, {**WATER, **CHARMM})]
    x = systems[0].initial().positions
    np.testing.assert_allclose(systems[1].initial().positions, x, atol=1e-6)
    shaken = Walkers(x + np.random.default_rng(0).normal(0, 0.01, (4, 9)))
    (u, f), (v, g) = (s.energy_and_force(shaken) for s in systems)
    np.testing.assert_allclose(v, u, rtol=1e-5)
    np.testing.assert_allclose(g, f, atol=1e-5 * np.abs(f).max())
    (folder / "water.prm").write_text(PRM.format(bond=1.001 * BOND))
    twin = build_system({**WATER, **CHARMM}, folder)
    assert not np.allclose(twin.energy(shaken), u, rtol=1e-5)


def test_atoms_of_one_letter_in_gromacs_coordinates(folder: Path) -> None:
    """OpenMM guesses no element for «O»: each such file ended in a traceback."""
    assert build_system(WATER, folder).n_dof == 9
    # and takes sodium's NA for nitrogen
    top = ONE_WATER_TOP.replace("OW 8 15.9994 -0.834", "OW 11 22.99 0.0")
    top = top.replace("SOL OW  1 -0.834 15.9994", "SOL NA  1 -0.834 22.99")
    (folder / "water.top").write_text(top)
    (folder / "water.gro").write_text(GRO.replace("  O ", " NA "))
    assert build_system(WATER, folder).masses[0] == pytest.approx(22.99)


def test_what_a_topology_includes_and_asks_for(folder: Path) -> None:
    given = {**WATER, "topology": "split.top", "include_dir": "itp", "defines": ["WATER"]}
    one, whole = build_system(given, folder), build_system(WATER, folder)
    x = whole.initial()
    np.testing.assert_allclose(one.energy(x), whole.energy(x), rtol=1e-12)
    # a define with a value: two waters where the coordinates are of one
    said = refused({**given, "defines": ["WATER", "SIZE=1"]}, folder)
    assert dotted(said.path) == "system.coordinates"
    assert "3 atoms where the system has 6" in said.problem


def test_an_include_that_is_not_there_is_named(folder: Path) -> None:
    """It said «Check the file»."""
    said = refused({**WATER, "topology": "split.top", "defines": ["WATER"]}, folder)
    assert dotted(said.path) == "system.topology"
    assert "includes types.itp" in said.problem
    assert "include_dir:" in said.remedy
    nowhere = refused({**WATER, "topology": "split.top", "include_dir": "top"}, folder)
    assert dotted(nowhere.path) == "system.include_dir"


def test_a_run_is_known_by_what_its_topology_includes(folder: Path) -> None:
    """Beside it, in the folder that the campaign names, and where Gromacs has its own."""
    campaign = {"system": {"topology": "split.top", "include_dir": "itp"}}
    before = inputs_of(campaign, folder)
    assert set(before) == {"split.top", "types.itp"}
    (folder / "itp" / "types.itp").write_text("; other types\n")
    assert inputs_of(campaign, folder) != before
    assert set(inputs_of({"system": {"topology": "split.top"}}, folder)) == {"split.top"}


def test_the_force_fields_of_the_gromacs_that_is_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "top").symlink_to(folder / "itp")
    monkeypatch.setenv("GMXDATA", str(folder))
    build_system({**WATER, "topology": "split.top", "defines": ["WATER"]}, folder)
    assert set(inputs_of({"system": {"topology": "split.top"}}, folder)) == {
        "split.top",
        "types.itp",
    }


def test_a_box_from_an_option(folder: Path) -> None:
    for source in ({}, CHARMM):
        system = build_system({**WATER, **source, "box": [2.5, 2.5, 3.0]}, folder)
        np.testing.assert_allclose(system.initial().box, np.diag([2.5, 2.5, 3.0])[None])
    cube = build_system({**WATER, "box": "2.2 nm"}, folder)
    np.testing.assert_allclose(cube.initial().box, 2.2 * np.eye(3)[None])


def test_coordinates_of_a_structure_file(folder: Path) -> None:
    rows = [f"HETATM{k:5} {n:<4} SOL A   1    {x}  1.00  0.00          {n[0]:>2}" for k, n, x in (
        (1, "O", "   0.000   0.000   0.000"), (2, "H1", "   0.960   0.000   0.000"),
        (3, "H2", "  -0.240   0.930   0.000"))]  # fmt: skip
    (folder / "water.pdb").write_text("\n".join([*rows, "END", ""]))
    system = build_system({**WATER, "coordinates": "water.pdb"}, folder)
    start = build_system(WATER, folder).initial().positions
    np.testing.assert_allclose(system.initial().positions, start, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({**CHARMM, "parameters": []}, "system.parameters", "files that the psf was made with"),
        ({**CHARMM, "parameters": ["none.prm"]}, "system.parameters[0]", "relative to"),
        ({**CHARMM, "parameters": ["water.gro"]}, "system.parameters[0]", ".prm, .rtf"),
        ({**CHARMM, "parameters": ["empty.prm"]}, "system.parameters", "Add the file"),
        ({**CHARMM, "parameters": ["bad.prm"]}, "system.parameters", "made with"),
        ({**CHARMM, "coordinates": "water.xyz"}, "system.coordinates", ".gro (Gromacs)"),
        ({**CHARMM, "include_dir": "itp"}, "system.include_dir", "Remove"),
        ({"parameters": ["water.prm"]}, "system.parameters", "Remove"),
        ({"implicit_solvent": "OBC2"}, "system.implicit_solvent", "obc2.xml"),
        ({"arguments": {"a": 1}}, "system.arguments", "Remove"),
        ({"solvent": {"padding": "1 nm"}}, "system.solvent", "gmx solvate"),
        ({"factory": "a:b"}, "system.factory", "exactly one"),
    ],
)
def test_what_is_refused_of_topologies(
    folder: Path, change: dict[str, object], path: str, words: str
) -> None:
    (folder / "water.xyz").write_text("3\n")
    (folder / "empty.prm").write_text("* nothing\n*\nEND\n")
    (folder / "bad.prm").write_text("* bad\n*\nBONDS\nOT HT many 1.0\n")
    said = refused({k: v for k, v in {**WATER, **change}.items() if v != []}, folder)
    assert dotted(said.path) == path
    assert words in said.remedy


def test_alanine_has_no_topology(tmp_path: Path) -> None:
    given = {k: v for k, v in AMBER99SB.items() if k != "forcefield"}
    said = refused({**given, "topology": "ala.psf", "parameters": ["a.prm"]}, tmp_path)
    assert dotted(said.path) == "system.coordinates"
