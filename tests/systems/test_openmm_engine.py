"""The OpenMM engine: reproducible, restrained as told, unharmed by failures; and stereo watch."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import numpy as np
import openmm as mm
import pytest
from alanine_molecule import molecule
from openmm_runs import Restraint, ghmc, langevin
from sections import build_cvs

from msgen.systems import CVSet, SpecError, Walkers
from msgen.systems.openmm.own_names import centre, stiffness
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.stereochemistry import StereoWatch


@pytest.fixture(scope="module")
def pair() -> tuple[OpenMMSystem, CVSet]:
    return molecule()


def batch(system: OpenMMSystem, n: int) -> Walkers:
    return Walkers(np.repeat(system.initial().positions, n, axis=0))


def test_the_same_seed_gives_the_same_bits(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    restraint = Restraint(np.array([-1.3, 1.0]), np.array([40.0, 40.0]))
    first, xi = langevin(system, batch(system, 2), 45, 7, cvs=cvs, every=10)
    assert xi.shape == (2, 4, 2)
    assert not np.array_equal(xi[0], xi[1])
    np.testing.assert_allclose(cvs(first.positions), cvs(first.positions))
    # other work in between, then the same again; and in a system of its own
    langevin(system, batch(system, 1), 30, 8, cvs=cvs, every=10, restraint=restraint)
    ghmc(system, batch(system, 1), 30, 8, cvs=cvs, every=10)
    again, xi2 = langevin(system, batch(system, 2), 45, 7, cvs=cvs, every=10)
    other_system, other_cvs = molecule()
    other, xi3 = langevin(other_system, batch(other_system, 2), 45, 7, cvs=other_cvs, every=10)
    for walkers, values in ((again, xi2), (other, xi3)):
        assert np.array_equal(walkers.positions, first.positions)
        assert walkers.velocities is not None
        assert np.array_equal(walkers.velocities, first.velocities)
        assert np.array_equal(values, xi)
    _, different = langevin(system, batch(system, 2), 45, 9, cvs=cvs, every=10)
    assert not np.array_equal(different, xi)
    runs = [
        langevin(system, first, 20, 3, cvs=cvs, every=20, restraint=restraint)[1] for _ in range(2)
    ]
    assert np.array_equal(runs[0], runs[1])
    hybrid = [ghmc(system, first, 20, 3, cvs=cvs, every=20)[1] for _ in range(2)]
    assert np.array_equal(hybrid[0], hybrid[1])


def test_both_ways_of_seeding_agree(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    engine = system.context(True, cvs)
    assert engine.stream.fast is not None
    Restraint(np.array([1.0, 0.5]), np.array([20.0, 30.0])).put_on(engine)
    ends = []
    for again in (lambda: None, engine.stream.renew):
        engine.reseed(99)
        again()
        engine.load(system.initial())
        engine.draw_velocities(np.random.default_rng(0))
        engine.step(10)
        ends.append(engine.store()[0])
        # the parameters survive
        assert engine.context.getParameter(centre(1)) == 0.5
        assert engine.context.getParameter(stiffness(0)) == 20.0
    assert np.array_equal(ends[0], ends[1])


def test_the_engine_reads_what_it_was_given(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    engine = system.context(True, cvs)
    start = system.initial()
    engine.load(start)
    np.testing.assert_allclose(engine.cvs(), cvs(start.positions)[0], atol=1e-12)
    restraint = Restraint(np.array([0.3, -0.4]), np.array([25.0, 10.0]))
    restraint.put_on(engine)
    expected = restraint.energy_kT(engine.cvs(), cvs.periodic)
    total = engine.potential_energy()
    assert total == pytest.approx(system.energy(start)[0] + system.kT * float(expected), abs=1e-6)
    engine.set_lambda(np.array([0.5, 0.5]))
    assert engine.potential_energy() != total
    x, v, box = engine.store()
    np.testing.assert_array_equal(x, start.positions[0])
    assert v.shape == x.shape
    assert box is None
    assert system.context(True, cvs) is engine
    assert system.context(False, cvs) is not engine


def test_velocities_are_maxwellian_on_the_constraints(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    engine = system.context(False, cvs)
    rng = np.random.default_rng(4)
    engine.load(system.initial())
    energies = []
    n_free = system.n_dof - system.openmm_system.getNumConstraints()
    for _ in range(1000):
        engine.draw_velocities(rng)
        energies.append(engine.kinetic_energy())
    x, v = engine.positions(), engine.velocities()
    for k in range(system.openmm_system.getNumConstraints()):
        i, j, _ = system.openmm_system.getConstraintParameters(k)
        assert abs((x[i] - x[j]) @ (v[i] - v[j])) < 1e-6
    mean, sigma = n_free * system.kT / 2, system.kT * np.sqrt(n_free / 2)
    assert abs(np.mean(energies) - mean) < 4 * sigma / np.sqrt(1000)
    assert np.std(energies) == pytest.approx(sigma, rel=0.12)  # 5 sigma


def test_an_exploded_path_is_flagged_and_harms_nobody(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    x = np.repeat(system.initial().positions, 4, axis=0)
    x[0] = np.nan
    x[1] = 0.0  # all atoms in one place
    x[2] += 0.3 * np.random.default_rng(0).normal(size=66)
    walkers, xi = langevin(system, Walkers(x), 40, 5, cvs=cvs, every=20, friction=0.01)
    assert np.isnan(walkers.positions[:2]).all()
    assert np.isnan(xi[:2]).all()
    assert np.isfinite(walkers.positions[3]).all()
    assert np.isfinite(xi[3]).all()
    _, _, counts = ghmc(system, Walkers(x[1:2]), 5, 5, cvs=cvs, every=5)
    assert counts["n_accepted"] == 0
    engine = system.context(False, cvs)
    engine.load(Walkers(x[:1]))
    assert engine.failed
    assert np.isnan(engine.cvs()).all()
    assert np.isnan(engine.potential_energy())
    assert np.isnan(engine.kinetic_energy())
    stretched = system.initial().positions.copy()
    stretched[0, :3] += 0.05  # a constrained hydrogen
    engine.load(Walkers(stretched))
    assert np.isnan(engine.store()[0]).all()
    assert engine.failed
    gone = Walkers(system.initial().positions + 1e30)  # finite, and so is its energy
    for reading in (engine.cvs, lambda: engine.look()[0]):
        engine.load(gone)
        assert np.isnan(reading()).all()
        assert engine.failed
    engine.load(system.initial())
    assert not engine.failed
    assert np.isfinite(engine.potential_energy())


def test_a_molecule_that_drifts_away_is_brought_back(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    engine = system.context(False, cvs)
    far = Walkers(system.initial().positions + 50.0)
    engine.load(far)
    x, _, _ = engine.store()
    assert np.abs(x).max() < 1.0
    back = Walkers(x[None])
    np.testing.assert_allclose(system.energy(back), system.energy(system.initial()), atol=1e-6)
    np.testing.assert_allclose(cvs(back.positions), cvs(system.initial().positions), atol=1e-9)


def test_steering_pulls_the_cvs_along(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, cvs = pair
    engine = system.context(True, cvs)
    engine.reseed(1)
    engine.set_kappa(np.array([100.0, 100.0]))
    engine.load(system.initial())
    engine.draw_velocities(np.random.default_rng(1))
    begin, end = engine.cvs(), np.array([1.1, -0.8])
    for s in np.linspace(0, 1, 100):
        engine.set_lambda((1 - s) * begin + s * end)
        engine.step(20)
    assert np.abs(engine.cvs() - end).max() < 0.6  # thermal width 0.1
    assert StereoWatch(system.topology, system.initial().positions).names_flipped(
        engine.store()[0][None]
    ) == [[]]


OWN_CV = """
def ends():
    return lambda x: (x[:, :3] - x[:, 3:]).norm(dim=1)
