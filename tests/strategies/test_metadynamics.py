"""Metadynamics: one bias of all walkers, frozen before anything counts, its samples reweighted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm as mm
import pytest
import torsion_molecule
from driving import Drive, same
from openmm import app, unit
from places import CONFIGS

from msgen.orchestrator.cli import main, main_run
from msgen.orchestrator.dry_run import plan
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.strategies.metadynamics.strategy import SETTLE
from msgen.orchestrator.validate import check, load_campaign
from msgen.systems.base import CVSet
from msgen.systems.cvs.openmm_python import available
from msgen.systems.cvs.torch_cvs import Distance
from msgen.systems.openmm.bias_force import Biased
from msgen.systems.openmm.bias_grid import MARGIN, BiasAxes, BiasAxis, empty_bias
from msgen.systems.openmm.system import OpenMMSystem

META = (
    "{kind: metadynamics, height: 0.5 kT, bias_factor: 6, frequency: 50, "
    "local: {kind: langevin, steps: 200}}"
)
QUICK = ("replicas: 8",)
BY_PLATFORM = ["Reference", pytest.param("CPU", marks=pytest.mark.slow)]


def built(folder: Path) -> tuple[OpenMMSystem, CVSet]:
    drive = Drive.of(torsion_molecule.write(folder, META))
    assert isinstance(drive.system, OpenMMSystem)
    return drive.system, drive.cvs


def biased(system: OpenMMSystem, cvs: CVSet, axes: tuple[BiasAxis, ...], height: float) -> Biased:
    return Biased(
        system,
        cvs,
        axes,
        bias_factor=6.0,
        height=height,
        frequency=50,
        kind="langevin",
        timestep=0.002,
        friction=5.0,
    )


AXIS = (BiasAxis(0, -np.pi, np.pi, 0.35, True),)


def test_hills_are_those_of_openmm(tmp_path: Path) -> None:
    """The same seed through `openmm.app.Metadynamics.step` leaves the same bias."""
    system, cvs = built(tmp_path)
    ours = biased(system, cvs, AXIS, 1.0)
    ours.engine.reseed(77)
    ours.put(empty_bias(AXIS))
    ours.engine.load(system.initial())
    ours.engine.context.setVelocitiesToTemperature(300, 5)
    for _ in range(20):
        ours.step_and_add(35)
    force = mm.CustomTorsionForce("theta")
    force.addTorsion(0, 1, 2, 3, [])
    copy = mm.XmlSerializer.clone(system.openmm_system)
    variable = app.BiasVariable(force, -np.pi, np.pi, 0.35, True, AXIS[0].points)
    theirs = app.Metadynamics(copy, [variable], 300 * unit.kelvin, 6.0, 1.0, 50)
    integrator = mm.LangevinMiddleIntegrator(300, 5, 0.002)
    integrator.setRandomNumberSeed(ours.engine.integrator.getRandomNumberSeed())
    reference = mm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(system.openmm_topology, copy, integrator, reference)
    simulation.context.setPositions(system.initial().positions.reshape(-1, 3))
    simulation.context.setVelocitiesToTemperature(300, 5)
    ours.engine.reseed(77)  # the platform has one stream for all Contexts
    theirs.step(simulation, 700)
    assert len(ours.heights) == 14
    assert ours.heights[0] == 1.0
    assert ours.heights[-1] < 1.0
    free = -ours.added * 6.0 / 5.0
    np.testing.assert_allclose(free, theirs.getFreeEnergy()._value, atol=1e-12)


def test_a_bias_that_is_handed_over_is_the_bias_that_acts(tmp_path: Path) -> None:
    """Half the hills, taken out and put into another Context: the same energy there."""
    system, cvs = built(tmp_path)
    one, two = (biased(system, cvs, AXIS, 2.0) for _ in range(2))
    one.put(empty_bias(AXIS))
    one.engine.reseed(78)
    one.engine.load(system.initial())
    one.step_and_add(500)
    two.put(one.added)
    x = one.engine.positions()
    two.engine.context.setPositions(x)
    assert one.bias_energy() > 1.0
    assert two.bias_energy() == one.bias_energy()
    assert not two.added.any()
    assert two.heights == []


TORSION = """
import torch

