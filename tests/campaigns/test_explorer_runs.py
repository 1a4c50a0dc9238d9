"""Campaigns in whose search a learnt dynamics of a finished run goes ahead."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from places import CONFIGS
from small_campaigns import outcome, run_here

from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.run_directory.inputs import inputs_of
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.validate import load_campaign, prepare

LEARNT = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
FILE = CONFIGS / "papers" / "dynamics_diffusion_exact.yaml"
NAME = "dynamics-diffusion-exact"
QUIET = ("output.tensorboard=false", "converge.unseen=null")
TINY = (
    "model={kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 60, steps: 8}",
    "model.learning_rate=0.02",
    "model.ema=0.9",
    "strategy.frames=16",
    "strategy.local.steps=40",
    "strategy.generate.free=64",
    "strategy.cycles=1",
    "replicas=16",
    "output.tensorboard=false",
)
SMALL = (
    *QUIET,
    "strategy={kind: steered, local: {kind: hmc, steps: 5}}",
    "strategy.explore={pushes: 8, push_steps: 60, relax_steps: 40}",
    "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 2}",
    "replicas=8",
    "states=null",
    "budget.rounds=6",
)

MODEL = "{kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 20, steps: 8}"
LEARNS = "strategy.explore.explorers={learn: {model: %s, frames: 16}, walkers: 8, rounds: 1}"
ALONE = (
    *SMALL,
    "strategy.local={kind: langevin, steps: 20}",
    "output.stride=5",
    LEARNS % MODEL,
)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of learned dynamics, after an exact one whose replicas cross by themselves."""
    where = tmp_path_factory.mktemp("learnt")
    local = "strategy={kind: local, local: {kind: hmc, steps: 5}}"
    assert run_here(FILE, where, *QUIET, local, "budget.rounds=8", "replicas=16") == 3
    assert run_here(LEARNT, where, *TINY, f"strategy.free_energies={where / NAME}") == 3
    return where / "dynamics-diffusion-double-well"


def goes(
    learnt: Path, more: str = "paths: 80, frames: 16, walkers: 8, rounds: 2"
) -> tuple[str, ...]:
    return (*SMALL, f"strategy.explore.explorers={{from: {learnt}, {more}}}")


