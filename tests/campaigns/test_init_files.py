"""`msgen init` of what people have: files of every program, surroundings, and what is amiss."""

from __future__ import annotations

from pathlib import Path

import openmm as mm
import pytest
import yaml
from openmm import app
from places import CONFIGS
from waters import ONE_WATER_TOP

from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.init import command
from msgen.orchestrator.commands.init.command import write_campaign
from msgen.orchestrator.commands.init.given import Given
from msgen.orchestrator.commands.init.guesses import Guess
from msgen.orchestrator.commands.init.surroundings import Contents, surrounded
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.validate import check, load_campaign

PDB = CONFIGS / "alanine_dipeptide.pdb"
GRO = """one water
    3
    1LIG      O    1   0.000   0.000   0.000
    1LIG     H1    2   0.096   0.000   0.000
    1LIG     H2    3  -0.024   0.093   0.000
   {box}
"""
WET = "HETATM  900  O   HOH A 201      20.000  20.000  20.000  1.00  0.00           O\n"
CRYST1 = "CRYST1   18.000   18.000   18.000  90.00  90.00  90.00 P 1           1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody's files lie."""
    monkeypatch.chdir(tmp_path)
    text = PDB.read_text()
    (tmp_path / "ala.pdb").write_text(text)
    (tmp_path / "crystal.pdb").write_text(CRYST1 + text)
    rows = [r for r in text.splitlines(keepends=True) if r.startswith(("ATOM", "HETATM"))]
    heavy = "".join(r for r in rows if r[76:78].strip() != "H")
    (tmp_path / "xray.pdb").write_text(CRYST1 + heavy.replace("NME A", "MSE A") + WET + "END\n")
    (tmp_path / "bare.pdb").write_text(heavy + WET + "END\n")
    (tmp_path / "mol.top").write_text(ONE_WATER_TOP.replace("SOL", "LIG"))
    (tmp_path / "mol.gro").write_text(GRO.format(box="0.0 0.0 0.0"))
    (tmp_path / "boxed.gro").write_text(GRO.format(box="1.5 1.5 1.5"))
    pdb = app.PDBFile(str(PDB))
    system = app.ForceField("amber99sb.xml").createSystem(pdb.topology)
    (tmp_path / "ala.xml").write_text(mm.XmlSerializer.serialize(system))
    return tmp_path


def written(folder: Path, *words: str) -> dict[str, object]:
    """The ``system:`` section that is written for a command; `validate` takes the campaign."""
    for old in folder.glob("*.yaml"):
        old.unlink()
    assert main(["init", *words]) == 0
    (path,) = folder.glob("*.yaml")
    check(load_campaign(path), folder)
    system = yaml.safe_load(path.read_text())["system"]
    assert isinstance(system, dict)
    return system


def said(*words: str) -> str:
    for old in Path.cwd().glob("*.yaml"):
        old.unlink()
    with pytest.raises(CampaignError) as refusal:
        write_campaign([Path(w) for w in words], Path.cwd())
    return str(refusal.value)


def test_a_topology_finds_what_lies_beside_it(folder: Path) -> None:
    for words in (["mol.top"], ["mol.gro"], ["mol.gro", "mol.top"]):
        system = written(folder, *words)
        assert (system["topology"], system["coordinates"]) == ("mol.top", "mol.gro")
        assert "forcefield" not in system
    # the box that an editor has put around a molecule is no lattice
    assert written(folder, "mol.top", "boxed.gro")["nonbonded"] == "NoCutoff"
    (folder / "mol.gro").unlink()
    assert "has no coordinates" in said("mol.top")
    assert "msgen init TOPOLOGY boxed.gro" in said("boxed.gro")


def test_a_system_and_a_force_field_are_both_xml(folder: Path) -> None:
    system = written(folder, "ala.xml")
    assert (system["system_xml"], system["structure"]) == ("ala.xml", "ala.pdb")
    assert system["timestep"] == "1 fs"  # nothing is rigid in there
    ours = Path(app.__file__).parent / "data" / "amber99sb.xml"
    (folder / "own.xml").write_text(ours.read_text())
    assert written(folder, "ala.pdb", "own.xml")["forcefield"] == ["own.xml"]
    (folder / "ala.pdb").unlink()
    assert "no atoms' names and places" in said("ala.xml")


def test_a_crystals_box_is_none_for_a_molecule_without_water(folder: Path) -> None:
    """PME in it was refused by `validate`, as its cutoff is more than half of the box."""
    assert written(folder, "crystal.pdb")["nonbonded"] == "NoCutoff"
    assert "nonbonded" not in written(folder, "ala.pdb")


def test_surroundings_that_are_asked_for(folder: Path) -> None:
    assert written(folder, "ala.pdb", "--solvent", "vacuum")["nonbonded"] == "NoCutoff"
    implicit = written(folder, "crystal.pdb", "--solvent", "implicit")
    assert implicit["forcefield"] == ["amber14-all.xml", "implicit/obc2.xml"]
    assert main(["init", "mol.top", "--solvent", "implicit"]) == 2
    assert main(["init", "mol.top", "--solvent", "water"]) == 2