"""
"""The distance of two atoms as somebody's own function."""


def own_cv(system: OpenMMSystem, folder: Path) -> CVSet:
    (folder / "own_cv.py").write_text(OWN_CV)
    section = {"kind": "python", "factory": "own_cv:ends", "atoms": [1, 18], "unit": "nm"}
    return build_cvs({"x": section}, system, folder)


def test_a_function_of_ones_own_is_steered_as_the_kind_that_it_is(
    pair: tuple[OpenMMSystem, CVSet], tmp_path: Path
) -> None:
    """The same noise and the same forces but for rounding: the same way, restrained and biased."""
    system, _ = pair
    ways = []
    bare = build_cvs({"x": {"kind": "distance", "atoms": [1, 18]}}, system, tmp_path)
    for cvs in (own_cv(system, tmp_path), bare):
        engine = system.context(True, cvs, purpose="langevin")
        engine.reseed(5)
        engine.load(batch(system, 1))
        engine.set_kappa(np.array([500.0]))
        engine.set_lambda(cvs(system.initial().positions)[0] + 0.05)
        engine.step(30)
        ways.append(engine.cvs())
    assert np.isfinite(ways).all()
    np.testing.assert_allclose(*ways, atol=1e-7)


def test_what_cannot_be_restrained_says_so(
    pair: tuple[OpenMMSystem, CVSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, _ = pair
    cvs = own_cv(system, tmp_path)
    monkeypatch.delattr(mm, "PythonForce")  # as before OpenMM 8.4
    with pytest.raises(SpecError, match="cannot be restrained"):
        system.context(True, cvs)
    _, xi = langevin(system, batch(system, 1), 4, 1, cvs=cvs, every=2)
    assert np.isfinite(xi).all()


def test_stereo_names_what_flipped(pair: tuple[OpenMMSystem, CVSet]) -> None:
    system, _ = pair
    x0 = system.initial().positions
    watch = StereoWatch(system.topology, x0)
    assert watch.n_watched == 3  # two peptide bonds and CA
    mirrored = x0 * np.tile([1.0, 1.0, -1.0], 22)
    cis = x0.reshape(-1, 3).copy()
    # turn NME about the C–N bond by 180°
    c, n, rest = 14, 16, [17, 18, 19, 20, 21]
    axis = (cis[n] - cis[c]) / np.linalg.norm(cis[n] - cis[c])
    d = cis[rest] - cis[n]
    cis[rest] = cis[n] + 2 * (d @ axis)[:, None] * axis - d
    everything = np.stack([x0[0], mirrored[0], cis.ravel(), np.full(66, np.nan)])
    assert watch.names_flipped(everything) == [
        [],
        ["chirality ALA2:CA"],
        ["omega ALA2-NME3 cis"],
        ["not finite"],
    ]
    assert watch.names_flipped(everything.reshape(4, 22, 3)) == watch.names_flipped(everything)
    # from a cis start, trans is what is named
    assert StereoWatch(system.topology, cis).names_flipped(x0) == [["omega ALA2-NME3 trans"]]


def test_symmetric_carbons_are_no_centres() -> None:
    """Isobutane with one carbon: a centre only once all four substituents differ."""
    for names, expected in ((["F", "Cl", "Br", "H"], 1), (["F", "F", "Br", "H"], 0)):
        top = mdtraj.Topology()
        residue = top.add_residue("LIG", top.add_chain(), resSeq=1)
        elements = ["C", *names]
        atoms = [
            top.add_atom(f"{e}{k}", mdtraj.element.Element.getBySymbol(e), residue)
            for k, e in enumerate(elements)
        ]
        for other in atoms[1:]:
            top.add_bond(atoms[0], other)
        x = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.06
        watch = StereoWatch(top, x)
        assert watch.n_watched == expected
        names_now = watch.names_flipped(-x[None])
        assert names_now == [["chirality LIG1:C0"] if expected else []]
