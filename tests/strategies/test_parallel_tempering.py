"""Parallel tempering: exchanges are exact, ladders are placed and frozen, errors are honest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torsion_molecule
from driving import Drive, same
from exact_populations import exact_state_probability, exact_surface
from places import CONFIGS

from msgen.actors.base import decode, encode
from msgen.actors.engines.openmm_velocities import Starter
from msgen.actors.engines.tempered_base import HeatedTarget, heated_masses
from msgen.actors.engines.tempered_openmm import HeatedMolecule
from msgen.actors.kernels.base import BoltzmannTarget, log_uniform
from msgen.actors.kernels.exchange import exchange_temperatures
from msgen.actors.kernels.hmc import Hmc
from msgen.orchestrator.cli import main, main_run
from msgen.orchestrator.dry_run import plan
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.strategies.parallel_tempering import strategy
from msgen.orchestrator.strategies.parallel_tempering.ladder import (
    GOAL,
    acceptance,
    first_ladder,
    place,
)
from msgen.orchestrator.strategies.parallel_tempering.orders import pieces
from msgen.orchestrator.strategies.parallel_tempering.production import LadderProduction
from msgen.orchestrator.validate import check, load_campaign
from msgen.systems.base import Walkers

WELL = (
    "strategy={kind: parallel_tempering, local: {kind: hmc, steps: 10}}",
    "replicas=8",
    "converge={state_error: 0.1 kT, surface_error: 0.3 kT, below: 6 kT, ess: 100, r_hat: 1.1}",
)
PT = "{kind: parallel_tempering, highest: 900 K, local: {kind: langevin, steps: 100}}"


def sweep(n: int, sign: float) -> float:
    """Mean energy at the lower temperature after one sweep over exact samples, in σ off."""
    rng = np.random.default_rng(5)
    dof, tau = 6, np.array([1.0, 1.6])
    energy = tau * rng.gamma(dof / 2, size=(n, 2))
    after = np.empty(n)
    log_u = log_uniform(rng, n)
    pair = np.array([[0, 1]])
    for i in range(n):
        order, _ = exchange_temperatures(tau**sign, energy[i], pair, log_u[i : i + 1])
        after[i] = energy[i, order[0]]
    return float((after.mean() - dof / 2) / (after.std() / np.sqrt(n)))


def test_exchange_leaves_every_temperature_as_it_was_and_a_turned_sign_does_not() -> None:
    assert abs(sweep(20_000, 1.0)) < 4
    assert abs(sweep(20_000, -1.0)) > 20


def test_an_energy_that_is_not_finite_is_never_exchanged() -> None:
    tau, pair = np.array([1.0, 2.0]), np.array([[0, 1]])
    for bad in (np.nan, np.inf, -np.inf):
        order, yes = exchange_temperatures(tau, np.array([bad, 1.0]), pair, np.array([-50.0]))
        assert not yes[0]
        assert order.tolist() == [0, 1]


def test_one_kernel_moves_all_rows_each_at_its_temperature() -> None:
    """⟨U⟩ = D τ/2 of a harmonic well, one batch for all temperatures; 4 sigma."""
    drive = Drive.of("double_well", *WELL)
    system = drive.system

    class Well:
        kT, n_dof, masses = 1.0, 2, np.ones(2)

        def energy(self, w: Walkers) -> np.ndarray:
            return 0.5 * (w.positions**2).sum(axis=1)

        def energy_and_force(self, w: Walkers) -> tuple[np.ndarray, np.ndarray]:
            return self.energy(w), -w.positions

    assert system.n_dof == 2
    well: Any = Well()
    tau = np.repeat([1.0, 3.0, 9.0], 400)
    step = np.repeat([0.3, 0.2, 0.4], 400)
    rng = np.random.default_rng(2)
    kernel = Hmc(0.3, 5, heated_masses("hmc", well.masses, tau, step), 1.0, jitter=0.2)
    target = HeatedTarget(BoltzmannTarget(well), tau)
    x, energies = Walkers(np.zeros((1200, 2))), []
    for _ in range(12):
        x = kernel(target, x, rng, n_steps=10).walkers
        energies.append(well.energy(x))
    u = np.array(energies[2:]).reshape(10, 3, 400)
    for k, t in enumerate((1.0, 3.0, 9.0)):
        error = t / np.sqrt(u[:, k].size / 2)
        assert abs(u[:, k].mean() - t) < 4 * error


def kinetic(folder: Path) -> np.ndarray:
    """Kinetic energy of two rows at 300 and 900 K right after an exchange, in their own kT/2."""
    drive = Drive.of(torsion_molecule.write(folder, PT))
    tau, rng = np.array([1.0, 3.0]), np.random.default_rng(8)
    context = vars(drive.worker)["_context"]
    start = context.system.initial()
    both = Walkers(np.repeat(start.positions, 2, axis=0))
    found = []
    for _ in range(150):
        engine = HeatedMolecule(context, both, tau, rng)
        engine.exchange(np.array([1, 0]))
        v = np.asarray(engine.walkers().velocities)
        found.append((context.system.masses * v**2).sum(axis=1) / context.system.kT / tau)
    return np.mean(found, axis=0) / 12


def test_velocities_take_the_temperature_they_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 12 degrees of freedom: a relative error of √(2/12/150) = .033
    assert np.abs(kinetic(tmp_path) - 1.0).max() < 0.13
    monkeypatch.setattr(Starter, "rescaled", lambda _self, one, _scale: one)
    wrong = kinetic(tmp_path)
    assert wrong[0] > 2
    assert wrong[1] < 0.5


def test_temperatures_are_placed_for_equal_acceptance() -> None:
    tau = first_ladder(60, 4.0, None)
    gaps = (1 / tau[:-1] - 1 / tau[1:]) * 30 * np.diff(tau)
    assert tau[0] == 1.0
    assert tau[-1] == pytest.approx(4.0)
    assert acceptance(gaps).min() > GOAL
    # one temperature fewer would not do
    fewer = first_ladder(60, 4.0, len(tau) - 1)
    gap = (1 / fewer[0] - 1 / fewer[1]) * 30 * (fewer[1] - fewer[0])
    assert acceptance(gap) < GOAL
    # where energies rise steeply temperatures are close
    steep = np.where(tau > 2, 30 * tau + 200 * (tau - 2), 30 * tau)
    placed = place(tau, steep, 12)
    assert np.ptp(np.diff(np.log(placed))) > 0.05
    assert np.diff(np.log(placed[placed < 2])).min() > np.diff(np.log(placed[placed > 2])).mean()
    # flat energies: any ladder exchanges
    assert place(tau, np.zeros(len(tau)), 5) == pytest.approx(np.geomspace(1, 4, 5))


def test_borders_of_orders_move() -> None:
    for turn in (0, 1):
        assert np.concatenate(pieces(30, 12, turn)).tolist() == list(range(30))
    borders = [{int(p[0]) for p in pieces(30, 12, turn)} - {0} for turn in (0, 1)]
    assert not borders[0] & borders[1]
    assert max(len(p) for turn in (0, 1) for p in pieces(30, 12, turn)) <= 12
    assert len(pieces(12, 12, 1)) == 1


def test_a_double_well() -> None:
    drive = Drive.of("double_well", *WELL)
    found = drive.converge(most=40)
    left = exact_state_probability(drive.system, drive.cvs, {"x": (-2.0, 0.0)})
    value = found.states["rest"]
    assert value.f_kT is not None
    assert value.stderr_kT is not None
    assert abs(value.f_kT - np.log(left / (1 - left))) < 4 * value.stderr_kT
    exact = exact_surface(drive.system, drive.cvs, drive.problem.grid.edges, 1800)
    low = (exact < 6) & np.isfinite(found.f_kT)
    off = (found.f_kT - exact)[low]
    off -= np.average(off, weights=found.stderr_kT[low] ** -2.0)
    # 30 bins of 8 ladders
    assert (np.abs(off) / found.stderr_kT[low]).max() < 6
    assert found.diagnostics["round_trips"] >= 10
    assert min(found.diagnostics["overlap"].values()) > 0.2
    assert set(found.diagnostics["acceptance"]) == {"local", "exchange"}
    production = drive.state.produced
    assert same(encode(decode(LadderProduction, encode(production))), encode(production))


def test_all_is_frozen_in_production_and_what_is_evaluated_is_counted() -> None:
    drive = Drive.of("double_well", *WELL, "replicas=3").until("produce")
    frozen = drive.state.tau, [t.step for t in drive.state.steps]
    system, seen = vars(drive.worker)["_context"].system, [0]

    def counting(method: Any) -> Any:
        def call(walkers: Walkers) -> Any:
            seen[0] += len(walkers)
            return method(walkers)

        return call

    system.energy = counting(system.energy)
    system.energy_and_force = counting(system.energy_and_force)
    for _ in range(2):
        drive.step()
    assert np.array_equal(drive.state.tau, frozen[0])
    assert [t.step for t in drive.state.steps] == frozen[1]
    assert sum(s.evaluations for step in drive.steps[-2:] for s in step.segments) == seen[0]


def test_states_are_found_where_none_are_named() -> None:
    drive = Drive.of("double_well", *WELL, "replicas=4", "states=null").produce(1)
    assert len(drive.strategy.estimate(drive.state).states) == 2


@pytest.mark.parametrize("change", [-1, 1])
def test_states_are_found_by_the_temperatures_that_there_are(
    change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placing them may change their number, as it does of most molecules."""

    def other(tau: np.ndarray, energy: np.ndarray, number: int | None) -> np.ndarray:
        return np.geomspace(1.0, tau[-1], len(tau) + change)

    monkeypatch.setattr(strategy, "place", other)
    drive = Drive.of("double_well", *WELL, "strategy.temperatures=auto", "strategy.highest=6",
                     "states=null")  # fmt: skip
    before = len(drive.state.tau)
    drive.until("produce")
    assert len(drive.state.tau) == before + 2 * change
    assert len(drive.state.states) == 2


