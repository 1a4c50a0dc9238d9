"""What is simulated is said before, in the provenance and in the report; what looks odd as well."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openmm as mm
import pytest
from alanine_molecule import AMBER14_OBC2, AMBER99SB
from openmm import app
from places import CONFIGS, TESTS
from sections import build_system, filled

from msgen.orchestrator import dry_run
from msgen.orchestrator.reporting.html_report import write_report
from msgen.orchestrator.reporting.status import status
from msgen.orchestrator.run import run_campaign
from msgen.orchestrator.validate import prepare
from msgen.systems.description import Description
from msgen.systems.openmm.description import describe
from msgen.systems.openmm.system import OpenMMSystem

PDB = CONFIGS / AMBER99SB["structure"]


def about(
    folder: Path = CONFIGS, base: dict[str, Any] = AMBER99SB, **changes: object
) -> Description:
    spec = {k: v for k, v in {**base, **changes}.items() if v is not None}
    system = build_system(spec, folder)
    assert isinstance(system, OpenMMSystem)
    return describe(system, filled(spec))


def boxed(folder: Path) -> str:
    """Alanine dipeptide with a box and nothing else in it."""
    rows = [r for r in PDB.read_text().splitlines() if r.startswith(("ATOM", "HETATM"))]
    head = "CRYST1   30.000   30.000   30.000  90.00  90.00  90.00 P 1           1"
    (folder / "boxed.pdb").write_text("\n".join([head, *rows, "END", ""]))
    return "boxed.pdb"


def test_a_molecule_in_vacuum() -> None:
    told = about()
    assert not told.warnings
    assert told.facts["atoms"] == "22 in residues ACE 1, ALA 1, NME 1"
    assert told.facts["forces"] == "amber99sb.xml"
    assert told.facts["box"] == "none"
    assert told.facts["nonbonded"] == "no cutoff"
    assert told.facts["solvent"] == "none: vacuum"
    assert told.facts["net charge"] == "0 e"
    assert told.facts["constraints"] == "12 rigid bonds"
    assert told.facts["masses"].startswith("144.1")
    assert "320 K" in told.facts["ensemble"]


def test_in_an_implicit_and_in_an_explicit_solvent() -> None:
    assert about(base=AMBER14_OBC2).facts["solvent"] == "implicit, OBC2"
    water = Path(app.__file__).parent / "data" / "tip3p.pdb"
    wet = about(water.parent, structure=str(water), forcefield=["amber14/tip3p.xml"], cutoff=0.7)
    assert not wet.warnings
    assert wet.facts["nonbonded"] == "PME 0.7 nm"
    assert re.match(r"explicit, \d+ waters", wet.facts["solvent"])
    assert re.match(r"[\d.]+ × [\d.]+ × [\d.]+ nm", wet.facts["box"])
    heavy = about(hydrogen_mass=3.0)
    assert "hydrogens up to 3 g/mol" in heavy.facts["masses"]


def test_a_dry_peptide_in_a_box_draws_a_warning(tmp_path: Path) -> None:
    (warning,) = about(tmp_path, structure=boxed(tmp_path)).warnings
    assert "CRYST1" in warning


def test_charged_ends_in_vacuum_draw_a_warning() -> None:
    folder, name = TESTS / "campaigns", "three_alanines.pdb"
    (warning,) = about(folder, structure=name).warnings
    assert "charged ends" in warning
    assert not about(folder, AMBER14_OBC2, structure=name).warnings


@pytest.mark.parametrize(("charge", "words"), [(1.0, ["under PME"]), (0.5, ["under PME", "whole"])])
def test_a_charge_under_pme_draws_a_warning(
    tmp_path: Path, charge: float, words: list[str]
) -> None:
    system, force = mm.System(), mm.NonbondedForce()
    for q in (charge, 0.0):
        system.addParticle(39.948)
        force.addParticle(q, 0.3, 0.5)
    force.setNonbondedMethod(force.PME)
    system.addForce(force)
    system.setDefaultPeriodicBoxVectors([3, 0, 0], [0, 3, 0], [0, 0, 3])
    (tmp_path / "sys.xml").write_text(mm.XmlSerializer.serialize(system))
    (tmp_path / "two.pdb").write_text(
        "HETATM    1 A0   ARG A   1       0.000   0.000   0.000  1.00  0.00          Ar\n"
        "HETATM    2 A1   ARG A   1       4.500   0.500   0.200  1.00  0.00          Ar\nEND\n"
    )
    told = about(tmp_path, structure="two.pdb", forcefield=None, system_xml="sys.xml")
    assert told.facts["net charge"] == f"{charge:+.3g} e"
    assert len(told.warnings) == len(words)
    for warning, word in zip(told.warnings, words, strict=True):
        assert word in warning


def test_every_place_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Dry run, standard error, provenance, status and report."""
    boxed(tmp_path)
    text = f"""
name: dry
executor: inline
system: {{kind: openmm, structure: {tmp_path}/boxed.pdb, forcefield: [amber99sb.xml],
         temperature: 300 K, platform: Reference, cutoff: 0.6 nm}}
cvs: {{phi: {{kind: dihedral, atoms: [ACE:C, ALA:N, ALA:CA, ALA:C]}}}}
states: {{a: {{phi: [0 deg, 130 deg]}}}}
strategy: {{kind: local, local: {{kind: langevin, steps: 5}}}}
replicas: 1
budget: {{rounds: 1}}
output: {{tensorboard: false, trajectory: none}}
"""
    (tmp_path / "dry.yaml").write_text(text)
    checked = prepare(tmp_path / "dry.yaml", output_dir=tmp_path / "runs")
    plan = dry_run.plan(checked)
    assert re.search(r"^nonbonded +PME 0.6 nm$", plan, re.M)
    assert re.search(r"^platform +Reference, [\d.,e+]+ µs a step here$", plan, re.M)
    assert re.search(r"^warning +a peptide without water", plan, re.M)
    run_dir = tmp_path / "runs" / "dry"
    run_campaign(checked, run_dir=run_dir)
    assert "warning: a peptide without water" in capsys.readouterr().err
    known = json.loads((run_dir / "provenance.json").read_text())
    assert known["simulated"]["nonbonded"] == "PME 0.6 nm"
    assert "warning: a peptide without water" in status(run_dir)
    page = write_report(run_dir).read_text(encoding="utf-8")
    assert "What was simulated" in page
    assert "a peptide without water" in page
