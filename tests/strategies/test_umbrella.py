"""The umbrella strategy stepped by hand, and run as a campaign: exact, honest, frozen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coverage_cases import umbrella as umbrella_case
from coverage_cases.chains import HALVES
from driving import Drive, same
from exact_populations import exact_state_probability, exact_surface

from msgen.actors.base import encode
from msgen.actors.configurations.seed_relaxation import Seeds
from msgen.actors.roles import window_seeder as seeder
from msgen.orchestrator.cli import main
from msgen.orchestrator.strategies.common import step_size
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.schema import SETTLE

SMALL = (
    "strategy={kind: umbrella, windows: {x: 12}, seeds: neighbour, relax: 200}",
    "strategy.local={kind: mala, steps: 40}",
    "output.stride=4",
    "replicas=4",
    "converge={state_error: 0.15 kT, surface_error: 0.3 kT, below: 6 kT, ess: 30, r_hat: 1.1}",
    "converge.round_trips=2",
)
MODEL = (
    "strategy={kind: umbrella, windows: {x: 8}, width: {x: 0.25}, relax: 80, turns: 1}",
    "strategy.training={steps: 800}",
    "model={kind: score, layers: 3, width: 32, epochs: 60}",
    *SMALL[1:],
)


def exact_right(drive: Drive) -> float:
    """F(rest) − F(left) in kT."""
    left = exact_state_probability(drive.system, drive.cvs, {"x": (-2.0, 0.0)})
    return float(np.log(left / (1.0 - left)))


@pytest.mark.slow
def test_a_double_well_by_neighbours() -> None:
    drive = Drive.of("double_well", *SMALL)
    found = drive.converge(most=40)
    value = found.states["rest"]
    assert value.f_kT is not None
    assert value.stderr_kT is not None
    assert abs(value.f_kT - exact_right(drive)) < 4 * value.stderr_kT
    # 1,800 points: a whole number of them in every bin
    exact = exact_surface(drive.system, drive.cvs, drive.problem.grid.edges, 1800)
    low = (exact < 6) & np.isfinite(found.f_kT)
    off = (found.f_kT - exact)[low]
    off -= np.average(off, weights=found.stderr_kT[low] ** -2.0)
    # 30 bins, correlated by the windows they share
    assert (np.abs(off) / found.stderr_kT[low]).max() < 5
    assert found.diagnostics["round_trips"] >= 2
    assert set(found.diagnostics["acceptance"]) == {"local", "exchange"}


def last_acceptance(drive: Drive) -> float:
    """Of local moves in the round after which production began."""
    segments = drive.until("produce").steps[-1].segments
    accepted, proposed = (
        sum(s.counts[f"local_{what}"] for s in segments) for what in ("accepted", "proposed")
    )
    return float(accepted / proposed)


def test_production_waits_for_moves_that_lead_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that begins far too short; the twin freezes it after two rounds."""
    monkeypatch.setattr(step_size, "first_step", lambda kind, timestep: 1e-6)
    drive = Drive.of("double_well", *SMALL)
    assert abs(last_acceptance(drive) - step_size.MALA_ACCEPTANCE) <= step_size.NEAR
    assert drive.state.adapt < 16
    monkeypatch.setattr(step_size.LocalMoves, "tuned", lambda moves, segments: True)
    twin = Drive.of("double_well", *SMALL)
    assert last_acceptance(twin) > step_size.MALA_ACCEPTANCE + step_size.NEAR
    assert twin.state.adapt < drive.state.adapt


def test_a_gap_is_named_and_nothing_is_called_converged() -> None:
    few = ("strategy.windows={x: 5}", "strategy.width={x: 0.06}")
    drive = Drive.of("double_well", *SMALL, *few).produce(3)
    found = drive.strategy.estimate(drive.state)
    assert not found.converged
    assert found.unmet[0].startswith("windows x = ")
    assert "overlap 0.0" in found.unmet[0]
    assert len(drive.state.windows.centres) == 5


def test_auto_puts_windows_into_the_gaps() -> None:
    """12 windows of σ 0.06 over a range of 4 do not overlap; with more of them they do."""
    drive = Drive.of(
        "double_well", *SMALL, "strategy.windows=auto", "strategy.width={x: 0.06}"
    ).produce(2)
    assert len(drive.state.windows.centres) > 20
    found = drive.strategy.estimate(drive.state)
    assert not any("overlap" in u for u in found.unmet)
    grown = [s for s in drive.steps if s.plan.orders[0].kind == "seed"]
    assert len(grown) >= 2
    # those that were there keep their walkers
    later = grown[1]
    assert len(later.plan.orders[0].payload["window"]) < len(later.after.windows.centres)


def test_a_model_seeds_moves_and_is_frozen() -> None:
    drive = Drive.of("double_well", *MODEL).produce(2)
    seeding = drive.state.seeding
    assert seeding["seeds_drawn"] >= seeding["windows"]
    assert seeding["windows"] == 2 * 4 * 8
    assert drive.state.turns == 1
    made = [s for s in drive.steps if s.before.phase == "produce"]
    versions = {o.model_version for s in made for o in s.plan.orders}
    assert versions == {drive.state.version}
    assert not any(s.plan.fits for s in made)
    assert sum(x.counts["global_proposed"] for s in made for x in s.segments) > 0
    # nothing counts before the walkers have settled
    settled = [
        s for s in drive.steps if s.plan.phase == "adapt" and s.plan.orders[0].kind != "seed"
    ]
    assert len(settled) >= SETTLE
    assert drive.state.produced.rounds == 2


