"""What a campaign takes at the least: never more than it takes, and budgets below it are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import CONFIGS
from small_campaigns import DRAWS, FLOW, HILLS, PAIR, PRODUCES, SMALL, TEMPERING, WINDOWS, run_name

import msgen
from msgen.orchestrator.forecast import Forecast, Least
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.validate import prepare


def least_of(name: str, *sets: str) -> Least:
    checked = prepare(CONFIGS / f"{name}.yaml", (*SMALL[name], *sets), output_dir=None)
    return Least.of(checked.campaign)


def test_a_steered_campaign_by_hand() -> None:
    least = least_of("double_well")
    # 64 pushes of 250 steps and 500 free moves of 10 leapfrog steps each
    assert least.search == 64 * (250 + 500 * 10)
    assert least.stretch == 16 * 5 * 10
    assert least.first_estimate == least.search + 7 * least.stretch
    assert least.converged == least.search + 10 * least.stretch
    assert least.rounds == 1 + 6 + 4


def test_windows_and_temperatures_multiply() -> None:
    assert least_of(WINDOWS).stretch == 2 * least_of(WINDOWS, "strategy.windows={z1: 4}").stretch
    four = least_of(TEMPERING, "strategy.temperatures=4")
    assert four.stretch == 2 * least_of(TEMPERING).stretch


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("budget.energy_evaluations=100000", "budget.energy_evaluations 100,000 is below"),
        ("budget.rounds=5", "budget.rounds 5 ends before"),
        ("budget.wall=1 s", "budget.wall 1 s is below"),
    ],
)
def test_a_budget_below_it_is_told(setting: str, field: str) -> None:
    checked = prepare(CONFIGS / "double_well.yaml", (*SMALL["double_well"], setting))
    slow = 1e-3  # seconds an evaluation
    (told,) = Forecast(checked.campaign, Least.of(checked.campaign), slow, 1).warnings()
    assert field in told
    assert "give more" in told


def test_a_budget_that_is_enough_draws_no_warning_and_a_dry_run_tells_the_first_result() -> None:
    checked = prepare(CONFIGS / "double_well.yaml")
    told = Forecast.of(checked)
    assert not told.warnings()
    assert told.first_result.startswith("not before 380.8k energy evaluations, ")
    assert "on 1 worker at" in told.first_result


def test_a_campaign_says_it_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = (*SMALL["double_well"], "budget.rounds=1", "strategy.explore.pushes=2")
    msgen.run(CONFIGS / "double_well.yaml", output_dir=tmp_path, overrides=sets, executor="inline")
    said = capsys.readouterr().err
    assert "warning: budget.rounds 1 ends before" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["double_well", WINDOWS, DRAWS, PAIR, FLOW, TEMPERING, HILLS])
def test_no_campaign_is_quicker_than_its_least(name: str, tmp_path: Path) -> None:
    sets = (*SMALL[name], PRODUCES[name])
    msgen.run(
        CONFIGS / f"{name}.yaml", output_dir=tmp_path, overrides=sets, executor="inline", quiet=True
    )
    rounds = read_history(tmp_path / run_name(name))
    produced = [row for row in rounds if row.phase == "produce"]
    assert produced, "no round of production: nothing was tested"
    least = least_of(name)
    assert produced[0].energy_evaluations >= least.first_estimate
    assert produced[0].round >= least.rounds - 4
    # and it is no idle bound
    assert produced[0].energy_evaluations < 20 * least.first_estimate
