"""Molecules from every kind of file, their forces, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from alanine_molecule import AMBER99SB
from openmm import app, unit
from openmm_runs import langevin
from places import CONFIGS
from sections import build_cvs, build_system, refused
from waters import ONE_WATER_TOP

from msgen.orchestrator.schema.problems import dotted
from msgen.systems import SpecError, System, Walkers
from msgen.systems.openmm.obc import use_native_obc
from msgen.systems.openmm.platforms import choose_platform, platform_names
from msgen.systems.openmm.system import OpenMMSystem

WATER = Path(app.__file__).parent / "data" / "tip3p.pdb"

GRO = """one water
    3
    1SOL     OW    1   0.000   0.000   0.000
    1SOL    HW1    2   0.096   0.000   0.000
    1SOL    HW2    3  -0.024   0.093   0.000
   {box}
"""


def _section(flag: str, form: str, values: list[object]) -> str:
    width, per_line = {"20a4": (4, 20), "10I8": (8, 10), "5E16.8": (16, 5)}[form]
    cells = [
        f"{v:<4}" if form == "20a4" else f"{v:8d}" if form == "10I8" else f"{v:16.8E}"
        for v in values
    ]
    assert all(len(c) == width for c in cells)
    lines = ["".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)] or [""]
    return f"%FLAG {flag}\n%FORMAT({form})\n" + "\n".join(lines) + "\n"


def amber_water() -> str:
    """A prmtop of one flexible water molecule."""
    pointers = [3, 2, 2, 0, 1, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                3, 0, 0]  # fmt: skip
    a, b = 581935.564, 594.825035
    text = "%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/01  00:00:00\n"
    sections: list[tuple[str, str, list[object]]] = [
        ("TITLE", "20a4", ["WAT"]),
        ("POINTERS", "10I8", list(pointers)),
        ("ATOM_NAME", "20a4", ["O", "H1", "H2"]),
        ("CHARGE", "5E16.8", [-0.834 * 18.2223, 0.417 * 18.2223, 0.417 * 18.2223]),
        ("ATOMIC_NUMBER", "10I8", [8, 1, 1]),
        ("MASS", "5E16.8", [16.0, 1.008, 1.008]),
        ("ATOM_TYPE_INDEX", "10I8", [1, 2, 2]),
        ("NUMBER_EXCLUDED_ATOMS", "10I8", [2, 1, 1]),
        ("NONBONDED_PARM_INDEX", "10I8", [1, 2, 2, 3]),
        ("RESIDUE_LABEL", "20a4", ["WAT"]),
        ("RESIDUE_POINTER", "10I8", [1]),
        ("BOND_FORCE_CONSTANT", "5E16.8", [553.0]),
        ("BOND_EQUIL_VALUE", "5E16.8", [0.9572]),
        ("ANGLE_FORCE_CONSTANT", "5E16.8", [100.0]),
        ("ANGLE_EQUIL_VALUE", "5E16.8", [1.82421813]),
        ("DIHEDRAL_FORCE_CONSTANT", "5E16.8", []),
        ("DIHEDRAL_PERIODICITY", "5E16.8", []),
        ("DIHEDRAL_PHASE", "5E16.8", []),
        ("LENNARD_JONES_ACOEF", "5E16.8", [a, 0.0, 0.0]),
        ("LENNARD_JONES_BCOEF", "5E16.8", [b, 0.0, 0.0]),
        ("BONDS_INC_HYDROGEN", "10I8", [0, 3, 1, 0, 6, 1]),
        ("BONDS_WITHOUT_HYDROGEN", "10I8", []),
        ("ANGLES_INC_HYDROGEN", "10I8", [3, 0, 6, 1]),
        ("ANGLES_WITHOUT_HYDROGEN", "10I8", []),
        ("DIHEDRALS_INC_HYDROGEN", "10I8", []),
        ("DIHEDRALS_WITHOUT_HYDROGEN", "10I8", []),
        ("EXCLUDED_ATOMS_LIST", "10I8", [2, 3, 3, 0]),
        ("HBOND_ACOEF", "5E16.8", []),
        ("HBOND_BCOEF", "5E16.8", []),
        ("AMBER_ATOM_TYPE", "20a4", ["OW", "HW", "HW"]),
        ("RADII", "5E16.8", [1.5, 0.8, 0.8]),
        ("SCREEN", "5E16.8", [0.85, 0.85, 0.85]),
    ]
    return text + "".join(_section(*s) for s in sections)


INPCRD = (
    "WAT\n    3\n"
    + "".join(f"{v:12.7f}" for v in (0.0, 0.0, 0.0, 0.96, 0.0, 0.0))
    + "\n"
    + "".join(f"{v:12.7f}" for v in (-0.24, 0.93, 0.0))
    + "\n"
)


def _given(spec: dict[str, object]) -> dict[str, object]:
    """Without what is None; only constraints may be."""
    return {k: v for k, v in spec.items() if v is not None or k == "constraints"}


def build(change: dict[str, object], folder: Path = CONFIGS) -> OpenMMSystem:
    system = build_system(_given({**AMBER99SB, **change}), folder)
    assert isinstance(system, OpenMMSystem)
    assert isinstance(system, System)
    return system


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "water.gro").write_text(GRO.format(box="0.0 0.0 0.0"))
    (tmp_path / "water_box.gro").write_text(GRO.format(box="2.5 2.5 2.5"))
    (tmp_path / "water.top").write_text(ONE_WATER_TOP)
    (tmp_path / "water.prmtop").write_text(amber_water())
    (tmp_path / "water.inpcrd").write_text(INPCRD)
    pdb = app.PDBFile(str(CONFIGS / AMBER99SB["structure"]))
    with (tmp_path / "ala.cif").open("w") as out:
        app.PDBxFile.writeFile(pdb.topology, pdb.positions, out)
    system = app.ForceField("amber99sb.xml").createSystem(pdb.topology, constraints=app.HBonds)
    (tmp_path / "ala.xml").write_text(mm.XmlSerializer.serialize(system))
    system.addForce(mm.MonteCarloBarostat(1.0, 300.0))
    (tmp_path / "barostat.xml").write_text(mm.XmlSerializer.serialize(system))
    system.removeForce(system.getNumForces() - 1)
    system.addForce(mm.DrudeForce())
    (tmp_path / "drude.xml").write_text(mm.XmlSerializer.serialize(system))
    (tmp_path / "no_system.xml").write_text(mm.XmlSerializer.serialize(mm.VerletIntegrator(0.001)))
    (tmp_path / "ala.pdb").write_text((CONFIGS / AMBER99SB["structure"]).read_text())
    (tmp_path / "bad.pdb").write_text("nothing here\n")
    (tmp_path / "bad.xml").write_text("<ForceField><Nonsense")
    more = '<Residues><Residue name="XYZ"><Atom name="C" type="2"/></Residue></Residues>'
    (tmp_path / "more.xml").write_text(f"<ForceField>{more}</ForceField>")
    return tmp_path


def check_forces(system: OpenMMSystem, coordinates: int = 12) -> None:
    """−∇U by central differences along some coordinates."""
    rng = np.random.default_rng(2)
    x = system.initial().positions + 0.001 * rng.normal(size=(1, system.n_dof))
    box = system.initial().box
    _, f = system.energy_and_force(Walkers(x, None, box))
    h = 1e-4
    for d in rng.choice(system.n_dof, min(coordinates, system.n_dof), replace=False):
        e = np.zeros(system.n_dof)
        e[d] = h
        up, down = (
            system.energy(Walkers(x + e, None, box)),
            system.energy(Walkers(x - e, None, box)),
        )
        scale = np.abs(f).max()
        assert abs(f[0, d] + (up - down)[0] / (2 * h)) < 2e-4 * scale


def test_vacuum_and_implicit_solvent() -> None:
    for force_field in (["amber99sb.xml"], ["amber99sb.xml", "implicit/obc2.xml"]):
        system = build({"forcefield": force_field})
        check_forces(system, 66)
        assert system.initial().box is None
        assert system.n_dof == 66
        assert system.kT == pytest.approx(2.660628, abs=1e-6)
        assert system.deterministic
        bad = Walkers(np.full((1, 66), np.nan))
        assert np.isnan(system.energy(bad)).all()
        clash = system.energy(Walkers(np.zeros((1, 66))))
        assert not np.isfinite(clash[0]) or clash[0] > 1e10


def test_explicit_solvent_in_a_periodic_box() -> None:
    system = build(
        {"structure": str(WATER), "forcefield": ["amber14/tip3p.xml"], "cutoff": 0.7}, WATER.parent
    )
    box = system.initial().box
    assert box is not None
    assert box.shape == (1, 3, 3)
    assert system.openmm_system.usesPeriodicBoundaryConditions()
    check_forces(system, 4)
    cvs = build_cvs({"r": {"kind": "distance", "atoms": [0, 1]}}, system, CONFIGS)
    walkers, xi = langevin(system, system.initial(), 3, 1, cvs=cvs, every=3)
    assert walkers.box is not None
    np.testing.assert_allclose(walkers.box, box)
    assert np.isfinite(xi).all()
    with pytest.raises(SpecError, match="different molecules"):
        build_cvs({"r": {"kind": "radius_of_gyration", "atoms": [0, 3]}}, system, CONFIGS)


def test_molecules_split_by_the_box_are_made_whole(files: Path) -> None:
    split = GRO.format(box="2.5 2.5 2.5").replace("-0.024", " 2.476")
    (files / "split.gro").write_text(split)
    spec = {"structure": None, "forcefield": None, "topology": "water.top"}
    whole = build({**spec, "coordinates": "water_box.gro"}, files)
    moved = build({**spec, "coordinates": "split.gro"}, files)
    np.testing.assert_allclose(moved.initial().positions, whole.initial().positions, atol=1e-5)


def test_obc2_is_replaced_and_agrees() -> None:
    pdb = app.PDBFile(str(CONFIGS / AMBER99SB["structure"]))
    field = app.ForceField("amber99sb.xml", "implicit/obc2.xml")
    reference = field.createSystem(pdb.topology, constraints=app.HBonds)
    native = field.createSystem(pdb.topology, constraints=app.HBonds)
    assert use_native_obc(native) == 1
    assert use_native_obc(native) == 0
    assert {type(f) for f in native.getForces()} >= {mm.GBSAOBCForce}  # 35 times as quick
    assert mm.CustomGBForce not in {type(f) for f in native.getForces()}
    contexts = []
    rng = np.random.default_rng(0)
    x0 = np.array(pdb.getPositions(asNumpy=True)._value)
    for system in (reference, native):
        integrator = mm.VerletIntegrator(1e-6)
        context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
        context.setPositions(x0)
        contexts.append(context)
    for _ in range(5):
        x = x0 + 0.01 * rng.normal(size=x0.shape)
        states = []
        for context in contexts:
            context.setPositions(x)
            states.append(context.getState(energy=True, forces=True))
        u = [s.getPotentialEnergy()._value for s in states]
        f = [s.getForces(asNumpy=True)._value for s in states]
        assert abs(u[0] - u[1]) < 1e-5
        np.testing.assert_allclose(f[0], f[1], atol=1e-4, rtol=1e-6)


def test_an_implicit_solvent_needs_no_box(tmp_path: Path) -> None:
    """The CRYST1 line of a file means nothing then; `auto` does not make it a lattice."""
    text = (CONFIGS / AMBER99SB["structure"]).read_text()
    boxed = "CRYST1   40.000   40.000   40.000  90.00  90.00  90.00 P 1           1\n" + text
    (tmp_path / "boxed.pdb").write_text(boxed)
    solvent = {"structure": "boxed.pdb", "forcefield": ["amber99sb.xml", "implicit/obc2.xml"]}
    system = build(solvent, tmp_path)
    free = build({"forcefield": solvent["forcefield"]})
    assert system.initial().box is None
    x = free.initial()
    assert system.energy(x) == pytest.approx(free.energy(x), abs=1e-6)
    # a cutoff has a unit wherever it ends up
    cut = build({**solvent, "nonbonded": "CutoffNonPeriodic", "cutoff": 2.0}, tmp_path)
    assert np.isfinite(cut.energy(x)).all()
    told = refused({**AMBER99SB, **solvent, "nonbonded": "PME"}, tmp_path)
    assert "NoCutoff" in told.remedy
    without = build({"structure": "boxed.pdb"}, tmp_path)
    assert without.initial().box is not None


def test_other_solvent_models_are_left_alone() -> None:
    pdb = app.PDBFile(str(CONFIGS / AMBER99SB["structure"]))
    for name, options in (
        ("implicit/gbn2.xml", {}),
        ("implicit/obc1.xml", {}),
        ("implicit/obc2.xml", {"implicitSolventKappa": 1.0 / unit.nanometer}),
        ("implicit/obc2.xml", {"nonbondedMethod": app.CutoffNonPeriodic}),
    ):
        field = app.ForceField("amber99sb.xml", name)
        assert use_native_obc(field.createSystem(pdb.topology, **options)) == 0


def test_other_dielectrics_are_kept() -> None:
    pdb = app.PDBFile(str(CONFIGS / AMBER99SB["structure"]))
    field = app.ForceField("amber99sb.xml", "implicit/obc2.xml")
    energies = []
    for replace in (False, True):
        system = field.createSystem(pdb.topology, solventDielectric=20.0, soluteDielectric=2.0)
        if replace:
            assert use_native_obc(system) == 1
        context = mm.Context(
            system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
        )
        context.setPositions(pdb.positions)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert abs(energies[0] - energies[1]) < 1e-5


def test_every_kind_of_file(files: Path) -> None:
    base = build({})
    none = {"structure": None, "forcefield": None}
    cif = build({"structure": "ala.cif"}, files)
    xml = build({"system_xml": "ala.xml", "structure": "ala.pdb", "forcefield": None}, files)
    for other in (cif, xml):
        x = base.initial()
        np.testing.assert_allclose(other.energy(x), base.energy(x), atol=1e-6)
        np.testing.assert_allclose(other.initial().positions, x.positions, atol=2e-4)
    amber = build({**none, "topology": "water.prmtop", "coordinates": "water.inpcrd",
                   "constraints": None, "rigid_water": False}, files)  # fmt: skip
    gromacs = build({**none, "topology": "water.top", "coordinates": "water.gro",
                     "constraints": None, "rigid_water": False}, files)  # fmt: skip
    for system in (amber, gromacs):
        assert system.initial().box is None
        assert system.openmm_system.getNumConstraints() == 0
        check_forces(system)
    np.testing.assert_allclose(
        amber.energy(amber.initial()), gromacs.energy(gromacs.initial()), rtol=2e-2
    )
    implicit = build({**none, "topology": "water.prmtop", "coordinates": "water.inpcrd",
                      "implicit_solvent": "OBC2"}, files)  # fmt: skip
    assert any(isinstance(f, mm.GBSAOBCForce) for f in implicit.openmm_system.getForces())
    boxed = build({**none, "topology": "water.top", "coordinates": "water_box.gro"}, files)
    np.testing.assert_allclose(boxed.initial().box, 2.5 * np.eye(3)[None], atol=1e-9)


def test_constraints_masses_and_minimisation() -> None:
    counts = {}
    for name in (None, "HBonds", "AllBonds", "HAngles"):
        system = build({"constraints": name})
        counts[name] = system.openmm_system.getNumConstraints()
        assert not any(isinstance(f, mm.CMMotionRemover) for f in system.openmm_system.getForces())
    assert counts[None] == 0
    assert counts["HBonds"] == 12
    assert counts["AllBonds"] == 21
    assert counts["HAngles"] > 21
    heavy = build({"hydrogen_mass": 3.0})
    assert heavy.masses.reshape(-1, 3)[0, 0] == pytest.approx(3.0)
    assert heavy.masses.sum() == pytest.approx(build({}).masses.sum())
    other = {"forcefield": ["amber03.xml"]}  # the start is a minimum of amber99sb
    start, low = build(other), build({**other, "minimize": True})
    assert low.energy(low.initial())[0] < start.energy(start.initial())[0] - 0.1


def test_the_platform_is_measured_or_given() -> None:
    system = build({"platform": "auto"})
    assert system.platform_choice is not None
    assert set(system.platform_choice.us_per_step) <= set(platform_names())
    fastest = min(system.platform_choice.us_per_step.values())
    assert system.platform_choice.us_per_step[system.platform_name] == fastest
    again = build_system({**AMBER99SB, "platform": "auto"}, CONFIGS, platform="CPU")
    assert isinstance(again, OpenMMSystem)
    assert again.platform_name == "CPU"
    assert not again.deterministic
    assert again.platform_choice is None
    x = system.initial().positions
    choice = choose_platform(system.openmm_system, x[0], None, 0.002, seconds=0.01)
    assert choice.name in platform_names()


@pytest.mark.parametrize(
    ("change", "path", "word"),
    [
        ({"structure": "missing.pdb"}, "system.structure", "relative to"),
        ({"structure": "bad.pdb"}, "system.structure", ""),
        ({"structure": "ala.xml"}, "system.structure", ".cif"),
        ({"structure": None}, "system.structure", "goes with forcefield"),
        ({"forcefield": ["amber99sb.xml", "amber14/tip3q.xml"]}, "system.forcefield[1]", "OpenMM"),
        ({"forcefield": ["bad.xml"]}, "system.forcefield[0]", "OpenMM"),
        # the first cannot be read alone either, for want of the second's atom types
        ({"forcefield": ["more.xml", "amber99sb.xml", "no.xml"]}, "system.forcefield[2]", "OpenMM"),
        ({"forcefield": ["tip3p.xml"]}, "system.structure", "fit"),
        ({"forcefield": None}, "system.forcefield", "a list"),
        ({"pressure": 1.0}, "system.pressure", "in a box"),
        ({"system_xml": "ala.xml"}, "system.system_xml", "one of"),
        ({"forcefield": None, "system_xml": "barostat.xml"}, "system.system_xml", "pressure: 1"),
        ({"forcefield": None, "system_xml": "drude.xml"}, "system.system_xml", "fixed charges"),
        ({"forcefield": None, "system_xml": "no_system.xml"}, "system.system_xml", "Serialise"),
        ({"forcefield": None, "system_xml": "bad.xml"}, "system.system_xml", "Check"),
        ({"implicit_solvent": "OBC2"}, "system.implicit_solvent", "implicit/obc2.xml"),
        ({"forcefield": None, "system_xml": "ala.xml", "cutoff": 1.0},
         "system.cutoff", "System is made"),
        ({"nonbonded": "PME"}, "system.nonbonded", "NoCutoff"),
        ({"nonbonded": "Ewold"}, "system.nonbonded", "PME"),
        ({"constraints": "HBond"}, "system.constraints", "HBonds"),
        ({"temperature": -1.0}, "system.temperature", "320 K"),
        ({"timestep": 0}, "system.timestep", "2 fs"),
        ({"platform": "Cuda9"}, "system.platform", "Reference"),
        ({"forcefield": None, "topology": "water.top"}, "system.coordinates", "goes with topology"),
        ({"forcefield": None, "structure": None, "topology": "ala.pdb", "coordinates": "water.gro"},
         "system.topology", ".prmtop"),
        ({"forcefield": None, "structure": None, "topology": "water.top",
          "coordinates": "water.gro", "implicit_solvent": "OBC2"},
         "system.implicit_solvent", "obc2.xml"),
    ],
)  # fmt: skip
def test_what_is_refused(files: Path, change: dict[str, object], path: str, word: str) -> None:
    given = {**AMBER99SB, "structure": "ala.pdb", **change}
    problem = refused(_given(given), files)
    assert dotted(problem.path) == path
    assert word in problem.remedy
    assert "\n" not in problem.text({})