def torsion():
    def phi(x):
        p = x.reshape(len(x), 4, 3)
        a, b, c = p[:, 1] - p[:, 0], p[:, 2] - p[:, 1], p[:, 3] - p[:, 2]
        m, n = torch.linalg.cross(a, b), torch.linalg.cross(b, c)
        return torch.atan2(b.norm(dim=1) * (a * n).sum(1), (m * n).sum(1))
    return phi
"""


@pytest.mark.skipif(not available(), reason="OpenMM before 8.4")
def test_a_function_of_ones_own_is_biased_as_openmms_own_torsion(tmp_path: Path) -> None:
    """The same walk under the same hills; the campaign was refused."""
    system, cvs = built(tmp_path)
    (tmp_path / "mine.py").write_text(TORSION)
    file = Path(torsion_molecule.write(tmp_path, META)).with_suffix(".yaml")
    own = "phi: {kind: python, factory: 'mine:torsion', atoms: [0, 1, 2, 3], periodic: true}"
    text = file.read_text().replace("phi: {kind: dihedral, atoms: [0, 1, 2, 3]}", own)
    file.write_text(text)
    check(load_campaign(file), tmp_path)
    mine = Drive.of(str(file.with_suffix(""))).cvs
    heights, added = [], []
    for one in (cvs, mine):
        walk = biased(system, one, AXIS, 1.0)
        walk.put(empty_bias(AXIS))
        walk.engine.reseed(81)
        walk.engine.load(system.initial())
        walk.step_and_add(250)
        heights.append(walk.heights)
        added.append(walk.added)
    assert len(heights[0]) == 5
    assert heights[0][-1] < 1.0
    np.testing.assert_allclose(heights[1], heights[0], rtol=1e-6)
    np.testing.assert_allclose(added[1], added[0], atol=1e-6)


def test_beyond_the_range_of_a_cv_there_are_no_hills_and_no_step(tmp_path: Path) -> None:
    system, _ = built(tmp_path)
    cvs = CVSet((Distance("d", (0, 3)),))
    start = float(cvs(system.initial().positions)[0, 0])
    away = (BiasAxis(0, start + 1.0, start + 2.0, 0.05, False),)
    none = biased(system, cvs, away, 1.0)
    none.put(empty_bias(away))
    none.engine.reseed(79)
    none.engine.load(system.initial())
    none.step_and_add(200)
    assert none.heights == []
    here = (BiasAxis(0, start - 0.2, start + 0.2, 0.05, False),)
    some = biased(system, cvs, here, 1.0)
    some.put(empty_bias(here))
    some.engine.reseed(79)
    some.engine.load(system.initial())
    some.step_and_add(200)
    assert len(some.heights) == 4
    edge = np.exp(-0.5 * MARGIN**2)
    assert 0 <= some.added[[0, -1]].max() <= 4 * edge
    back = BiasAxes.of(here).each()
    assert back == here


@pytest.mark.parametrize("platform", BY_PLATFORM)
def test_a_known_torsion_and_what_is_frozen(tmp_path: Path, platform: str) -> None:
    config = torsion_molecule.write(tmp_path, META, *QUICK, platform=platform)
    drive = Drive.of(config).until("produce", most=200)
    settled = [s for s in drive.steps if not s.before.growing]
    assert len(settled) == SETTLE
    bias = np.array(drive.state.bias)
    # filled: what is left of barriers of 5 kT is little
    assert bias.max() / torsion_molecule.KT > 4
    drive.produce(12)
    assert np.array_equal(drive.state.bias, bias)
    found = drive.strategy.estimate(drive.state)
    value = found.states["rest"]
    assert value.f_kT is not None
    assert value.stderr_kT is not None
    assert value.stderr_kT < 0.2
    assert abs(value.f_kT - torsion_molecule.exact_upper()) < 4 * value.stderr_kT
    centres = found.axes["phi"]
    exact = torsion_molecule.potential(centres) / torsion_molecule.KT
    off = found.f_kT - exact
    off -= np.average(off, weights=found.stderr_kT**-2.0)
    # a bin's mean is not its centre: 36 bins of barriers that curve
    assert (np.abs(off) / np.hypot(found.stderr_kT, 0.05)).max() < 5
    assert found.diagnostics["metadynamics"]["hills"] > 100
    assert found.diagnostics["round_trips"] > 10


def test_without_the_weights_the_answer_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a bias that is said to be 0 wherever the walkers are."""
    drive = Drive.of(torsion_molecule.write(tmp_path, META, *QUICK)).until("produce", most=200)
    monkeypatch.setattr(Biased, "bias_energy", lambda _self: 0.0)
    drive.produce(12)
    value = drive.strategy.estimate(drive.state).states["rest"]
    assert value.f_kT is not None
    assert value.stderr_kT is not None
    assert abs(value.f_kT - torsion_molecule.exact_upper()) > 4 * value.stderr_kT


