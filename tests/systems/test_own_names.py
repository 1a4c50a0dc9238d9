"""What is added to a System that others made is called as nothing of theirs.

A System whose global parameter was called `lambda_0` was steered by our restraints: F was wrong by
5 kT and «errors are met».
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from sections import build_cvs, build_system

from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems import CVSet, SpecError
from msgen.systems.base import Array
from msgen.systems.cvs.openmm_forces import add_restraints
from msgen.systems.openmm import own_names
from msgen.systems.openmm.bias_force import Biased
from msgen.systems.openmm.bias_grid import BiasAxis
from msgen.systems.openmm.ghmc import Ghmc
from msgen.systems.openmm.integrators import middle
from msgen.systems.openmm.own_names import GROUPS, PREFIX, OwnIntegrator, own
from msgen.systems.openmm.system import OpenMMSystem

DIMER = """\
HETATM    1 A0   DIM A   1       0.000   0.000   0.000  1.00  0.00          Ar
HETATM    2 A1   DIM A   1       4.500   0.500   0.200  1.00  0.00          Ar
END
"""
NEUTRAL = "scale"
CVS = {"d": {"kind": "distance", "atoms": [0, 1]}}


def dimer(folder: Path, parameter: str, default: float = 0.5, groups: int = 1) -> OpenMMSystem:
    """Two atoms on a spring whose length goes with a global parameter of theirs."""
    system = mm.System()
    for _ in range(2):
        system.addParticle(40.0)
    bond = mm.CustomBondForce(f"500*(r-0.4-0.2*{parameter})^2")
    bond.addGlobalParameter(parameter, default)
    bond.addBond(0, 1, [])
    system.addForce(bond)
    for group in range(1, groups):
        empty = mm.HarmonicBondForce()
        empty.setForceGroup(group)
        system.addForce(empty)
    (folder / "dimer.xml").write_text(mm.XmlSerializer.serialize(system))
    (folder / "dimer.pdb").write_text(DIMER)
    spec = {"kind": "openmm", "structure": "dimer.pdb", "system_xml": "dimer.xml",
            "temperature": 300.0, "platform": "Reference", "timestep": 0.004}  # fmt: skip
    built = build_system(spec, folder)
    assert isinstance(built, OpenMMSystem)
    return built


def cvs_of(system: OpenMMSystem, folder: Path) -> CVSet:
    return build_cvs(CVS, system, folder)


def integrators() -> dict[str, OwnIntegrator]:
    """All that we write ourselves, with all that they can declare."""
    free = np.array([[True, True, False]] * 2)
    return {
        "ghmc": Ghmc(2.5, 1.0, 0.002, False, False),
        "ghmc, rigid": Ghmc(2.5, 1.0, 0.002, True, True, free),
        "middle": middle(2.5, 1.0, 0.002, free),
    }


def added(folder: Path) -> set[str]:
    """Every name that we add to the dimer's System, or that an integrator of ours declares."""
    system = dimer(folder, NEUTRAL)
    copy = mm.XmlSerializer.clone(system.openmm_system)
    before = copy.getNumForces()
    add_restraints(copy, cvs_of(system, folder), system.kT)
    names = set()
    for force in copy.getForces()[before:]:
        names.add(force.getName())
        names |= {force.getGlobalParameterName(k) for k in range(force.getNumGlobalParameters())}
    for made in integrators().values():
        names |= {made.getGlobalVariableName(k) for k in range(made.getNumGlobalVariables())}
        names |= {made.getPerDofVariableName(k) for k in range(made.getNumPerDofVariables())}
    return names


def run(system: OpenMMSystem, folder: Path, how: str) -> Array:
    """Where thirty steps lead, restrained or biased or neither."""
    cvs = cvs_of(system, folder)
    if how == "metadynamics":
        biased = Biased(
            system, cvs, (BiasAxis(0, 0.2, 0.8, 0.03, False),), bias_factor=5.0, height=2.0,
            frequency=5, kind="langevin", timestep=0.004, friction=5.0,
        )  # fmt: skip
        engine = biased.engine
    else:
        purpose = "ghmc" if how == "ghmc" else "langevin"
        engine = system.context(how != "ghmc", cvs, purpose=purpose, friction=5.0)
    engine.reseed(7)
    engine.load(system.initial())
    engine.draw_velocities(np.random.default_rng(1))
    if how == "metadynamics":
        biased.put(np.zeros(biased.added.shape))
        biased.step_and_add(30)
        assert biased.heights
    elif how == "restrained":
        engine.set_kappa(np.array([300.0]))
        engine.set_lambda(np.array([0.35]))
    if how != "metadynamics":
        engine.step(30)
    return engine.positions()


def plain_words(folder: Path) -> list[str]:
    """What a user may well have called a parameter: our names as they were, without a prefix."""
    ours = {name.removeprefix(PREFIX) for name in added(folder)}
    return sorted({w for w in ours if re.fullmatch(r"\w+", w)} | {"cv0", "table", "c", "w"})


