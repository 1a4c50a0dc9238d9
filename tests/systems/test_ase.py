"""Systems of ASE's calculators: units, failures, fresh starts, what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import CONFIGS
from sections import build_system, refused
from silver import capped_bipyramid, octahedron, spec, with_calculators, write_xyz

from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.hmc import Hmc
from msgen.orchestrator.run_directory.inputs import changed, inputs_of
from msgen.orchestrator.schema.problems import dotted
from msgen.systems import SpecError
from msgen.systems.ase.description import describe, elements_of
from msgen.systems.ase.system import ASESystem
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.watched import watched

STIFFNESS = 0.8
"""eV/Å² of the springs."""


@pytest.fixture(autouse=True)
def forget_calculators() -> Iterator[None]:
    yield
    sys.modules.pop("quick", None)


def made(folder: Path, positions: Array, **more: Any) -> ASESystem:
    write_xyz(folder / "start.xyz", positions)
    system = build_system(spec(**more), folder)
    assert isinstance(system, ASESystem)
    return system


def springs(folder: Path, atoms: int = 2, **arguments: Any) -> ASESystem:
    """Atoms of mass 107.87 on springs to the origin."""
    with_calculators(folder)
    call = {"factory": "quick:springs", "arguments": {"k": STIFFNESS, **arguments}}
    return made(folder, 0.01 * np.arange(3.0 * atoms).reshape(-1, 3) - 0.02, calculator=call)


def shaken(system: ASESystem, n: int, by: float = 0.01, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).standard_normal((n, system.n_dof))
    return np.asarray(system.initial().positions + by * noise)


@pytest.mark.parametrize("shape", [octahedron, capped_bipyramid])
def test_energies_and_forces_are_those_of_ase(shape: Any, tmp_path: Path) -> None:
    import ase
    import ase.units
    from ase.calculators.emt import EMT

    system = made(tmp_path, shape())
    x = shaken(system, 3)
    energy, force = system.energy_and_force(Walkers(x))
    per_mol = ase.units.mol / ase.units.kJ
    first = ase.Atoms("Ag6", positions=shape(), calculator=EMT()).get_potential_energy()
    for i, one in enumerate(x):
        atoms = ase.Atoms("Ag6", positions=10.0 * one.reshape(-1, 3), calculator=EMT())
        told = (atoms.get_potential_energy() - first) * per_mol
        assert energy[i] == pytest.approx(told, rel=1e-7, abs=1e-6)
        np.testing.assert_allclose(force[i].reshape(-1, 3), atoms.get_forces() * 10.0 * per_mol,
                                   rtol=1e-7, atol=1e-4)  # fmt: skip
    assert system.energy(system.initial())[0] == 0.0
    assert system.masses == pytest.approx(107.8682)
    assert system.kT == pytest.approx(0.0083144626 * 500.0)


@pytest.mark.parametrize("confine", [None, 0.2])
def test_forces_are_the_gradient(confine: float | None, tmp_path: Path) -> None:
    system = made(tmp_path, capped_bipyramid(), **({} if confine is None else {"confine": confine}))
    x = shaken(system, 1)[0]
    ways = np.random.default_rng(1).standard_normal((3, system.n_dof))
    h = 1e-5
    force = system.energy_and_force(Walkers(x[None]))[1][0]
    up, down = (system.energy(Walkers(x + s * h * ways)) for s in (1, -1))
    np.testing.assert_allclose((down - up) / (2 * h), ways @ force, rtol=1e-5)


def test_a_wall_holds_the_atoms_and_turns_with_them(tmp_path: Path) -> None:
    write_xyz(tmp_path / "start.xyz", capped_bipyramid())
    free, held = (build_system(spec(**more), tmp_path) for more in ({}, {"confine": 0.2}))
    x = free.initial().positions.reshape(-1, 3)
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))[0]
    moved = Walkers(np.array([x.ravel(), (x @ turn + 0.7).ravel(), x[::-1].ravel()]))
    wall = held.energy(moved) - free.energy(moved)
    out = np.linalg.norm(x - x.mean(0), axis=1) - 0.2
    assert wall == pytest.approx(0.5e4 * (np.maximum(out, 0.0) ** 2).sum(), rel=1e-6)
    assert wall[0] > 1.0


def variance(system: ASESystem, seed: int, steps: int = 12, walkers: int = 60) -> tuple[Array, int]:
    """Variances of the coordinates along HMC in units of kT/k, a row a walker; what was refused."""
    k = STIFFNESS * 96.48533 * 100.0
    rng = np.random.default_rng(seed)
    start = np.sqrt(system.kT / k) * rng.standard_normal((walkers, system.n_dof))
    kernel = Hmc(0.05, 3, system.masses, system.kT, jitter=0.3)
    done = kernel(BoltzmannTarget(system), Walkers(start), rng, n_steps=steps, record_every=1)
    assert done.trajectory is not None
    return (done.trajectory**2).mean(axis=(0, 2)) * k / system.kT, done.nonfinite


def off(seen: Array) -> float:
    """How many of its standard errors the mean over walkers is off 1."""
    return float(abs(seen.mean() - 1.0) / (seen.std(ddof=1) / np.sqrt(len(seen))))


def test_hmc_samples_the_canonical_density(tmp_path: Path) -> None:
    """Walkers start from exact draws; 4 σ. One that tells what it told before is 8 off."""
    right, refused_there = variance(springs(tmp_path), seed=11)
    assert off(right) < 4.0
    assert refused_there == 0
    wrong, _ = variance(springs(tmp_path, stale=True), seed=11)
    assert off(wrong) > 8.0


def test_a_calculation_that_fails_is_a_refusal_and_counted(tmp_path: Path) -> None:
    """⟨x²⟩ of a Gaussian that ends at 0.9 σ: 1 − 0.9 φ(0.9)/Φ(0.9), in every coordinate along x."""
    sigma = np.sqrt(500.0 * 0.0083144626 / (STIFFNESS * 9648.533))
    system = springs(tmp_path, 1, cut=9.0 * sigma)
    rng = np.random.default_rng(5)
    start = sigma * rng.standard_normal((2000, 3))
    start = start[start[:, 0] < 0.9 * sigma][:400]
    kernel = Hmc(0.08, 2, system.masses, system.kT, jitter=0.3)
    done = kernel(BoltzmannTarget(system), Walkers(start), rng, n_steps=5, record_every=1)
    assert done.trajectory is not None
    assert done.nonfinite > 100
    assert system.failures >= done.nonfinite
    seen = ((done.trajectory / sigma) ** 2)[:, :, 0].mean(axis=0)
    # the tail that is missing, by the normal density at 0.9
    expected = 1.0 - 0.9 * 0.266085 / 0.815940
    error = seen.std(ddof=1) / np.sqrt(len(seen))
    assert abs(seen.mean() - expected) < 4.0 * error
    # where failures counted as energies of 0 the whole Gaussian would be seen
    assert abs(seen.mean() - 1.0) > 6.0 * error
    nan, none = system.energy_and_force(Walkers(np.full((1, 3), 5.0)))
    assert np.isnan(nan).all()
    assert np.isnan(none).all()


def test_a_start_that_fails_is_said_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="RuntimeError: the SCF has not converged"):
        springs(tmp_path, cut=-100.0)


def test_without_ase_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_xyz(tmp_path / "start.xyz", octahedron())
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(SpecError, match=r"needs ASE, which is not here.*msgen\[ase\]"):
        build_system(spec(), tmp_path)


def test_every_call_begins_anew_or_it_is_said(tmp_path: Path) -> None:
    assert made(tmp_path, octahedron()).deterministic
    assert springs(tmp_path).deterministic
    assert not springs(tmp_path, memory=1e-9).deterministic
    # what a reset forgets, as the guess of an SCF, is in no energy
    assert springs(tmp_path, guess=1e-9).deterministic


def test_one_configuration_is_one_calculation(tmp_path: Path) -> None:
    system = springs(tmp_path)
    calculator = system._atoms.calc
    before = calculator.calls
    system.energy_and_force(Walkers(shaken(system, 7)))
    assert calculator.calls - before == 7


@pytest.mark.parametrize(
    ("changes", "at", "what"),
    [
        ({"calculator": {"name": "emtt"}}, "system.calculator.name", "no calculator of ASE"),
        ({"calculator": {"name": "emt", "factory": "a:b"}}, "system.calculator.name", "both"),
        ({"calculator": {}}, "system.calculator.name", "neither"),
        ({"calculator": {"factory": "quick:springs", "arguments": {"kk": 1}}},
         "system.calculator.arguments", "quick:springs raised TypeError"),
        ({"charge": 1}, "system.charge", "is not known to the calculator emt"),
        ({"spin": 2}, "system.spin", "is not known to the calculator emt"),
        ({"structure": "cell.xyz"}, "system.structure", "periodic cell"),
        ({"structure": "none.xyz"}, "system.structure", "no such file"),
        ({"structure": "iron.xyz"}, "system.calculator", "cannot calculate the start"),
        ({"calculator": {"factory": "quick:nothing"}}, "system.calculator.factory", "no function"),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], at: str, what: str, tmp_path: Path) -> None:
    with_calculators(tmp_path)
    write_xyz(tmp_path / "start.xyz", octahedron())
    write_xyz(tmp_path / "iron.xyz", octahedron(), "Fe")
    cell = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"'
    write_xyz(tmp_path / "cell.xyz", octahedron(), comment=cell)
    found = refused(spec(**changes), tmp_path)
    assert dotted(found.path) == at
    assert what in found.problem


def test_a_pdb_file_keeps_names_and_bonds(tmp_path: Path) -> None:
    pdb = (CONFIGS / "alanine_dipeptide.pdb").read_text()
    (tmp_path / "a.pdb").write_text(pdb)
    system = build_system(spec("a.pdb"), tmp_path)
    assert isinstance(system, ASESystem)
    assert system.n_dof == 66
    assert [str(a) for a in system.topology.atoms][4:6] == ["ACE1-C", "ACE1-O"]
    assert system.topology.n_bonds == 21
    other = build_system({"kind": "openmm", "structure": "a.pdb", "temperature": 300.0,
                          "forcefield": ["amber99sb.xml"]}, tmp_path)  # fmt: skip
    # whose bonds to hydrogens are held at their lengths
    np.testing.assert_allclose(system.initial().positions, other.initial().positions, atol=1e-4)


def test_what_is_watched_is_invariant(tmp_path: Path) -> None:
    system = made(tmp_path, capped_bipyramid())
    beside = watched(system, CVSet(()))
    assert beside.names[0] == "Ag pair distance 1 of 15"
    x = shaken(system, 1).reshape(6, 3)
    seen = beside(Walkers(np.array([x.ravel(), x[[3, 1, 5, 0, 2, 4]].ravel()])))
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-9, atol=1e-9)


def test_the_description_tells_the_elements_in_order(tmp_path: Path) -> None:
    write_xyz(tmp_path / "start.xyz", octahedron())
    text = (tmp_path / "start.xyz").read_text().splitlines()
    text[3] = text[3].replace("Ag", "Cu")
    (tmp_path / "start.xyz").write_text("\n".join(text) + "\n")
    system = build_system(spec(confine=0.5), tmp_path)
    assert isinstance(system, ASESystem)
    told = describe(system)
    assert told.facts["formula"] == "AgCuAg4"
    assert elements_of(told.facts) == system.symbols
    assert not told.warnings
    assert "wall" in describe(made(tmp_path, octahedron())).warnings[0]


def test_structure_factory_and_files_of_arguments_are_inputs(tmp_path: Path) -> None:
    with_calculators(tmp_path)
    write_xyz(tmp_path / "start.xyz", octahedron())
    (tmp_path / "weights.bin").write_text("1")
    call = {"factory": "quick:springs", "arguments": {"model": "weights.bin"}}
    system = spec(calculator=call)
    given = {"name": "a", "cvs": {}, "strategy": {"kind": "local"}, "system": system}
    found = inputs_of(given, tmp_path)
    assert set(found) >= {"start.xyz", "module quick", "weights.bin"}
    (tmp_path / "weights.bin").write_text("2")
    write_xyz(tmp_path / "start.xyz", capped_bipyramid())
    (tmp_path / "quick.py").write_text("# other\n")
    told = changed(found, inputs_of(given, tmp_path))
    assert {line.split()[3] for line in told} >= {"start.xyz", "weights.bin", "module"}


def test_a_file_of_the_arguments_is_given_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_text("1")
    (tmp_path / "quick.py").write_text(
        "from ase.calculators.emt import EMT\n"
        "def springs(model, word):\n"
        "    assert open(model).read() == '1' and word == 'weights'\n"
        "    return EMT()\n"
    )
    arguments = {"model": "weights.bin", "word": "weights"}
    call = {"factory": "quick:springs", "arguments": arguments}
    assert made(tmp_path, octahedron(), calculator=call).deterministic


def test_xtb_is_that_of_tblite_and_forgets(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    import ase
    from tblite.ase import TBLite

    call = {"name": "tblite", "arguments": {"method": "GFN1-xTB"}}
    system = made(tmp_path, octahedron(), calculator=call, charge=1, spin=1)
    u, f = system.energy_and_force(Walkers(shaken(system, 1)))
    own = [
        ase.Atoms("Ag6", positions=10.0 * x.reshape(-1, 3), calculator=TBLite(
            method="GFN1-xTB", charge=1, multiplicity=2, verbosity=0)).get_potential_energy()
        for x in (shaken(system, 1)[0], system.initial().positions[0])
    ]  # fmt: skip
    assert u[0] == pytest.approx((own[0] - own[1]) * 96.48533, abs=0.01)
    assert np.isfinite(f).all()
    assert system.deterministic
    # atoms on top of each other: no SCF, no energy, no exception
    assert np.isnan(system.energy(Walkers(np.zeros((1, 18)))))[0]


def test_a_walker_that_is_not_finite_is_not_calculated(tmp_path: Path) -> None:
    system = springs(tmp_path)
    calls = system._atoms.calc.calls
    x = replace(system.initial(), positions=np.full((1, 6), np.inf))
    assert np.isnan(system.energy(x)).all()
    assert system._atoms.calc.calls == calls