def test_walkers_add_to_what_all_knew(tmp_path: Path) -> None:
    """The bias after a round is that before it and the hills of every walker, whatever the order;
    and every step is counted, and nothing else but the forces that velocities are drawn with and
    the energy that is watched."""
    drive = Drive.of(torsion_molecule.write(tmp_path, META, "replicas: 3"))
    step = drive.step()
    added = [s.carry["added"] for s in step.segments]
    assert all(a.any() for a in added)
    assert np.array_equal(step.after.bias, sum(added))
    assert step.after.hills == 12
    assert [s.evaluations for s in step.segments] == [202] * 3
    again = Drive.of(torsion_molecule.write(tmp_path, META, "replicas: 3"))
    orders = again.strategy.decide(again.state).orders
    backwards = [again.worker.execute(o) for o in reversed(orders)][::-1]
    assert all(same(a.carry, b.carry) for a, b in zip(step.segments, backwards, strict=True))


def test_a_campaign_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Cut while the bias grows, and in production."""
    text = (
        "{kind: metadynamics, height: 0.5 kT, bias_factor: 2, frequency: 20, "
        "local: {kind: langevin, steps: 100}}"
    )
    file = torsion_molecule.write(tmp_path, text, "replicas: 2") + ".yaml"

    def run(where: str, rounds: int) -> None:
        limit = ["--set", f"budget.rounds={rounds}"]
        assert main_run([file, "--output-dir", str(tmp_path / where), *limit]) == 3

    run("whole", 23)
    for rounds in (9, 22, 23):
        run("parts", rounds)
    stores = [Store(tmp_path / w / "chain" / "store.zarr") for w in ("whole", "parts")]
    assert stores[0].names() == stores[1].names()
    for name in stores[0].names():
        assert np.array_equal(*(s.read(name) for s in stores), equal_nan=True)
    assert main(["export", str(tmp_path / "whole" / "chain")]) == 0
    samples = np.load(tmp_path / "whole" / "chain" / "results" / "samples.npz")
    assert samples["weight"].sum() == pytest.approx(1.0)
    assert np.ptp(samples["weight"][samples["weight"] > 0]) > 0


def test_the_plan_says_what_is_biased() -> None:
    config = CONFIGS / "examples" / "alanine_dipeptide_metadynamics.yaml"
    for sets, says in ((), "phi and psi"), (("strategy.width={psi: 20 deg}",), "psi"):
        text = plan(check(load_campaign(config, sets), config.parent))
        assert f"under a bias along {says}\n" in text


@pytest.mark.slow
def test_errors_cover(tmp_path: Path) -> None:
    """30 campaigns of known answer: |z| < 1.96 for 83 % or more (3σ)."""
    z = []
    for seed in range(30):
        config = torsion_molecule.write(tmp_path, META, *QUICK)
        drive = Drive.of(config, f"seed={seed}").until("produce", most=600).produce(4)
        value = drive.strategy.estimate(drive.state).states["rest"]
        assert value.f_kT is not None
        assert value.stderr_kT is not None
        z.append((value.f_kT - torsion_molecule.exact_upper()) / value.stderr_kT)
    assert np.mean(np.abs(z) < 1.96) > 0.83
    assert 0.46 < np.mean(np.abs(z) < 1) < 0.93