@pytest.mark.parametrize("how", ["restrained", "ghmc", "metadynamics"])
def test_a_user_s_parameter_is_the_user_s_whatever_it_is_called(tmp_path: Path, how: str) -> None:
    expected = run(dimer(tmp_path, NEUTRAL), tmp_path, how)
    words = plain_words(tmp_path)
    assert {"lambda_0", "kappa_0", "a", "b", "kT", "before", "stage", "known", "free"} <= set(words)
    for word in words:
        assert np.array_equal(run(dimer(tmp_path, word), tmp_path, how), expected), word


def test_all_that_is_added_has_the_prefix(tmp_path: Path) -> None:
    assert all(name.startswith(PREFIX) for name in added(tmp_path))


def test_twin_without_a_prefix_steers_the_user_s_spring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(dimer(tmp_path, NEUTRAL), tmp_path, "restrained")
    monkeypatch.setattr(own_names, "PREFIX", "")
    monkeypatch.setattr(own_names, "check_names", lambda *_: None)
    monkeypatch.setattr("msgen.systems.openmm.system.check_names", lambda *_: None)
    wrong = run(dimer(tmp_path, "lambda_0", 0.0), tmp_path, "restrained")
    assert not np.allclose(wrong, expected, atol=1e-3)


@pytest.mark.parametrize("word", [own("lambda_0"), own("anything"), "dt", "m", "f2", "energy"])
def test_names_that_would_be_taken_for_others_are_refused(tmp_path: Path, word: str) -> None:
    """A parameter `dt` is the step size to OpenMM's CustomIntegrator: no error, other samples."""
    with pytest.raises(SpecError) as refusal:
        dimer(tmp_path, word)
    assert refusal.value.path == "system.system_xml"
    assert repr(word) in refusal.value.problem
    assert "another name" in refusal.value.remedy


def test_so_are_those_inside_of_other_forces(tmp_path: Path) -> None:
    inner = mm.CustomBondForce("r*dt")
    inner.addGlobalParameter("dt", 1.0)
    inner.addBond(0, 1, [])
    outer = mm.CustomCVForce("r")
    outer.addCollectiveVariable("r", inner)
    dimer(tmp_path, NEUTRAL)
    system = mm.XmlSerializer.deserialize((tmp_path / "dimer.xml").read_text())
    system.addForce(outer)
    (tmp_path / "dimer.xml").write_text(mm.XmlSerializer.serialize(system))
    spec = {"kind": "openmm", "structure": "dimer.pdb", "system_xml": "dimer.xml",
            "temperature": 300.0, "platform": "Reference"}  # fmt: skip
    with pytest.raises(SpecError, match="'dt'"):
        build_system(spec, tmp_path)


def test_a_force_group_of_the_user_is_left_to_the_user(tmp_path: Path) -> None:
    system = dimer(tmp_path, NEUTRAL, groups=GROUPS - 1)
    theirs = {f.getForceGroup() for f in system.openmm_system.getForces()}
    cvs = cvs_of(system, tmp_path)
    context = system.context(True, cvs).context.getSystem()
    ours = [f for f in context.getForces() if f.getName().startswith(PREFIX)]
    assert {f.getForceGroup() for f in ours} == {GROUPS - 1}
    assert len(theirs) == GROUPS - 1
    run(system, tmp_path, "metadynamics")
    with pytest.raises(SpecError, match="all 32 force groups"):
        dimer(tmp_path, NEUTRAL, groups=GROUPS)


def test_an_engine_is_made_of_such_names(tmp_path: Path) -> None:
    """Every Context that the steered strategy keeps, its path's included."""
    system = dimer(tmp_path, "lambda_0")
    engine = MoleculeEngine(system, cvs_of(system, tmp_path))
    for stepper in (engine.stepper(True), engine.stepper(False)):
        known = set(stepper.context.getParameters())
        assert {n for n in known if not n.startswith(PREFIX)} == {"lambda_0"}


def test_two_defaults_of_one_name_are_told(tmp_path: Path) -> None:
    """OpenMM refuses them when a Context is made."""
    dimer(tmp_path, NEUTRAL)
    system = mm.XmlSerializer.deserialize((tmp_path / "dimer.xml").read_text())
    other = mm.CustomBondForce(f"r*{NEUTRAL}")
    other.addGlobalParameter(NEUTRAL, 0.7)
    other.addBond(0, 1, [])
    system.addForce(other)
    (tmp_path / "dimer.xml").write_text(mm.XmlSerializer.serialize(system))
    spec = {"kind": "openmm", "structure": "dimer.pdb", "system_xml": "dimer.xml",
            "temperature": 300.0, "platform": "Reference"}  # fmt: skip
    with pytest.raises(SpecError, match="default values") as refusal:
        build_system(spec, tmp_path)
    assert refusal.value.path == "system.system_xml"
    assert "another name" in refusal.value.remedy