@pytest.mark.parametrize("platform", ["Reference", pytest.param("CPU", marks=pytest.mark.slow)])
def test_a_molecule(tmp_path: Path, platform: str) -> None:
    """The known torsion; temperatures in K, velocities of their own, one Context."""
    config = torsion_molecule.write(tmp_path, PT, "replicas: 4", platform=platform)
    drive = Drive.of(config).produce(3)
    found = drive.strategy.estimate(drive.state)
    value = found.states["rest"]
    assert value.f_kT is not None
    assert value.stderr_kT is not None
    assert abs(value.f_kT - torsion_molecule.exact_upper()) < 4 * value.stderr_kT
    assert found.diagnostics["tempering"]["temperatures"][0] == "300 K"
    assert found.diagnostics["tempering"]["temperatures"][-1] == "900 K"
    exchanged = [s for step in drive.steps for s in step.segments]
    assert all("velocities" in s.carry["walkers"] for s in exchanged)


@pytest.mark.parametrize("molecular", [False, True])
def test_a_campaign_goes_on_bit_for_bit(tmp_path: Path, molecular: bool) -> None:
    file = str(CONFIGS / "double_well.yaml")
    extra = [*WELL, "output.tensorboard=false", "converge.state_error=0.0001 kT"]
    extra += ["budget.wall=1 h"]
    if molecular:
        file = torsion_molecule.write(tmp_path, PT) + ".yaml"
        extra = ["replicas=2", "strategy.local.steps=20", "output.stride=10"]
    sets = [a for text in extra for a in ("--set", text)]

    def run(where: str, rounds: int) -> None:
        limit = ["--set", f"budget.rounds={rounds}"]
        assert main_run([file, "--output-dir", str(tmp_path / where), *sets, *limit]) == 3

    run("whole", 10)
    for rounds in (9, 10):
        run("parts", rounds)
    stores = [Store(next((tmp_path / w).glob("*/store.zarr"))) for w in ("whole", "parts")]
    assert stores[0].names() == stores[1].names()
    for name in stores[0].names():
        assert np.array_equal(*(s.read(name) for s in stores), equal_nan=True)
    assert main(["export", str(next((tmp_path / "whole").iterdir()))]) == 0
    weights = np.load(next((tmp_path / "whole").glob("*/results/samples.npz")))["weight"]
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_errors_cover() -> None:
    """40 campaigns of known answer: |z| < 1 for 51 to 85 %, < 1.96 for 85 % or more (3σ)."""
    z = []
    for seed in range(40):
        drive = Drive.of("double_well", *WELL, f"seed={seed}").produce(6)
        left = exact_state_probability(drive.system, drive.cvs, {"x": (-2.0, 0.0)})
        value = drive.strategy.estimate(drive.state).states["rest"]
        assert value.f_kT is not None
        assert value.stderr_kT is not None
        z.append((value.f_kT - np.log(left / (1 - left))) / value.stderr_kT)
    inside = [float(np.mean(np.abs(z) < level)) for level in (1.0, 1.96)]
    assert 0.46 < inside[0] < 0.90
    assert inside[1] > 0.85


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("{kind: parallel_tempering}", "8 ladders, temperatures: as many as exchange well"),
        ("{kind: parallel_tempering, temperatures: 5, highest: 4}", "5 from 1 kT to 4 kT"),
        ("{kind: parallel_tempering, temperatures: [1, 2.5]}", "1 kT, 2.5 kT"),
    ],
)
def test_the_plan_says_which_temperatures(strategy: str, says: str) -> None:
    config = CONFIGS / "examples" / "double_well_tempering.yaml"
    text = plan(check(load_campaign(config, [f"strategy={strategy}", "replicas=8"]), config.parent))
    assert says in text
    assert "at each temperature" in text
