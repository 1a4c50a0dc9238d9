"""Campaigns whose model is one of steps: butane's carbons, from a finished run to what is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from places import CONFIGS
from small_campaigns import outcome, run_here

from msgen.orchestrator.commands.dynamics.runs import read_run
from msgen.orchestrator.reporting.dynamics_result import read_dynamics
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.strategies.dynamics.step_rules import step_checks
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system

FILE = CONFIGS / "papers" / "score_dynamics_butane.yaml"
EXACT = CONFIGS / "papers" / "score_dynamics_butane_exact.yaml"
NAME = "score-dynamics-butane"
TINY = (
    "model={kind: step_diffusion, atoms: heavy, width: 16, layers: 2, epochs: 200, steps: 4}",
    "system.platform=Reference",
    "strategy.frames=10",
    "strategy.local.steps=500",
    "strategy.generate.free=64",
    "strategy.cycles=2",
    "replicas=16",
    "output.stride=100",
    "output.tensorboard=false",
)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hot butane, whose replicas cross by themselves."""
    where = tmp_path_factory.mktemp("exact")
    sets = (
        "strategy={kind: local, local: {kind: langevin, steps: 500}}",
        "budget.rounds=6",
        "replicas=16",
        "converge.unseen=null",
        "system.platform=Reference",
        "system.temperature=900 K",
        "output.tensorboard=false",
    )
    assert run_here(EXACT, where, *sets) == 3
    return where / "score-dynamics-butane-exact"


def from_run(exact: Path, *sets: str) -> tuple[str, ...]:
    hot = "system.temperature=900 K"
    return (*TINY, hot, f"strategy.free_energies={exact}", *sets)


@pytest.fixture(scope="module")
def whole(exact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("whole")
    assert run_here(FILE, where, *from_run(exact)) == 3
    return where / NAME


@pytest.mark.slow
def test_a_campaign_of_steps_tells_its_roll_outs(exact: Path, whole: Path) -> None:
    mine, theirs = (
        json.loads((folder / "results" / "free_energy.json").read_text())
        for folder in (whole, exact)
    )
    assert mine["states"] == theirs["states"]
    readings = mine["diagnostics"]["dynamics"]
    assert readings["cycles"] == 2
    assert 0 <= readings["redrawn"] < 1
    told = read_dynamics(whole / "results")
    assert told.extent.reference is not None
    assert told.extent.reference.frames == 2 * 16 * 10
    assert told.extent.here.frames == 10 * round(64 * (1 - readings["broken"]))
    assert np.isfinite(readings["difference_kT"])


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3])
def test_steps_stopped_and_resumed_are_the_same(
    exact: Path, whole: Path, tmp_path: Path, at: int
) -> None:
    """In the middle of gathering, and between fit and roll-outs."""
    assert run_here(FILE, tmp_path, *from_run(exact, f"budget.rounds={at}")) == 3
    assert run_here(FILE, tmp_path, *from_run(exact)) == 3
    assert outcome(tmp_path / NAME) == outcome(whole)
    again, before = (
        (folder / "results" / "dynamics.json").read_text() for folder in (tmp_path / NAME, whole)
    )
    assert again == before


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        (("strategy.generate.length=[20]",), "strategy.generate.length", "rolled out freely"),
        (
            ("strategy.generate.inpaint={from: trans, to: gauche_plus, frames: 9}",),
            "strategy.generate.inpaint",
            "rolled out freely",
        ),
        (("strategy.generate.vary={}",), "strategy.generate.vary", "rolled out freely"),
    ],
)
def test_what_is_for_whole_trajectories_is_refused(
    sets: tuple[str, ...], where: str, what: str
) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(FILE, sets)
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem.path)) == where
    assert what in problem.problem


def test_steps_are_of_molecules() -> None:
    file = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
    with pytest.raises(CampaignError, match="has no atoms"):
        load_campaign(file, ["model={kind: step_diffusion}"])


