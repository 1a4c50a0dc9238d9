"""Campaigns of learned dynamics as a user runs them, beginning with a finished run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from double_well_paths import LEFT, RIGHT, potential
from places import CONFIGS
from small_campaigns import outcome, run_here

from msgen.orchestrator.commands.dynamics.runs import read_run
from msgen.orchestrator.reporting.dynamics_result import read_dynamics
from msgen.orchestrator.run_directory.inputs import inputs_of
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.strategies.dynamics.rules import shelf_problems
from msgen.orchestrator.validate import load_campaign, prepare

FILE = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
EXACT = CONFIGS / "papers" / "dynamics_diffusion_exact.yaml"
NAME = "dynamics-diffusion-double-well"
TINY = (
    "model={kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 60, steps: 14}",
    "model.learning_rate=0.02",
    "model.ema=0.9",
    "strategy.frames=16",
    "strategy.local.steps=40",
    "strategy.generate.free=64",
    "strategy.cycles=2",
    "replicas=16",
    "output.tensorboard=false",
)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Replicas that cross by themselves, over a barrier of 1.9 kT."""
    where = tmp_path_factory.mktemp("exact")
    sets = (
        "strategy={kind: local, local: {kind: hmc, steps: 5}}",
        "budget.rounds=8",
        "replicas=16",
        "converge.unseen=null",
        "output.tensorboard=false",
    )
    assert run_here(EXACT, where, *sets) == 3
    return where / "dynamics-diffusion-exact"


def from_run(exact: Path, *sets: str) -> tuple[str, ...]:
    return (*TINY, f"strategy.free_energies={exact}", *sets)