ALA = Given("ala", {"structure": "ala.pdb"})
TOP = Given("ala", {"topology": "ala.prmtop", "coordinates": "ala.rst7"})


@pytest.mark.parametrize(
    ("contents", "keys"),
    [
        (Contents(0, 0, 1, None), {"forcefield": ["amber14-all.xml"]}),
        (Contents(0, 0, 1, 3.0), {"forcefield": ["amber14-all.xml"], "nonbonded": "NoCutoff"}),
        (Contents(0, 0, 300, 3.0), {"forcefield": ["amber14-all.xml"]}),  # a liquid
        (Contents(700, 2, 1, 3.0), {"forcefield": ["amber14-all.xml", "amber14/tip3p.xml"]}),
        (
            Contents(200, 0, 1, 1.86),
            {"forcefield": ["amber14-all.xml", "amber14/tip3p.xml"], "cutoff": "0.93 nm"},
        ),
    ],
)
def test_surroundings_follow_from_what_the_files_hold(
    contents: Contents, keys: dict[str, object]
) -> None:
    assert surrounded(ALA, contents, "auto") == keys
    left = {k: v for k, v in keys.items() if k != "forcefield"}
    assert surrounded(TOP, contents, "auto") == left


def test_many_waters_without_a_box_are_refused() -> None:
    """As a psf and its crd come: a droplet in vacuum is what nobody meant."""
    with pytest.raises(CampaignError, match="no box"):
        surrounded(TOP, Contents(654, 0, 1, None), "auto")
    surrounded(TOP, Contents(4, 0, 1, None), "auto")


def test_a_structure_without_bonds_has_as_many_molecules_as_residues(folder: Path) -> None:
    """A ligand from a modelling program: mdtraj refused to count."""
    row = "HETATM{0:5}  C{0}  TMP A   1      {0:6.3f}   0.000   0.000  1.00  0.00           C\n"
    ligand = "".join(row.format(k) for k in (1, 2, 3))
    (folder / "ligand.pdb").write_text(ligand + "END\n")
    assert "a ligand, or another molecule" in said("ligand.pdb")


def test_a_residue_with_two_templates_is_told(folder: Path) -> None:
    """OpenMM's own exception came as a traceback."""
    iron = "HETATM    1 FE    FE A   1       0.000   0.000   0.000  1.00  0.00          FE\nEND\n"
    (folder / "iron.pdb").write_text(iron)
    told = said("iron.pdb")
    assert "FE, FE2" in told
    assert "topology:" in told


@pytest.mark.slow
def test_a_box_of_water_that_is_asked_for(folder: Path) -> None:
    system = written(folder, "ala.pdb", "--solvent", "water")
    assert system["solvent"] == {"water": "tip3p", "padding": "1 nm", "ions": "0.15 M"}
    assert system["forcefield"] == ["amber14-all.xml", "amber14/tip3p.xml"]


def test_all_that_is_to_be_done_is_told_at_once(folder: Path) -> None:
    """It wrote a campaign that `validate` refused, one residue after another."""
    told = said("xray.pdb")
    assert "3 problems" in told
    for what in ("ACE 1, ALA 2", "have no hydrogens", "HOH 201", "MSE 3", "selenomethionine"):
        assert what in told, what
    assert "--add-hydrogens" in told
    assert not list(folder.glob("*.yaml"))


def test_hydrogens_that_are_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "bare.pdb"]) == 2
    # NME's own hydrogens and those of a water as well
    system = written(folder, "bare.pdb", "--add-hydrogens")
    assert system["structure"] == "bare_H.pdb"
    assert "amber14/tip3p.xml" in str(system["forcefield"])
    made = app.PDBFile(str(folder / "bare_H.pdb")).topology
    assert made.getNumAtoms() == 22 + 3
    for old in folder.glob("*.yaml"):
        old.unlink()
    assert main(["init", "bare.pdb", "--add-hydrogens"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["init", "mol.top", "--add-hydrogens"]) == 2


def test_a_campaign_that_cannot_start_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guess whose range leaves out the start is passed over; without others none is written."""
    far = Guess({"d": "{kind: distance, atoms: [0, 1], range: [5 nm, 9 nm]}"}, "[5 nm, 6 nm]")
    near = Guess({"d": "{kind: distance, atoms: [0, 5], range: [0 nm, 9 nm]}"}, "[0 nm, 6 nm]")
    monkeypatch.setattr(command, "guesses", lambda *_: iter([far, near]))
    path = write_campaign([Path("ala.pdb")], folder)
    assert "range: [0 nm, 9 nm]" in path.read_text()
    path.unlink()
    monkeypatch.setattr(command, "guesses", lambda *_: iter([far]))
    with pytest.raises(CampaignError, match="starts outside"):
        write_campaign([Path("ala.pdb")], folder)
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.pdb"], "no such file"),
        (["notes.txt"], "is of no kind that is known"),
        (["ala.pdb", "crystal.pdb"], "a second structure"),
        (["mol.top", "ala.xml"], "does not go with mol.top"),
        (["a.psf", "ala.pdb"], "has no parameters"),
    ],
)
def test_files_that_do_not_go_together(folder: Path, words: list[str], told: str) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / "a.psf").write_text("PSF\n")
    assert told in said(*words)