def test_cvs_are_of_atoms_that_the_model_sees() -> None:
    end = "cvs.torsion.atoms=[ALK:H1, ALK:C1, ALK:C2, ALK:C3]"
    for sets, refused in (((), False), ((end,), True), ((end, "model.atoms=all"), False)):
        campaign = load_campaign(FILE, ["system.platform=Reference", *sets])
        system = build_system(campaign.spec_system(), CONFIGS)
        cvs = build_cvs(campaign.spec_cvs(), system, CONFIGS)
        problems = list(step_checks(campaign, system, cvs))
        assert [p.path for p in problems] == ([("model", "atoms")] if refused else [])


@pytest.mark.slow
def test_hot_runs_are_stored_apart_and_resumed(exact: Path, tmp_path: Path) -> None:
    """With a model that knows two frames, whose roll-outs begin in rows of them."""
    hot = "strategy.hot={runs: 6, heat: 200, relax: 100, frames: 4}"
    sets = from_run(exact, hot, "strategy.cycles=1", "model.past=2")
    assert run_here(FILE, tmp_path / "whole", *sets) == 3
    for at in (1, 3):
        assert run_here(FILE, tmp_path / f"cut{at}", *sets, f"budget.rounds={at}") == 3
        assert run_here(FILE, tmp_path / f"cut{at}", *sets) == 3
        assert outcome(tmp_path / f"cut{at}" / NAME) == outcome(tmp_path / "whole" / NAME)
    whole = tmp_path / "whole" / NAME
    store = Store(whole / "store.zarr")
    assert len(store.read("hot/frames")) == 6 * 4
    # what reads the run's own trajectories finds those of the replicas and no others
    assert [len(path) for path in read_run(whole).data.paths] == [10] * 16
    told = json.loads((whole / "results" / "free_energy.json").read_text())
    assert told["diagnostics"]["dynamics"]["hot_frames"] == 6 * 4


PROPANE = """
name: propane
seed: 1
executor: inline
system: {kind: alkane, carbons: 3, temperature: 900 K, platform: Reference}
cvs:
  bend: {kind: angle, atoms: [ALK:C1, ALK:C2, ALK:C3], range: [80 deg, 150 deg]}
states:
  wide: {bend: [113 deg, 150 deg]}
strategy: {kind: local, local: {kind: langevin, steps: 500}}
replicas: 8
converge: {unseen: null}
budget: {rounds: 6}
output: {trajectory: dcd, tensorboard: false}
"""


@pytest.mark.slow
def test_two_molecules_are_one_campaign_stopped_and_resumed(exact: Path, tmp_path: Path) -> None:
    file = tmp_path / "propane.yaml"
    file.write_text(PROPANE)
    assert run_here(file, tmp_path) == 3
    tree = yaml.safe_load(PROPANE)
    molecule = {key: tree[key] for key in ("system", "cvs", "states")}
    molecule["free_energies"] = str(tmp_path / "propane")
    sets = from_run(exact, f"strategy.molecules={json.dumps({'propane': molecule})}")
    assert run_here(FILE, tmp_path / "whole", *sets) == 3
    for at in (1, 4):  # in the middle of gathering, and between fit and roll-outs
        assert run_here(FILE, tmp_path / f"cut{at}", *sets, f"budget.rounds={at}") == 3
        assert run_here(FILE, tmp_path / f"cut{at}", *sets) == 3
        cut = tmp_path / f"cut{at}" / NAME
        assert outcome(cut) == outcome(tmp_path / "whole" / NAME)
    whole = tmp_path / "whole" / NAME
    readings = json.loads((whole / "results" / "free_energy.json").read_text())["diagnostics"]
    assert readings["dynamics"]["propane.gathered_frames"] == 2 * 16 * 10
    assert readings["dynamics"]["gathered_frames"] == 2 * 16 * 10
    assert [one.what for one in read_dynamics(whole / "results").made] == ["of propane"]
    assert len(read_run(whole).data.paths) == 2 * 16
    store = Store(whole / "store.zarr")
    assert store.read("propane.trajectory/frames").shape == (2 * 16 * 10, 1)