def test_windows_whose_seeds_break_take_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    real = seeder.settle

    def broken(*args: object, **options: object) -> Seeds:
        done: Seeds = real(*args, **options)  # type: ignore[arg-type]
        far = np.asarray(args[3])[:, 0] > 0.6  # type: ignore[index]
        reasons = tuple("energy" if f else r for f, r in zip(far, done.reasons, strict=True))
        return Seeds(done.walkers, reasons)

    monkeypatch.setattr(seeder, "settle", broken)
    drive = Drive.of("double_well", *MODEL, "strategy.turns=0").produce(1)
    seeding = drive.state.seeding
    assert seeding["from_neighbour"] == 4 * 3
    assert seeding["refused_energy"] >= 4 * 3 * seeder.TRIES
    found = drive.strategy.estimate(drive.state)
    # three windows hold walkers that descend from one start
    assert any("descend from one start" in u for u in found.unmet)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    one, two = (Drive.of("double_well", *MODEL).produce(1) for _ in range(2))
    assert same(encode(one.state), encode(two.state))
    other = Drive.of("double_well", *MODEL, "seed=2").produce(1)
    assert not same(one.state.xi, other.state.xi)


def test_walkers_that_never_exchange_and_have_one_origin_prove_nothing() -> None:
    drive = Drive.of("double_well", *SMALL, "strategy.exchange=off").produce(1)
    found = drive.strategy.estimate(drive.state)
    assert any("agreement proves nothing" in u for u in found.unmet)
    assert not found.converged


def test_effort_goes_where_the_error_comes_from() -> None:
    drive = Drive.of("double_well", *SMALL).produce(4)
    production = drive.state.produced
    shares = production.shares(drive.problem)
    assert shares.shape == (12,)
    assert shares.min() >= 1.0
    # the windows about the barrier and the wells, not those on the walls
    centres = production.windows.centres[:, 0]
    assert shares[np.abs(centres) < 1.3].mean() > shares[np.abs(centres) > 1.5].mean()
    chunks = drive.strategy.decide(drive.state).orders[0].payload["chunks"]
    assert len(set(chunks.tolist())) > 1


def test_as_a_campaign_with_weights_to_export(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "name: windows",
            "seed: 3",
            "executor: inline",
            "system: {kind: double_well}",
            "cvs: {x: {kind: coordinate, index: 0, range: [-2, 2], bins: 30}}",
            "states: {left: {x: [-2, 0]}}",
            "strategy: {kind: umbrella, windows: {x: 12}, seeds: neighbour, relax: 200,",
            "           local: {kind: mala, steps: 20}}",
            "budget: {rounds: 8}",
        ]
    )
    path = tmp_path / "windows.yaml"
    path.write_text(text + "\n")
    assert main(["run", str(path), "--output-dir", str(tmp_path / "runs")]) == 3
    run_dir = tmp_path / "runs" / "windows"
    result = json.loads((run_dir / "results" / "free_energy.json").read_text())
    windows = result["diagnostics"]["umbrella"]
    assert len(windows["f_kT"]) == len(windows["centres"]) == len(windows["kappa"]) >= 12
    assert main(["export", str(run_dir)]) == 0
    with np.load(run_dir / "results" / "samples.npz") as samples:
        x, weight = samples["cvs"][:, 0], samples["weight"]
    assert weight.sum() == pytest.approx(1.0)
    f = float(np.log(weight[x < 0].sum() / weight[x >= 0].sum()))
    told = result["states"]["rest"]
    # the same samples, weighed one by one in place of by cell
    assert f == pytest.approx(told["f_kT"], abs=0.1)


def test_a_run_begun_when_other_things_were_watched_watches_anew() -> None:
    """All its samples count, and nothing is said of walkers until there are readings again."""
    made = umbrella_case.problem(umbrella_case.ASKED, 4, exchange=False)
    windows = umbrella_case.windows_of(made)
    sampler = umbrella_case.Sampler(np.random.default_rng(3), windows, 4, 5.0)
    produced = WindowProduction.start(made, windows, 4)
    for _ in range(4):
        produced = produced.with_round(made, sampler.round(100))
    samples = produced.samples
    old = replace(produced.mixing, names=("x", "x0"), circular=np.zeros(2, dtype=bool),
                  series=np.concatenate([produced.mixing.series] * 2, axis=-1))  # fmt: skip
    for n in (4, 200):
        again = replace(produced, mixing=old).with_round(made, sampler.round(n))
        assert again.mixing.names == produced.mixing.names
        assert again.mixing.readings == n
        assert again.samples.sum() == samples.sum() + 16 * n
    few = replace(produced, mixing=old).with_round(made, sampler.round(4))
    said = few.estimate(made, HALVES, {}, {}, True)
    assert not said.converged
    assert any("too few readings" in text for text in said.unmet)
