"""What is told of a System before anything starts: its box, what it holds in place, its forces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
import torsion_molecule
from alanine_molecule import AMBER99SB
from openmm import app
from places import CONFIGS
from sections import build_cvs, build_system

from msgen.systems import SpecError, Walkers
from msgen.systems.base import Array
from msgen.systems.openmm.admission import POTENTIALS, admit
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.system import OpenMMSystem

PDB = CONFIGS / AMBER99SB["structure"]
ENDS = {"d": {"kind": "distance", "atoms": [0, 18]}}
ORIGIN = (("system", "system_xml"), "a.xml")


def boxed(folder: Path, side: float, *, residue: str = "", shift: float = 0.0) -> str:
    """Alanine dipeptide in a cube (nm), wrapped into it atom by atom."""
    rows = []
    for row in PDB.read_text().splitlines():
        if not row.startswith(("ATOM", "HETATM")):
            continue
        x = [(float(row[k : k + 8]) + 10 * shift) % (10 * side) for k in (30, 38, 46)]
        named = row[:17] + (residue or row[17:20]) + row[20:30]
        rows.append(named + "".join(f"{v:8.3f}" for v in x) + row[54:])
    name = f"box{side:g}{residue}{shift:g}.pdb"
    edge = f"{10 * side:9.3f}"
    cryst = f"CRYST1{edge}{edge}{edge}  90.00  90.00  90.00 P 1           1"
    (folder / name).write_text("\n".join([cryst, *rows, "END", ""]))
    return name


def build(folder: Path, structure: str, **changes: object) -> OpenMMSystem:
    spec = {k: v for k, v in {**AMBER99SB, "structure": structure, **changes}.items() if v}
    built = build_system(spec, folder)
    assert isinstance(built, OpenMMSystem)
    return built


def refusal(folder: Path, structure: str, **changes: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        build(folder, structure, **changes)
    return caught.value


def test_a_cutoff_of_more_than_half_the_box(tmp_path: Path) -> None:
    """OpenMM's own words came as a traceback."""
    said = refusal(tmp_path, boxed(tmp_path, 1.8))
    assert (said.path, said.value) == ("system.cutoff", "1 nm")
    assert "1.8 nm" in said.problem
    assert said.remedy == "Write cutoff: 0.9 nm, or take a box of at least 2 nm"
    build(tmp_path, boxed(tmp_path, 1.8), cutoff=0.9)
    # at so short a cutoff no force field was made
    assert refusal(tmp_path, boxed(tmp_path, 1.25)).remedy == "Take a box of at least 2 nm"


def test_a_box_that_is_a_placeholder(tmp_path: Path) -> None:
    said = refusal(tmp_path, boxed(tmp_path, 0.1))
    assert said.path == "system.structure"
    assert "do not fit" in said.problem
    assert "CRYST1" in said.remedy


def periodic_system(folder: Path, held: str = "") -> None:
    pdb = app.PDBFile(str(folder / boxed(folder, 3.0)))
    field = app.ForceField("amber99sb.xml")
    system = field.createSystem(pdb.topology, nonbondedMethod=app.PME, constraints=app.HBonds)
    if held:
        force = mm.CustomExternalForce(held)
        force.addParticle(0, [])
        system.addForce(force)
    (folder / "sys.xml").write_text(mm.XmlSerializer.serialize(system))


def test_the_cutoff_of_a_serialised_system(tmp_path: Path) -> None:
    periodic_system(tmp_path)
    model = mm.XmlSerializer.deserialize((tmp_path / "sys.xml").read_text())
    model.setDefaultPeriodicBoxVectors([1.5, 0, 0], [0, 1.5, 0], [0, 0, 1.5])
    (tmp_path / "sys.xml").write_text(mm.XmlSerializer.serialize(model))
    said = refusal(tmp_path, boxed(tmp_path, 3.0), forcefield=None, system_xml="sys.xml")
    assert said.path == "system.system_xml"
    assert "at most 0.75 nm" in said.remedy


