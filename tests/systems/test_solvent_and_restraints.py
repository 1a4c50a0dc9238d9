"""What a campaign puts around a molecule, what it holds, and molecules that a function makes."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from alanine_molecule import AMBER99SB
from openmm import app
from places import CONFIGS
from sections import build_system, refused

from msgen.orchestrator.schema.problems import dotted
from msgen.systems import Walkers
from msgen.systems.openmm.inputs import force_field, solvation
from msgen.systems.openmm.inputs.force_field import read_force_field
from msgen.systems.openmm.inputs.solvation import solvate
from msgen.systems.openmm.inputs.unmatched import misfits
from msgen.systems.openmm.system import OpenMMSystem

PDB = CONFIGS / AMBER99SB["structure"]
WATER = {"water": "tip3p", "padding": 0.4, "shape": "cube", "ions": 3.0, "positive": "Na+",
         "negative": "Cl-"}  # fmt: skip


def solvated(**changes: object) -> app.Modeller:
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    made = solvate(app.PDBFile(str(PDB)), field, {**WATER, **changes})
    assert isinstance(made, app.Modeller)
    return made


def places(made: app.Modeller) -> np.ndarray:
    return np.array(made.positions.value_in_unit(mm.unit.nanometer))


def test_every_worker_puts_the_same_solvent(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMM draws the places of ions from Python's random numbers, of which each has others."""
    random.seed(1)
    expected = random.random()
    random.seed(1)
    one = solvated()
    assert random.random() == expected  # whoever draws them too notices nothing
    random.seed(2)
    np.testing.assert_array_equal(places(solvated()), places(one))
    names = [r.name for r in one.topology.residues()]
    assert (names.count("NA"), names.count("CL")) == (names.count("NA"),) * 2
    assert names.count("NA") > 0
    monkeypatch.setattr(solvation, "_SEED", None)  # the twin: of the system's entropy
    assert not np.array_equal(places(solvated()), places(one))


SHAPES = {"cube": 1.0, "dodecahedron": np.sqrt(0.5), "octahedron": np.sqrt(16 / 27)}
"""Volumes at the same least distance of images."""


@pytest.mark.parametrize("shape", SHAPES)
def test_as_much_water_and_ions_as_was_asked_for(shape: str) -> None:
    made = solvated(shape=shape, padding=0.7, ions=3.0)
    x = places(made)[:22]
    radius = np.linalg.norm(x - (x.min(0) + x.max(0)) / 2, axis=1).max()
    width = 2 * radius + 0.7
    box = np.array(made.topology.getPeriodicBoxVectors().value_in_unit(mm.unit.nanometer))
    assert box[0, 0] == pytest.approx(width)
    assert np.linalg.det(box) == pytest.approx(SHAPES[shape] * width**3)
    names = [r.name for r in made.topology.residues()]
    sites = names.count("HOH") + names.count("NA") + names.count("CL")
    assert names.count("NA") == round(sites * 3.0 / 55.4) > 2


def test_a_molecule_in_the_water_that_it_asks_for() -> None:
    spec = {
        **AMBER99SB,
        "forcefield": ["amber14-all.xml", "amber14/tip3p.xml"],
        "solvent": {"padding": "0.6 nm"},
        "cutoff": 0.55,
        "platform": "CPU",
    }
    system = build_system(spec, CONFIGS)
    assert isinstance(system, OpenMMSystem)
    box = system.initial().box
    assert box is not None
    least = 2 * 0.6
    assert np.diag(box[0]).min() >= least
    assert system.openmm_system.usesPeriodicBoundaryConditions()
    assert sum(r.name == "HOH" for r in system.topology.residues) > 40
    # minimised: what was just put there has contacts
    assert system.energy(system.initial())[0] < -1000