@pytest.fixture(scope="module")
def whole(exact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("whole")
    assert run_here(FILE, where, *from_run(exact)) == 3
    return where / NAME


def test_a_campaign_tells_what_its_model_makes_and_keeps_the_exact_result(
    exact: Path, whole: Path
) -> None:
    mine, theirs = (
        json.loads((folder / "results" / "free_energy.json").read_text())
        for folder in (whole, exact)
    )
    for part in ("surface", "states"):
        assert mine[part] == theirs[part]
    assert mine["status"] == "exhausted"
    assert mine["diagnostics"]["dynamics"]["cycles"] == 2
    told = read_dynamics(whole / "results")
    assert told.extent.reference is not None
    assert told.extent.reference.frames == 2 * 16 * 16
    assert "no free energy of them is exact" in told.notes[0]
    page = (whole / "results" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Dynamics</h2>" in page
    # stored replicas are trajectories with velocities, one a cycle, weighed by their starts
    data = read_run(whole)
    assert {len(path) for path in data.data.paths} == {16}
    assert len(data.data.paths) == 32
    assert not any("draws velocities anew" in note for note in data.notes)
    assert np.unique(np.concatenate(data.data.weights)).size > 1


@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_stopped_and_resumed_it_is_the_same(
    exact: Path, whole: Path, tmp_path: Path, at: int
) -> None:
    """After gathering half a cycle, and between fit and generation."""
    assert run_here(FILE, tmp_path, *from_run(exact, f"budget.rounds={at}")) == 3
    assert not (tmp_path / NAME / "results" / "dynamics.json").exists()
    assert run_here(FILE, tmp_path, *from_run(exact)) == 3
    assert outcome(tmp_path / NAME) == outcome(whole)
    again, before = (
        (folder / "results" / "dynamics.json").read_text() for folder in (tmp_path / NAME, whole)
    )
    assert again == before


def test_another_exact_run_is_another_campaign(exact: Path, whole: Path, tmp_path: Path) -> None:
    """What a run has committed is an input: it is refused where that is no longer what it was."""
    copy, mine = tmp_path / "copy", tmp_path / NAME
    shutil.copytree(exact, copy)
    shutil.copytree(whole, mine)
    campaign = load_campaign(FILE, from_run(exact))
    assert inputs_of(campaign.to_dict(), CONFIGS).keys() == {str(exact)}
    lines = (exact / "commits.jsonl").read_text().splitlines(keepends=True)
    try:
        (exact / "commits.jsonl").write_text("".join(lines[:-1]))
        with pytest.raises(CampaignError, match=f"the content of {exact} is not what it was"):
            prepare(FILE, from_run(exact), output_dir=tmp_path)
    finally:
        (exact / "commits.jsonl").write_text("".join(lines))
    prepare(FILE, from_run(exact), output_dir=tmp_path)


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        (("strategy.local={kind: hmc}",), "strategy.local.kind", "no dynamics in time"),
        (("states=null",), "states", "are missing"),
        (("replicas=11",), "replicas", "too few for 3 states"),
        (("replicas={min: 16, max: 32}",), "replicas", "their number is fixed here"),
        (("strategy.frames=8", "model.length=16"), "strategy.frames", "16 frames of a snippet"),
        (("model={kind: kde}",), "model.kind", "learns a density"),
        (("strategy.free_energies=nowhere",), "strategy.free_energies", "is no folder"),
        (("strategy.free_energies=.",), "strategy.free_energies", "is no run directory"),
        (("cvs.x.range=[-2, 2.5]",), "strategy.free_energies", "cvs.x.range was"),
        (("system.kT=1.5",), "strategy.free_energies", "system.kT was"),
        (("strategy.temperatures=[1.5]",), "replicas", "3 states (the rest is one) at 2"),
        (
            ("strategy.temperatures=[1.0]", "replicas=64"),
            "strategy.temperatures",
            "the system's own",
        ),
        (
            ("strategy.temperatures=[320 K]", "replicas=64"),
            "strategy.temperatures.0",
            "has no unit",
        ),
        (
            ("strategy.temperatures=[0.01]", "replicas=64"),
            "strategy.temperatures",
            "of its samples carry",
        ),
        (("strategy.begin=[lft]",), "strategy.begin.0", "is no state"),
        (("strategy.generate.temperature=1.2",), "strategy.generate.temperature", "more than one"),
        (
            ("strategy.generate.temperature=2", "strategy.temperatures=[1.5]", "replicas=64"),
            "strategy.generate.temperature.0",
            "outside what is gathered, 1 to 1.5",
        ),
        (("strategy.generate.length=[8, 17]",), "strategy.generate.length.1", "the 16 frames"),
        (("strategy.generate.length=2",), "strategy.generate.length", "no number of frames"),
        (
            ("strategy.generate.inpaint={from: left, to: righ, frames: 8}",),
            "strategy.generate.inpaint.to",
            "is no state",
        ),
        (
            ("strategy.generate.inpaint={from: left, to: left, frames: 8}",),
            "strategy.generate.inpaint.to",
            "where they begin",
        ),
        (
            ("strategy.generate.vary={path: nowhere.txt}",),
            "strategy.generate.vary.path",
            "cannot be read",
        ),
    ],
)
def test_what_cannot_be_used_is_said_once(
    exact: Path, sets: tuple[str, ...], where: str, what: str
) -> None:
    with pytest.raises(CampaignError) as caught:
        prepare(FILE, from_run(exact, *sets), output_dir=exact.parent / "none")
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem.path)) == where
    assert what in problem.problem


def test_walkers_in_files_are_refused() -> None:
    sets = (
        "strategy={kind: dynamics, free_energies: nowhere}",
        "model={kind: trajectory_diffusion}",
        "output.walkers=files",
    )
    campaign = load_campaign(CONFIGS / "alanine_dipeptide.yaml", sets)
    (problem,) = shelf_problems(campaign, 66)
    assert problem.path == ("output", "walkers")
    kept = load_campaign(CONFIGS / "alanine_dipeptide.yaml", sets[:-1])
    assert not shelf_problems(kept, 66)