@pytest.mark.parametrize("residue", ["", "LIG"])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_molecules_are_whole_whoever_knows_their_bonds(
    tmp_path: Path, residue: str, shift: float
) -> None:
    """A residue that no library knows has bonds in the System only: a traceback of mdtraj's."""
    periodic_system(tmp_path)
    structure = boxed(tmp_path, 3.0, residue=residue, shift=shift)
    system = build(tmp_path, structure, forcefield=None, system_xml="sys.xml")
    cvs = build_cvs(ENDS, system, tmp_path)
    pdb = app.PDBFile(str(PDB)).getPositions(asNumpy=True)._value
    expected = float(np.linalg.norm(pdb[18] - pdb[0]))
    assert cvs(system.initial().positions)[0, 0] == pytest.approx(expected, abs=2e-3)


def test_without_any_bonds_only_images_are_measured(tmp_path: Path) -> None:
    """Atoms may be anywhere: of two the nearest images count, and a group has no shape."""
    system = mm.System()
    for _ in range(22):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors([3, 0, 0], [0, 3, 0], [0, 0, 3])
    pairs = mm.CustomNonbondedForce("1/r^12*1e-12")
    pairs.setNonbondedMethod(pairs.CutoffPeriodic)
    for _ in range(22):
        pairs.addParticle([])
    system.addForce(pairs)
    (tmp_path / "sys.xml").write_text(mm.XmlSerializer.serialize(system))
    structure = boxed(tmp_path, 3.0, residue="LIG")
    built = build(tmp_path, structure, forcefield=None, system_xml="sys.xml")
    ends, at = build_cvs(ENDS, built, tmp_path), built.initial().positions
    moved = at + np.where(np.arange(66) < 3, 3.0, 0.0)
    assert ends(moved)[0, 0] == pytest.approx(ends(at)[0, 0])
    for section in ({"kind": "radius_of_gyration"}, {"kind": "distance", "groups": [[0, 1], [9]]}):
        with pytest.raises(SpecError, match="name a bond") as caught:
            build_cvs({"d": section}, built, tmp_path)
        assert "CONECT" in caught.value.remedy


def test_atoms_that_are_held_are_not_moved_by_a_box(tmp_path: Path) -> None:
    """A tether without images at one of the atoms that would be carried over."""
    split = boxed(tmp_path, 3.0)
    xyz = app.PDBFile(str(tmp_path / split)).getPositions(asNumpy=True)._value
    tether = "400*((x-{:.6f})^2+(y-{:.6f})^2+(z-{:.6f})^2)".format(*xyz[0])
    periodic_system(tmp_path, tether)
    said = refusal(tmp_path, split, forcefield=None, system_xml="sys.xml")
    assert said.path == "system.structure"
    assert "split over the faces" in said.problem
    with_images = tether.replace("(x-", "sin(6.283185/3*(x-").replace("(y-", "sin(6.283185/3*(y-")
    with_images = with_images.replace("(z-", "sin(6.283185/3*(z-").replace(")^2", "))^2")
    periodic_system(tmp_path, with_images)
    build(tmp_path, split, forcefield=None, system_xml="sys.xml")


# a free molecule that has drifted away


def drifted(folder: Path, field: str, at: Array) -> tuple[Array, OpenMMContext]:
    """What is stored of the chain at `at`, in a field of its first atom."""
    torsion_molecule.write(folder, "{kind: local}", "replicas: 8")
    model = mm.XmlSerializer.deserialize((folder / "chain.xml").read_text())
    if field:
        force = mm.CustomExternalForce(field)
        force.addParticle(0, [])
        model.addForce(force)
    (folder / "chain.xml").write_text(mm.XmlSerializer.serialize(model))
    spec = {"kind": "openmm", "structure": "chain.pdb", "system_xml": "chain.xml",
            "temperature": 300.0, "platform": "Reference"}  # fmt: skip
    system = build_system(spec, folder)
    assert isinstance(system, OpenMMSystem)
    cvs = build_cvs({"d": {"kind": "distance", "atoms": [0, 3]}}, system, folder)
    engine = system.context(False, cvs)
    x = system.initial().positions.reshape(-1, 3) + at
    engine.load(Walkers(x.reshape(1, -1)))
    return engine.store()[0].reshape(-1, 3) - x, engine