@pytest.fixture(scope="module")
def whole(learnt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("whole")
    assert run_here(FILE, where, *goes(learnt)) == 3
    return where / NAME


def test_a_learnt_dynamics_goes_ahead_at_no_evaluations(whole: Path) -> None:
    points = read_history(whole)
    assert [p.phase for p in points[:3]] == ["explore"] * 3
    pushed, rolled, sent = (p.energy_evaluations for p in points[:3])
    assert rolled == pushed
    # eight walkers at the price of eight pushes
    assert sent == 2 * pushed
    store = Store(whole / "store.zarr")
    frames = np.asarray(store.read("ahead/frames")).reshape(80, 16, 2)
    assert np.isfinite(frames).all()
    # where the model goes is no sample of anything
    assert "ahead/cvs" not in store.names()
    cost = json.loads((whole / "results" / "free_energy.json").read_text())["cost"]
    assert cost["energy_evaluations"] == points[-1].energy_evaluations


@pytest.mark.parametrize("at", [1, 2])
def test_stopped_in_the_search_it_goes_on_the_same(
    learnt: Path, whole: Path, tmp_path: Path, at: int
) -> None:
    """Before roll-outs, and before walkers are sent where they went."""
    assert run_here(FILE, tmp_path, *goes(learnt), f"budget.rounds={at}") == 3
    assert run_here(FILE, tmp_path, *goes(learnt)) == 3
    assert outcome(tmp_path / NAME) == outcome(whole)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that learns by itself."""
    where = tmp_path_factory.mktemp("alone")
    assert run_here(FILE, where, *ALONE) == 3
    return where / NAME


def test_what_is_followed_counts_and_what_is_made_of_it_does_not(alone: Path) -> None:
    points = read_history(alone)
    assert [p.phase for p in points[:5]] == ["explore"] * 5
    spent = np.diff([0, *(p.energy_evaluations for p in points[:5])])
    # eight pushes; eight walkers for 16 frames of 5 steps and a first force; a fit; roll-outs
    assert spent[1:4].tolist() == [8 * (16 * 5 + 1), 0, 0]
    sent, rest = divmod(int(spent[4]), int(spent[0]) // 8)
    assert (0 < sent <= 8, rest) == (True, 0)
    store = Store(alone / "store.zarr")
    assert np.asarray(store.read("trajectory/cvs")).shape == (8 * 16, 2)
    assert np.asarray(store.read("ahead/frames")).shape == (64 * 7, 2)


@pytest.mark.parametrize("at", [2, 3])
def test_stopped_while_it_learns_it_goes_on_the_same(alone: Path, tmp_path: Path, at: int) -> None:
    """Before the fit, and before roll-outs of what was fitted."""
    assert run_here(FILE, tmp_path, *ALONE, f"budget.rounds={at}") == 3
    assert run_here(FILE, tmp_path, *ALONE) == 3
    assert outcome(tmp_path / NAME) == outcome(alone)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_the_same_on_any_number_of_workers(
    learnt: Path, whole: Path, alone: Path, tmp_path: Path, workers: int
) -> None:
    ray = ("executor=ray", f"resources.workers={workers}")
    assert run_here(FILE, tmp_path / "led", *goes(learnt), *ray) == 3
    assert outcome(tmp_path / "led" / NAME) == outcome(whole)
    assert run_here(FILE, tmp_path / "alone", *ALONE, *ray) == 3
    assert outcome(tmp_path / "alone" / NAME) == outcome(alone)


def test_the_run_is_an_input(learnt: Path) -> None:
    campaign = load_campaign(FILE, goes(learnt))
    assert inputs_of(campaign.to_dict(), CONFIGS).keys() == {str(learnt)}
    assert type(campaign).parse(campaign.to_dict()) == campaign


RUN = "strategy.explore.explorers.from"
LEARN = "strategy.explore.explorers.learn"
OTHER = "cvs={x: {kind: coordinate, index: 0, range: [-2, 2]}, %s, range: [-3, 3]}}"
NAMED = OTHER % "z: {kind: coordinate, index: 1"
TURNED = (
    OTHER
    % "y: {kind: linear_combination, terms: [{coefficient: -1, cv: {kind: coordinate, \
index: 1}}]"
)


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        ((f"{RUN}=nowhere",), RUN, "is no folder"),
        ((f"{RUN}=.",), RUN, "is no run directory"),
        ((NAMED,), RUN, "has learnt snippets of x, y, not of x, z"),
        ((TURNED,), RUN, "where y is another CV"),
        (("system.kT=2",), None, ""),
        (("cvs.x.bins=30", "cvs.x.range=[-2.5, 2.5]"), None, ""),
        (("cvs.extend=auto",), "strategy.explore.explorers", "may bring more"),
    ],
)  # fmt: skip
def test_what_cannot_go_ahead_is_said_once(
    learnt: Path, sets: tuple[str, ...], where: str | None, what: str, tmp_path: Path
) -> None:
    """Other temperatures and other axes are no hindrance: the real system follows."""
    if where is None:
        prepare(FILE, [*goes(learnt), *sets], output_dir=tmp_path)
        return
    with pytest.raises(CampaignError) as caught:
        prepare(FILE, [*goes(learnt), *sets], output_dir=tmp_path)
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem.path)) == where
    assert what in problem.problem


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        (("strategy.local={kind: hmc}",), "strategy.local.kind", "no dynamics in time"),
        ((f"{LEARN}.model={{kind: kde}}",), f"{LEARN}.model.kind", "learns a density"),
        ((f"{LEARN}.model={{kind: step_diffusion}}",), f"{LEARN}.model.kind", "has no atoms"),
        ((f"{LEARN}.frames=7",), f"{LEARN}.frames", "the 8 frames of a snippet"),
        ((f"{RUN}=x",), RUN, "are both given"),
        (("strategy.explore.explorers={paths: 8}",), RUN, "are both missing"),
    ],
)
def test_what_cannot_be_learnt_is_said_once(sets: tuple[str, ...], where: str, what: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(FILE, [*ALONE, *sets])
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem.path)) == where
    assert what in problem.problem


def test_runs_that_have_no_model_to_send_are_refused(learnt: Path, tmp_path: Path) -> None:
    def told(folder: Path) -> str:
        with pytest.raises(CampaignError) as caught:
            prepare(FILE, goes(folder), output_dir=tmp_path / "none")
        (problem,) = caught.value.problems
        return problem.problem

    assert "strategy local, which learns no dynamics" in told(learnt.parent / NAME)
    going_on = tmp_path / "going_on"
    shutil.copytree(learnt, going_on)
    path = going_on / "results" / "free_energy.json"
    path.write_text(path.read_text().replace('"status": "exhausted"', '"status": "running"'))
    assert "is not finished (running)" in told(going_on)


def test_what_tries_several_strategies_sends_nobody_ahead() -> None:
    named = "{steered: {explore: {explorers: {from: x}}}, local: {}}"
    with pytest.raises(CampaignError) as caught:
        load_campaign(FILE, [f"strategy={{kind: auto, strategies: {named}}}"])
    (problem,) = caught.value.problems
    assert problem.path == ("strategy", "strategies", "steered", "explore", "explorers")
    assert "several share a search" in problem.problem


def test_a_search_without_pushes_needs_explorers() -> None:
    none = (*SMALL, "strategy.explore.pushes=0")
    with pytest.raises(CampaignError, match="leaves every replica"):
        load_campaign(FILE, none)
    load_campaign(FILE, [*none, "strategy.explore.explorers={from: x}"])
