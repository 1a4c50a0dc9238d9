"""The Monte-Carlo barostat on what is known: an ideal gas and a harmonic solid; a wrong twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dumbbells
import numpy as np
import pytest
from alanine_molecule import AMBER99SB
from driving import Drive
from numpy.typing import NDArray
from places import CONFIGS
from sections import refused

import msgen
from msgen.actors.engines import openmm_barostat
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.engines.openmm_barostat import pieces
from msgen.actors.engines.tempered_openmm import HeatedMolecule
from msgen.actors.kernels import barostat
from msgen.actors.kernels.barostat import MonteCarloBarostat, Resized
from msgen.orchestrator.schema.problems import CampaignError, dotted
from msgen.orchestrator.validate import prepare
from msgen.systems.base import Array, CVSet
from msgen.systems.constants import GAS_CONSTANT
from msgen.systems.cvs.torch_cvs import Distance

D = CVSet((Distance("d", (0, 1)),))
KT = 2.5
SIGMA = 4.5
"""Within which means of the moves agree with what is known; the twin is off by more than 8."""

Energy = Callable[[Array, Array], float]


@dataclass(frozen=True)
class WithoutJacobian(MonteCarloBarostat):
    """The twin: as if no centre but one moved with the box."""

    def __call__(
        self,
        energy: Energy,
        positions: Array,
        box: Array,
        rng: np.random.Generator,
        n_moves: int = 1,
    ) -> Resized:
        n = int(self.molecules.max()) + 1

        def told(x: Array, h: Array) -> float:
            return float(energy(x, h) + self.kT * np.log(np.linalg.det(h)) * n)

        return super().__call__(told, positions, box, rng, n_moves)


def z_of(seen: Array, mean: float) -> float:
    """(mean − known)/error, the error of means of 40 stretches."""
    parts = seen.reshape(40, -1).mean(axis=1)
    return float((parts.mean() - mean) / (parts.std(ddof=1) / np.sqrt(40)))


def volumes(
    move: MonteCarloBarostat,
    energy: Energy,
    redraw: Callable[[Array, np.random.Generator], Array],
    volume: float,
    n: int,
) -> Array:
    """V after each of n moves, places drawn anew in each box before every one."""
    rng = np.random.default_rng(11)
    box, seen = volume ** (1 / 3) * np.eye(3), np.empty(n)
    for k in range(n):
        box = move(energy, redraw(box, rng), box, rng).box
        seen[k] = np.linalg.det(box)
    return seen[n // 21 :][-(20 * n // 21) // 40 * 40 :]


def gas(molecules: NDArray[np.intp]) -> Callable[[Array, np.random.Generator], Array]:
    """Molecules of two atoms anywhere in the box."""

    def redraw(box: Array, rng: np.random.Generator) -> Array:
        centres = rng.random((int(molecules.max()) + 1, 3)) @ box
        return centres[molecules] + rng.normal(0, 0.05, (len(molecules), 3))

    return redraw


@pytest.mark.parametrize(("kind", "right"), [(MonteCarloBarostat, True), (WithoutJacobian, False)])
def test_an_ideal_gas(kind: type[MonteCarloBarostat], right: bool) -> None:
    """V of N molecules has a gamma distribution: ⟨V⟩ = (N+1) kT/P, ⟨V²⟩ = (N+1)(N+2) (kT/P)²."""
    n, pressure = 5, 0.25
    molecules = np.repeat(np.arange(n), 2)
    move = kind(pressure, KT, molecules)
    scale = KT / pressure
    seen = volumes(move, lambda x, h: 0.0, gas(molecules), (n + 1) * scale, 8_400)
    off = [z_of(seen, (n + 1) * scale), z_of(seen**2, (n + 1) * (n + 2) * scale**2)]
    assert (np.abs(off) < SIGMA).all() if right else max(np.abs(off)) > 8


@pytest.mark.parametrize(("kind", "right"), [(MonteCarloBarostat, True), (WithoutJacobian, False)])
def test_a_harmonic_solid(kind: type[MonteCarloBarostat], right: bool) -> None:
    """Springs to sites that move with the box leave V the static energy's: a Gaussian.

    U = ½k Σ|xᵢ − h sᵢ|² + B(V − V₀)²/(2V₀): ⟨V⟩ = V₀(1 − P/B), variance kT V₀/B.
    """
    k, bulk, v0, pressure = 300.0, 40.0, 8.0, 4.0
    sites = np.stack(np.meshgrid(*[[0.25, 0.75]] * 3), -1).reshape(-1, 3)
    molecules = np.arange(8)

    def energy(x: Array, h: Array) -> float:
        strain = np.linalg.det(h) - v0
        return float(0.5 * k * ((x - sites @ h) ** 2).sum() + 0.5 * bulk * strain**2 / v0)

    def redraw(box: Array, rng: np.random.Generator) -> Array:
        return sites @ box + rng.normal(0, np.sqrt(KT / k), sites.shape)

    mean, variance = v0 * (1 - pressure / bulk), KT * v0 / bulk
    seen = volumes(kind(pressure, KT, molecules), energy, redraw, mean, 8_400)
    off = [z_of(seen, mean), z_of((seen - mean) ** 2, variance)]
    assert (np.abs(off) < SIGMA).all() if right else max(np.abs(off)) > 8


@pytest.mark.parametrize(("kind", "right"), [(MonteCarloBarostat, True), (WithoutJacobian, False)])
def test_where_ln_v_is_uniform_every_move_is_accepted(
    kind: type[MonteCarloBarostat], right: bool
) -> None:
    """U = −PV + (N+1) kT ln V of the box that is tried makes r = 1, whatever the move."""
    pressure, molecules = 0.7, np.array([0, 0, 1, 2])

    def energy(x: Array, h: Array) -> float:
        volume = float(np.linalg.det(h))
        return -pressure * volume + 4 * KT * float(np.log(volume))

    rng = np.random.default_rng(9)
    done = kind(pressure, KT, molecules)(energy, rng.random((4, 3)), 2.0 * np.eye(3), rng, 300)
    assert (done.accepted == 300) == right


def test_what_has_no_energy_is_refused_and_counted() -> None:
    """As OpenMM gives none where a cutoff is more than half of the box."""
    move = MonteCarloBarostat(0.1, KT, np.arange(3))
    rng = np.random.default_rng(3)
    box = 2.0 * np.eye(3)

    def none_below(x: Array, h: Array) -> float:
        return 0.0 if h[0, 0] >= 2.0 else np.nan

    done = move(none_below, rng.random((3, 3)), box, rng, 200)
    assert done.nonfinite > 5
    assert done.box[0, 0] >= 2.0
    assert done.evaluations == 201


def test_molecules_move_as_a_whole() -> None:
    molecules = np.array([0, 0, 0, 1, 1])
    rng = np.random.default_rng(4)
    x = rng.normal(0, 3, (5, 3))  # not wrapped, nor need it be
    box = np.array([[3.0, 0, 0], [0.5, 3.0, 0], [0.2, 0.1, 3.0]])
    done = MonteCarloBarostat(0.01, KT, molecules)(lambda x, h: 0.0, x, box, rng, 20)
    assert done.accepted > 0
    s = done.box[0, 0] / 3.0
    np.testing.assert_allclose(done.box, s * box)
    np.testing.assert_allclose(done.positions[1] - done.positions[0], x[1] - x[0])
    np.testing.assert_allclose(done.positions[3:].mean(0), s * x[3:].mean(0))


@pytest.mark.parametrize("n", [1, 2, 7, 25, 50, 75, 99, 100, 101, 250, 500])
def test_steps_and_moves_read_the_same_backwards(n: int) -> None:
    found = pieces(n)
    assert sum(found) == n
    assert found == found[::-1]
    assert len(found) >= 2
    assert n < 50 or max(found) <= 2 * openmm_barostat.EVERY


# through OpenMM, as a campaign does


@pytest.mark.parametrize("kind", ["langevin", pytest.param("ghmc", marks=pytest.mark.slow)])
def test_a_gas_that_openmm_steps(
    kind: Literal["langevin", "ghmc"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine's chunks: boxes of walkers have the volumes of a gas, other walkers' their own."""
    monkeypatch.setattr(openmm_barostat, "EVERY", 2)
    monkeypatch.setattr(barostat, "SMALLEST", 0.29)
    system = dumbbells.pressed()
    engine = MoleculeEngine(system, D, kind)
    engine.begin(np.random.default_rng(8))
    engine.load(system.initial().take([0, 0]))
    lam, off = np.zeros((2, 1)), np.zeros(2, dtype=bool)
    seen = []
    for _ in range(340):
        engine.chunk(lam, off, 10)
        boxes = engine.walkers().box
        assert boxes is not None
        seen.append(np.linalg.det(boxes))
    volume = np.array(seen)[20:]
    scale = system.kT / dumbbells.PRESSURE
    for column in volume.T:
        assert abs(z_of(column, 5 * scale)) < SIGMA
    assert abs(np.corrcoef(volume.T)[0, 1]) < 0.4
    tried = engine.tally.extra["volume_tried"]
    assert tried == 340 * 2 * 5
    assert 0.3 < engine.tally.extra["volume_accepted"] / tried < 0.99
    # forces when velocities were drawn, steps, and two energies for each move
    assert engine.tally.evaluations == 2 + 340 * 2 * 10 + 2 * tried or kind == "ghmc"