WALL = "400*max(0, x-3)^2"
"""Nothing at the start, and nothing within 3 nm of it."""


def test_what_drifted_is_brought_back(tmp_path: Path) -> None:
    moved, engine = drifted(tmp_path, "", np.array([3.5, 0.0, 0.0]))
    assert np.abs(moved + np.array([3.5, 0, 0])).max() < 0.2
    # the Context goes on from where it was
    assert engine.positions()[:, 0].mean() > 3.0


def test_unless_a_wall_is_felt_there(tmp_path: Path) -> None:
    moved, engine = drifted(tmp_path, WALL, np.array([3.5, 0.0, 0.0]))
    assert engine._recentre  # the start, and places near it, say that it is free
    assert np.array_equal(moved, np.zeros_like(moved))


def test_a_compound_bond_that_looks_at_coordinates_holds_its_atom(tmp_path: Path) -> None:
    """After a stored chunk the molecule had been moved to the origin: −4.3 ± 1.0 for −0.304 kT."""
    moved, _ = drifted(tmp_path, "200*((x-5)^2+y^2+z^2)", np.array([5.0, 0.0, 0.0]))
    assert np.array_equal(moved, np.zeros_like(moved))


# forces that need an integrator of their own


def _admitted(force: mm.Force) -> mm.System:
    system = mm.System()
    system.addParticle(1.0)
    system.addForce(force)
    admit(system, ORIGIN)
    return system


@pytest.mark.parametrize(
    ("force", "word"),
    [
        (lambda: mm.MonteCarloBarostat(1.0, 300.0), "MonteCarloBarostat"),
        (lambda: mm.MonteCarloAnisotropicBarostat([1, 1, 1], 300.0), "AnisotropicBarostat"),
        (lambda: mm.MonteCarloMembraneBarostat(1, 0, 300, 0, 0), "MembraneBarostat"),
        (lambda: mm.MonteCarloFlexibleBarostat(1.0, 300.0), "FlexibleBarostat"),
        (lambda: mm.RPMDMonteCarloBarostat(1.0, 25), "RPMDMonteCarloBarostat"),
        (lambda: mm.AndersenThermostat(300.0, 1.0), "AndersenThermostat"),
        (lambda: mm.DrudeForce(), "DrudeForce"),
    ],
)
def test_forces_that_need_more_than_an_energy_are_named(
    force: Callable[[], mm.Force], word: str
) -> None:
    with pytest.raises(SpecError) as caught:
        _admitted(force())
    assert word in caught.value.problem
    assert caught.value.path == "system.system_xml"
    assert caught.value.remedy


def test_every_force_of_openmm_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a new OpenMM brings is refused by name until somebody has looked at it."""
    forces = {n for n, c in vars(mm).items() if isinstance(c, type) and issubclass(c, mm.Force)}
    refused = {n for n in forces - POTENTIALS if n != "Force"}
    assert refused == {"CMMotionRemover", "AndersenThermostat", "DrudeForce"} | {
        n for n in forces if "Barostat" in n
    }
    monkeypatch.setattr("msgen.systems.openmm.admission.POTENTIALS", POTENTIALS - {"RMSDForce"})
    with pytest.raises(SpecError, match="has a RMSDForce: nothing is known"):
        _admitted(mm.RMSDForce([mm.Vec3(0, 0, 0)]))


def test_what_removes_momentum_is_left_out() -> None:
    assert _admitted(mm.CMMotionRemover()).getNumForces() == 0