def test_every_water_has_the_file_that_is_named() -> None:
    for water, sites in (("tip3p", 3), ("spce", 3), ("tip4pew", 4), ("tip5p", 5)):
        known = app.ForceField(force_field.WATER_FILES[water])._templates
        assert len(known["HOH"].atoms) == sites


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"forcefield": ["amber14-all.xml"]}, "system.solvent.water", "amber14/tip3p.xml"),
        (
            {"solvent": {"padding": "0.4 nm", "water": "tip5p"}, "forcefield": ["amber14-all.xml"]},
            "system.solvent.water",
            "as tip5p.xml",
        ),
        (
            {"solvent": {"shape": "octahedron"}, "box": [3.0, 3.0, 3.0]},
            "system.solvent.shape",
            "Add padding",
        ),
        ({"solvent": {}}, "system.solvent.padding", "box:"),
        ({"solvent": {"padding": "1 nm"}, "box": [3.0, 3.0, 3.0]}, "system.box", "one of the two"),
        ({"solvent": {"padding": "1 nm", "ions": "0.15 nm"}}, "system.solvent.ions", "0.15 M"),
        ({"solvent": {"padding": "1 nm", "water": "tip3"}}, "system.solvent.water", "tip3p"),
    ],
)
def test_what_is_refused_of_a_solvent(change: dict[str, object], path: str, words: str) -> None:
    base = {**AMBER99SB, "forcefield": ["amber14-all.xml", "amber14/tip3p.xml"]}
    said = refused({**base, "solvent": {"padding": "0.4 nm"}, **change}, CONFIGS)
    assert dotted(said.path) == path
    assert words in said.remedy


# restraints on positions


def test_restraints_are_half_k_of_the_distance_squared() -> None:
    held = [{"atoms": "name CA", "stiffness": "1000 kJ/mol/nm^2"},
            {"atoms": ["ACE:C", 18], "stiffness": "2 kcal/mol/A^2"}]  # fmt: skip
    free, tied = (
        build_system(AMBER99SB, CONFIGS),
        build_system({**AMBER99SB, "restraints": held}, CONFIGS),
    )
    start = free.initial().positions
    moved = start.reshape(-1, 3).copy()
    moved += [0.03, 0.0, 0.04]
    walkers = Walkers(np.array([start[0], moved.reshape(-1)]))
    extra = tied.energy(walkers) - free.energy(walkers)
    stiffness = 1000.0 + 2 * 2 * 418.4
    # what is rigid is brought to its length at the start, by some 1e-6 nm
    np.testing.assert_allclose(extra, [0.0, 0.5 * stiffness * 0.05**2], atol=1e-3)
    force = tied.energy_and_force(walkers)[1] - free.energy_and_force(walkers)[1]
    np.testing.assert_allclose(force[1].reshape(-1, 3).sum(axis=0), [-0.03 * stiffness, 0.0,
                               -0.04 * stiffness], atol=0.05)  # fmt: skip


def test_restraints_know_images_and_references(tmp_path: Path) -> None:
    rows = [r for r in PDB.read_text().splitlines() if r.startswith(("ATOM", "HETATM"))]
    head = "CRYST1   30.000   30.000   30.000  90.00  90.00  90.00 P 1           1"
    (tmp_path / "a.pdb").write_text("\n".join([head, *rows, "END", ""]))
    away = [f"{r[:30]}{float(r[30:38]) + 31:8.3f}{r[38:]}" for r in rows]
    (tmp_path / "away.pdb").write_text("\n".join([*away, "END", ""]))
    spec = {**AMBER99SB, "structure": "a.pdb"}
    held = {"atoms": "name CA", "stiffness": "1000 kJ/mol/nm^2", "reference": "away.pdb"}
    free, tied = (
        build_system(spec, tmp_path),
        build_system({**spec, "restraints": [held]}, tmp_path),
    )
    x = free.initial()
    # 3.1 nm away is 0.1 nm away, by the box
    np.testing.assert_allclose(tied.energy(x) - free.energy(x), 0.5 * 1000 * 0.1**2, atol=1e-3)
    said = refused({**spec, "restraints": [{**held, "atoms": "name CX"}]}, tmp_path)
    assert dotted(said.path) == "system.restraints[0].atoms"


