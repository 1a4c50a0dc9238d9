"""A campaign of transition paths as a user runs it, its exact strategy first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from paths_by_hand import FILE, QUICK
from small_campaigns import outcome, run_checked, stop_at

from msgen.orchestrator.reporting.paths_result import PATHS, read_paths
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.validate import Checked, load_campaign, prepare

NAME = "transition-paths-double-well"
TINY = (
    *QUICK,
    "strategy.free_energies={kind: local, local: {kind: hmc, steps: 5}, replicas: 16}",
    "strategy.shots=2",
    "strategy.rounds=3",
    "replicas=16",
    "converge.unseen=null",
    "output.tensorboard=false",
    "budget.rounds=20",
)


def checked(where: Path) -> Checked:
    return prepare(FILE, TINY, output_dir=where)


@pytest.mark.slow
def test_rates_lie_beside_the_exact_result_and_a_stop_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_checked(checked(tmp_path / "whole")) == "exhausted"
    whole = tmp_path / "whole" / NAME
    first, mine = (
        json.loads((folder / "results" / "free_energy.json").read_text())
        for folder in (whole / "exact", whole)
    )
    assert mine["states"] == first["states"]
    told = read_paths(whole / "results")
    assert told.shots == 3 * 16 * 2
    assert (told.start, told.end, told.unit) == ("left", "right", "steps")
    assert mine["diagnostics"]["transition_paths"]["shots"] == told.shots
    page = (whole / "results" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Transition paths</h2>" in page
    for at in (12, 17):  # while the density is learnt, and in production
        where = tmp_path / f"stopped{at}"
        stop_at(checked(where), at, monkeypatch)
        assert run_checked(checked(where)) == "exhausted"
        assert outcome(where / NAME) == outcome(whole)
        assert read_paths(where / NAME / "results") == told
    (whole / "results" / PATHS).write_text("{")
    with pytest.raises(RunDirectoryError, match="damaged"):
        read_paths(whole / "results")


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        ("strategy.to=rigth", "strategy.to", "is no state that is named"),
        ("strategy.to=left", "strategy.to", "is where they begin"),
        ("strategy.local={kind: hmc}", "strategy.local.kind", "no dynamics in time"),
        ("strategy.local={kind: mala}", "strategy.local.step_size", "would be tuned"),
        ("strategy.local.steps=30", "strategy.local.steps", "are 4 frames"),
        ("replicas={min: 2, max: 8}", "replicas", "number is fixed"),
        ("model={kind: trajectory_diffusion}", "model.kind", "needs a density"),
        (
            "strategy.free_energies={kind: transition_paths, from: a, to: b, free_energies: x}",
            "strategy.free_energies.kind",
            "begins with a run itself",
        ),
    ],
)
def test_what_does_not_agree_is_told_where_it_stands(sets: str, where: str, what: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(FILE, (*QUICK, sets))
    told = {".".join(map(str, p.path)): p.problem for p in caught.value.problems}
    assert what in told[where]
