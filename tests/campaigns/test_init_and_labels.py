"""`msgen init` reads what a campaign reads, and atoms have names that can be written."""

from __future__ import annotations

import re
from pathlib import Path

import mdtraj
import openmm as mm
import pytest
from openmm import app
from places import CONFIGS

from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.init.command import write_campaign
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.validate import check, load_campaign
from msgen.systems.openmm.structure_files import read_structure
from msgen.systems.topology.atom_selection import resolve_atom
from msgen.systems.topology.labels import atom_labels
from msgen.systems.topology.rotatable_torsions import free_torsions
from msgen.systems.topology.stereochemistry import StereoWatch

PDB = CONFIGS / "alanine_dipeptide.pdb"


def rows() -> list[str]:
    return [x for x in PDB.read_text().splitlines() if x.startswith(("ATOM", "HETATM"))]


def read_topology(path: Path) -> mdtraj.Topology:
    return mdtraj.Topology.from_openmm(read_structure(path.name, path.parent).topology)


def two_chains(folder: Path, letters: str) -> Path:
    """The molecule twice, three nm apart, residues numbered alike."""
    out = []
    for k, letter in enumerate(letters):
        for row in rows():
            out.append(f"{row[:21]}{letter}{row[22:30]}{float(row[30:38]) + 30 * k:8.3f}{row[38:]}")
        out.append("TER")
    path = folder / "two.pdb"
    path.write_text("\n".join([*out, "END", ""]))
    return path


@pytest.mark.parametrize("suffix", [".PDB", ".ent", ".cif", ".mmcif"])
def test_init_takes_the_files_that_a_campaign_takes(tmp_path: Path, suffix: str) -> None:
    """`.PDB` was a «list index out of range», `.ent` refused."""
    path = tmp_path / f"ala{suffix}"
    if "cif" in suffix:
        pdb = app.PDBFile(str(PDB))
        with path.open("w") as out:
            app.PDBxFile.writeFile(pdb.topology, pdb.positions, out, keepIds=True)
    else:
        path.write_text(PDB.read_text())
    written = write_campaign([path], tmp_path)
    check(load_campaign(written), tmp_path)


@pytest.mark.parametrize("structure", ["protein", "other"])
def test_states_that_are_uncommented_name_a_cv(tmp_path: Path, structure: str) -> None:
    """They named φ, and the CV was phi_2."""
    text = PDB.read_text()
    files = [tmp_path / "mol.pdb"]
    if structure == "other":
        text = re.sub(r"(ACE|ALA|NME)(?= A)", "LIG", text)
        pdb = app.PDBFile(str(PDB))
        system = app.ForceField("amber99sb.xml").createSystem(pdb.topology, constraints=app.HBonds)
        files.append(tmp_path / "mol.xml")
        files[1].write_text(mm.XmlSerializer.serialize(system))
    files[0].write_text(text)
    written = write_campaign(files, tmp_path)
    uncommented = written.read_text().replace("# states:", "states:").replace("#   A:", "  A:")
    written.write_text(uncommented)
    campaign = load_campaign(written)
    assert campaign.states is not None
    assert set(campaign.states["A"]) <= set(campaign.cvs)


@pytest.mark.parametrize("letters", ["AB", "AA"])
def test_chains_with_equal_numbers_have_atoms_of_their_own(tmp_path: Path, letters: str) -> None:
    topology = read_topology(two_chains(tmp_path, letters))
    labels = atom_labels(topology)
    assert len(set(labels)) == len(labels)
    for k, label in enumerate(labels):
        assert resolve_atom(label, topology, ("cvs",)) == k
    one, two = ("0", "1") if letters == "AA" else ("A", "B")
    assert labels[4] == f"{one}/ACE1:C"
    assert labels[26] == f"{two}/ACE1:C"
    names, _ = free_torsions(topology)
    assert len(set(names)) == len(names)
    watch = StereoWatch(topology, app.PDBFile(str(tmp_path / "two.pdb")).getPositions(True)._value)
    told = [*watch.omega_names, *watch.centre_names]
    assert len(set(told)) == len(told) == watch.n_watched


@pytest.mark.parametrize("letters", ["AB", "AA"])
def test_the_remedy_for_two_matches_can_be_followed(tmp_path: Path, letters: str) -> None:
    """It said «name one of ACE1:C, ACE1:C»."""
    two_chains(tmp_path, letters)
    text = """
executor: inline
system: {kind: openmm, structure: two.pdb, forcefield: [amber99sb.xml], temperature: 300 K}
cvs: {d: {kind: distance, atoms: ["ACE1:C", "%s"], range: [0 nm, 9 nm]}}
strategy: {kind: steered}
"""
    path = tmp_path / "c.yaml"
    path.write_text(text % "NME3:N")
    with pytest.raises(CampaignError) as refusal:
        check(load_campaign(path), tmp_path)
    said = re.search(r"name one of (\S+), (\S+)\.", str(refusal.value))
    assert said is not None
    text = text.replace("ACE1:C", said[1])
    path.write_text(text % said[2])
    check(load_campaign(path), tmp_path)


def test_one_chain_keeps_its_short_names() -> None:
    labels = atom_labels(read_topology(PDB))
    assert labels[4] == "ACE1:C"
    assert resolve_atom("A/ACE1:C", read_topology(PDB), ("cvs",)) == 4


def test_init_of_a_file_without_atoms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.pdb").write_text("REMARK nothing\nEND\n")
    assert main(["init", str(tmp_path / "empty.pdb")]) == 2
    assert "Traceback" not in capsys.readouterr().err