@pytest.mark.parametrize("pressed", [True, False])
def test_temperatures_of_one_pressure(
    pressed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is exchanged and reweighted is the enthalpy, and each volume that of its temperature.

    Unpressed, as a probe is, a walker keeps its box.
    """
    monkeypatch.setattr(openmm_barostat, "EVERY", 2)
    monkeypatch.setattr(barostat, "SMALLEST", 0.29)
    monkeypatch.syspath_prepend(str(tmp_path))  # where its module lies
    drive = Drive.of(str(dumbbells.write(tmp_path, "{kind: parallel_tempering}").with_suffix("")))
    context = vars(drive.worker)["_context"]
    system, tau = context.system, np.array([1.0, 2.0])
    rng = np.random.default_rng(5)
    engine = HeatedMolecule(context, system.initial().take([0, 0]), tau, rng, pressed)
    volume, energy = [], []
    for _ in range(340 if pressed else 3):
        (reading,) = engine.stretch(1, 10)
        walkers = engine.walkers()
        assert walkers.box is not None
        volume.append(np.linalg.det(walkers.box))
        u = system.energy(walkers) / system.kT
        energy.append(reading.energy - u)
    scale = system.kT / system.pressure
    if not pressed:
        np.testing.assert_allclose(volume, dumbbells.SIDE**3)
        np.testing.assert_allclose(energy, 0.0, atol=1e-9)
        return
    np.testing.assert_allclose(energy, np.array(volume) / scale, atol=1e-9)
    for column, t in zip(np.array(volume)[20:].T, tau, strict=True):
        assert abs(z_of(column, 5 * scale * t)) < SIGMA


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    [
        "{kind: local, local: {kind: langevin, steps: 50}}",
        "{kind: umbrella, windows: {d: 3}, seeds: neighbour, relax: 100}",
        "{kind: parallel_tempering, local: {kind: langevin, steps: 50}}",
        "{kind: steered, local: {kind: langevin, steps: 50}}",
    ],
)
def test_campaigns_at_constant_pressure(strategy: str, tmp_path: Path) -> None:
    """The bond does not know of the pressure: its free energy is that of the bond alone."""
    path = dumbbells.write(tmp_path, strategy, 400_000)
    result = msgen.run(path, output_dir=tmp_path / "runs", quiet=True)
    grid = np.linspace(0.1, 0.2, 2001)
    p = grid**2 * np.exp(-0.5 * 5e3 * (grid - 0.15) ** 2 / (GAS_CONSTANT * 300.0))
    expected = -np.log(p[grid >= 0.15].sum() / p.sum())
    rest = -np.log(p[grid < 0.15].sum() / p.sum())
    found = result.free_energies["rest"]
    assert found.f_kT is not None
    error = found.stderr_kT or 0.05
    assert abs(found.f_kT - (rest - expected)) < 4 * max(error, 0.01)


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ("strategy={kind: metadynamics}", "system.pressure", "umbrella"),
        ("strategy={kind: flow_mcmc}", "system.pressure", "umbrella"),
        ("system.pressure=1", "system.pressure", "1 bar"),
        ("system.pressure=1 nm", "system.pressure", "1 bar"),
        ("cvs.d.atoms=[0, 2]", "cvs.d", "one molecule"),
    ],
)
def test_what_is_refused_at_constant_pressure(
    settings: str, path: str, words: str, tmp_path: Path
) -> None:
    given = dumbbells.write(tmp_path, "{kind: local}")
    with pytest.raises(CampaignError) as refusal:
        prepare(given, [settings], output_dir=tmp_path)
    told = {dotted(p.path): p.remedy for p in refusal.value.problems}
    assert any(where.startswith(path) and words in said for where, said in told.items()), told


def test_pressure_needs_a_box() -> None:
    said = refused({**AMBER99SB, "pressure": 1.0}, CONFIGS)
    assert dotted(said.path) == "system.pressure"
    assert "box" in said.remedy