def test_an_exact_run_without_configurations_or_an_end_is_refused(
    exact: Path, whole: Path, tmp_path: Path
) -> None:
    def told(folder: Path, *sets: str) -> str:
        with pytest.raises(CampaignError) as caught:
            prepare(FILE, from_run(folder, *sets), output_dir=tmp_path / "none")
        (problem,) = caught.value.problems
        return f"{problem.problem}: {problem.remedy}"

    assert "begins with another run" in told(whole)
    going_on = tmp_path / "going_on"
    shutil.copytree(exact, going_on)
    path = going_on / "results" / "free_energy.json"
    path.write_text(path.read_text().replace('"status": "exhausted"', '"status": "running"'))
    assert "is not finished" in told(going_on)
    # with x alone a sample is no configuration
    one = tmp_path / "one"
    sets = ("strategy={kind: local, local: {kind: hmc, steps: 5}}", "budget.rounds=6",
            "replicas=4", "converge.unseen=null", "output.tensorboard=false")  # fmt: skip
    file = tmp_path / "x.yaml"
    text = EXACT.read_text()
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("  y:")))
    assert run_here(file, one, *sets) == 3
    mine = tmp_path / "mine.yaml"
    text = FILE.read_text()
    mine.write_text("\n".join(line for line in text.splitlines() if not line.startswith("  y:")))
    with pytest.raises(CampaignError, match="every coordinate as a CV"):
        prepare(mine, from_run(one / "dynamics-diffusion-exact"), output_dir=tmp_path / "none")


@pytest.mark.slow
def test_all_that_can_be_asked_for_is_told_and_the_same_after_a_stop(
    exact: Path, tmp_path: Path
) -> None:
    (tmp_path / "way.txt").write_text("\n".join(f"{x:.3f} 0" for x in np.linspace(-1, 1, 8)))
    sets = from_run(
        exact,
        "strategy.temperatures=[1.5]",
        "strategy.generate.temperature=[1.2, 1.5]",
        "strategy.generate.length=12",
        "strategy.generate.inpaint={from: left, to: right, frames: 8, paths: 16}",
        f"strategy.generate.vary={{path: {tmp_path / 'way.txt'}, noise: 0.3, paths: 8}}",
        "replicas=32",
        "strategy.cycles=1",
    )
    assert run_here(FILE, tmp_path / "a", *sets) == 3
    told = read_dynamics(tmp_path / "a" / NAME / "results")
    assert [one.what.partition(" /")[0] for one in told.made] == [
        "at kT = 1.2",
        "at kT = 1.5",
        "of 12 frames",
        "from left to right in 8 frames",
        "variations of",
    ]
    assert all(one.paths + one.broken > 0 for one in told.made)
    # trajectories at another temperature are no samples of this one
    assert len(read_run(tmp_path / "a" / NAME).data.paths) == 16
    assert run_here(FILE, tmp_path / "b", *sets, "budget.rounds=3") == 3
    assert run_here(FILE, tmp_path / "b", *sets) == 3
    assert outcome(tmp_path / "b" / NAME) == outcome(tmp_path / "a" / NAME)


@pytest.mark.slow
def test_the_double_well_is_learnt_from_both_wells(exact: Path, tmp_path: Path) -> None:
    """A small net, briefly trained: between chance and the published 0.17 kT, its wells right."""
    sets = (
        f"strategy.free_energies={exact}",
        "strategy.frames=128",
        "strategy.generate.free=512",
        "strategy.cycles=2",
        "model={kind: trajectory_diffusion, width: 16, length: 32, epochs: 60}",
        "replicas=128",
        "output.tensorboard=false",
    )
    assert run_here(FILE, tmp_path, *sets) == 3
    told = read_dynamics(tmp_path / NAME / "results")
    line = told.surfaces[0]
    assert line.difference is not None
    assert line.difference.rms_kT.value is not None
    assert line.difference.rms_kT.value < 1.0
    x = np.array(line.axes[0])
    f = np.array(line.f_kT, dtype=float)
    p = np.where(np.isfinite(f), np.exp(-f), 0.0)
    grid = np.linspace(-2, 2, 4001)
    true = np.exp(-potential(grid))
    true_left = true[grid < LEFT].sum() / (true[grid < LEFT].sum() + true[grid > RIGHT].sum())
    left = p[x < LEFT].sum() / (p[x < LEFT].sum() + p[x > RIGHT].sum())
    # populations of an hmc run of 8 rounds, and of a model
    assert abs(left - true_left) < 0.15