# molecules that a function makes

FACTORY = """
from types import SimpleNamespace
from openmm import app

def molecule(pdb, cutoff=None):
    read = app.PDBFile(pdb)
    system = app.ForceField("amber99sb.xml").createSystem(read.topology, constraints=app.HBonds)
    return SimpleNamespace(topology=read.topology, system=system, positions=read.positions)

def bare(pdb):
    return molecule(pdb).system

def short(pdb):
    made = molecule(pdb)
    made.positions = made.positions[:3]
    return made
"""


def test_a_molecule_of_a_function(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(FACTORY)
    (tmp_path / "ala.pdb").write_text(PDB.read_text())
    base = {k: AMBER99SB[k] for k in ("kind", "temperature", "platform") if k in AMBER99SB}
    spec = {**base, "factory": "made:molecule", "arguments": {"pdb": "ala.pdb"}}
    one, other = build_system(spec, tmp_path), build_system(AMBER99SB, CONFIGS)
    np.testing.assert_array_equal(one.energy(one.initial()), other.energy(other.initial()))
    for change, path, words in (
        ({"factory": "made:bare"}, "system.factory", "SimpleNamespace"),
        ({"factory": "made:short"}, "system.factory", "positions"),
        ({"factory": "made:molecules"}, "system.factory", "made:molecule"),
        ({"arguments": {"file": "ala.pdb"}}, "system.arguments", "takes"),
        ({"cutoff": 1.0}, "system.cutoff", "System is made"),
        ({"structure": "ala.pdb"}, "system.structure", "Remove"),
    ):
        said = refused({**spec, **change}, tmp_path)
        assert dotted(said.path) == path
        assert words in said.remedy


# what a force field has no template for


def renamed(folder: Path, *changes: tuple[str, str], drop: str = "", more: str = "") -> Path:
    rows = [r for r in PDB.read_text().splitlines() if r.startswith(("ATOM", "HETATM"))]
    text = "\n".join(r for r in rows if not (drop and r[76:78].strip() == drop)) + "\n" + more
    for old, new in changes:
        text = text.replace(old, new)
    (folder / "odd.pdb").write_text(text + "END\n")
    return folder / "odd.pdb"


WET = "HETATM  900  O   HOH A 201      20.000  20.000  20.000  1.00  0.00           O\n"
SODIUM = "HETATM  901 NA    NA A 202      25.000  20.000  20.000  1.00  0.00          NA\n"
LIGAND = """\
HETATM  902  C1  BNZ A 203      25.000  25.000  20.000  1.00  0.00           C
HETATM  903  C2  BNZ A 203      26.400  25.000  20.000  1.00  0.00           C
"""


def test_what_has_no_template_is_told_by_what_it_is(tmp_path: Path) -> None:
    field = read_force_field(["amber14-all.xml"], tmp_path)
    path = renamed(tmp_path, ("ALA A   2", "MSE A   2"), more=WET + SODIUM + LIGAND)
    found = misfits(field, app.PDBFile(str(path)).topology)
    told = {one.what.split(",")[0]: one for one in found}
    assert "MSE 2" in told["selenomethionine"].problem
    assert "HOH 201" in told["waters without hydrogens"].problem
    assert "amber14/tip3p.xml" in told["an ion"].remedy
    assert "topology:" in told["a ligand"].remedy
    path = renamed(tmp_path, drop="H")
    (bare,) = misfits(field, app.PDBFile(str(path)).topology)
    assert bare.what == "have no hydrogens"
    assert "--add-hydrogens" in bare.remedy
    assert misfits(field, app.PDBFile(str(PDB)).topology) == []
    said = refused({**AMBER99SB, "structure": "odd.pdb"}, tmp_path)
    assert dotted(said.path) == "system.structure"
    assert "have no hydrogens" in said.problem
