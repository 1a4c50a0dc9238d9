"""Campaigns of learned dynamics that run their exact strategy themselves, in the same directory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from places import CONFIGS
from small_campaigns import outcome, run_checked, stop_at

from msgen.orchestrator.commands.dynamics.runs import read_run
from msgen.orchestrator.forecast import Least
from msgen.orchestrator.reporting.dynamics_result import read_dynamics
from msgen.orchestrator.reporting.status import status
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.validate import Checked, load_campaign, prepare

FILE = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
NAME = "dynamics-diffusion-double-well"
LOCAL = "{kind: local, local: {kind: hmc, steps: 5}, replicas: 12}"
TINY = (
    f"strategy.free_energies={LOCAL}",
    "model={kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 60, steps: 14}",
    "model.learning_rate=0.02",
    "model.ema=0.9",
    "strategy.frames=16",
    "strategy.local.steps=40",
    "strategy.generate.free=64",
    "strategy.cycles=1",
    "replicas=16",
    "converge.unseen=null",
    "output.tensorboard=false",
    "budget.rounds=16",
)


def checked(where: Path, *sets: str) -> Checked:
    return prepare(FILE, (*TINY, *sets), output_dir=where)


def test_the_exact_campaign_is_of_the_same_system_with_sections_of_its_own() -> None:
    campaign = load_campaign(FILE, TINY)
    first = campaign.strategy.first(campaign)
    assert first is not None
    assert first.strategy.kind == "local"
    assert (first.first_replicas, campaign.first_replicas) == (12, 16)
    assert first.model.kind == "spline_flow"
    assert (first.system, first.cvs, first.states) == (
        campaign.system, campaign.cvs, campaign.states,
    )  # fmt: skip
    # half of what may be spent, so that something is left to learn with
    assert first.budget.rounds == 8
    assert first.budget.energy_evaluations == campaign.budget.energy_evaluations // 2
    assert first.output.stride == "auto"
    after = campaign.strategy.after_first(campaign, Path("there"))
    assert after.strategy.begins_with == (("strategy", "free_energies"), "there")
    assert after.strategy.first(after) is None
    # what is written reads back as the same
    assert type(campaign).parse(campaign.to_dict()) == campaign


def test_a_forecast_tells_of_cycles_and_of_the_exact_strategy_before() -> None:
    alone = load_campaign(FILE, (*TINY, "strategy.free_energies=runs/there", "strategy.cycles=9"))
    least = Least.of(alone)
    # 16 trajectories of 16 frames, 5 steps apart, a cycle; three of two orders, a fit, a judgement
    assert least.first_estimate == 16 * 16 * 5
    assert least.converged == 3 * least.first_estimate
    assert least.rounds == 3 * (2 + 2)
    nested = load_campaign(FILE, (*TINY, "strategy.cycles=9"))
    first = nested.strategy.first(nested)
    assert first is not None
    own, both = Least.of(first), Least.of(nested)
    assert both.search == own.first_estimate > 0
    assert both.converged == own.first_estimate + least.converged
    assert both.rounds == least.rounds + own.rounds - own.production + 1


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        (("strategy.free_energies={kind: stered}",), "kind", "unknown"),
        (("strategy.free_energies={kind: steered, brod: 1}",), "brod", "unknown"),
        (("strategy.free_energies={kind: steered, replicas: 0}",), "replicas", "or equal to 1"),
        (("strategy.free_energies={kind: steered, model: {kind: kdee}}",), "model.kind", "unknown"),
        (("strategy.free_energies={kind: dynamics, free_energies: x}",), "kind", "begins with"),
        (("strategy.free_energies={local: 3}",), "", "no run directory and no strategy"),
    ],
)
def test_what_is_wrong_with_it_is_told_where_it_stands(
    sets: tuple[str, ...], where: str, what: str
) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(FILE, (*TINY, *sets))
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem.path)) == f"strategy.free_energies.{where}".rstrip(".")
    assert what in problem.problem


def test_coordinates_that_are_no_cvs_are_missed_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    lines = FILE.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if not line.startswith("  y:")))
    with pytest.raises(CampaignError, match="keeps no configurations"):
        prepare(file, TINY, output_dir=tmp_path)


@pytest.mark.slow
def test_one_directory_holds_both_and_a_stop_anywhere_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_checked(checked(tmp_path / "whole")) == "exhausted"
    whole = tmp_path / "whole" / NAME
    first = json.loads((whole / "exact" / "results" / "free_energy.json").read_text())
    found = json.loads((whole / "results" / "free_energy.json").read_text())
    assert found["states"] == first["states"]
    assert found["cost"]["rounds"] == 8 + 4
    gathered = 16 * 16 * 5
    spent = found["cost"]["energy_evaluations"] - first["cost"]["energy_evaluations"]
    assert gathered <= spent <= 1.2 * gathered  # a force at the beginning of every frame
    told = read_dynamics(whole / "results")

    for at in (3, 8, 10):  # inside the exact strategy, at its end, inside a cycle
        where = tmp_path / f"stopped{at}"
        stop_at(checked(where), at, monkeypatch)
        if at == 3:
            assert "runs another strategy first" in status(where / NAME)
        assert run_checked(checked(where)) == "exhausted"
        for folder in ("", "exact"):
            assert outcome(where / NAME / folder) == outcome(whole / folder)
        assert read_dynamics(where / NAME / "results") == told
        again = json.loads((where / NAME / "results" / "free_energy.json").read_text())
        assert again["cost"]["energy_evaluations"] == found["cost"]["energy_evaluations"]


@pytest.mark.slow
def test_a_molecule_is_followed_from_what_its_own_exact_strategy_kept(tmp_path: Path) -> None:
    """Alanine dipeptide in vacuum, with trajectories at another temperature beside its own."""
    sets = (
        "strategy={kind: dynamics, cycles: 1, frames: 12, generate: {free: 64}}",
        "strategy.local={kind: langevin, steps: 60}",
        "strategy.free_energies={kind: local, replicas: 6, local: {kind: langevin, steps: 200}}",
        "strategy.temperatures=[330 K]",
        "states={upper: {psi: [0 deg, 90 deg]}}",
        "model={kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 40}",
        "replicas=16",
        "output.stride=10",
        "output.tensorboard=false",
        "converge.unseen=null",
        "budget.rounds=60",
        "system.platform=Reference",
        "executor=inline",
    )
    what = prepare(CONFIGS / "alanine_dipeptide.yaml", sets, output_dir=tmp_path)
    assert run_checked(what) == "exhausted"
    assert what.run_dir is not None
    found = json.loads((what.run_dir / "results" / "free_energy.json").read_text())
    assert found["diagnostics"]["dynamics"]["gathered_frames"] == 16 * 12
    assert found["diagnostics"]["dynamics"]["lost"] == 0
    data = read_run(what.run_dir).data
    assert data.unit == "ps"
    assert len(data.paths) == 8  # those at 330 K are no samples of this temperature
    # frames 20 fs apart: no torsion turns by more than a fraction of a radian in one
    turns = [np.diff(np.unwrap(path, axis=0), axis=0) for path in data.paths]
    assert np.abs(np.concatenate(turns)).max() < 0.7
