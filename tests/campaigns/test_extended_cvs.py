"""A campaign that begins anew with a coordinate in which its replicas disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import CONFIGS, ROOT
from sections import build_system
from toy_campaign import Recorder, ToyStrategy
from toy_campaign import setup as toy_setup

import msgen
from msgen.orchestrator import run as wiring
from msgen.orchestrator.base import Cost, RoundInfo
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop import controller
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Controller
from msgen.orchestrator.loop.extension import Extension
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.run_directory.whole import verify
from msgen.orchestrator.strategies.umbrella.windows import place
from msgen.orchestrator.validate import load
from msgen.systems.base import Walkers

SMALL = {
    "cvs.extend": "auto",
    "replicas": 4,
    "strategy.local.steps": 2,
    "strategy.path": {"steps": 20, "friction": 0.5, "timestep": 0.05, "width": 0.3},
    "model": {"kind": "spline_flow", "transforms": 1, "hidden": [8], "epochs": 2},
    "output.tensorboard": False,
    "converge.state_error": "0.0001 kT",
}


ROUNDS = 16


def start(where: Path, rounds: int, **more: object) -> msgen.Result:
    sets = {**SMALL, "budget.rounds": rounds, **more}
    return msgen.run(
        CONFIGS / "double_well.yaml", output_dir=where, overrides=sets, executor="inline",
        quiet=True,
    )  # fmt: skip


@pytest.fixture
def disagreeing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas disagree in y as soon as samples count."""

    def of_y(info: RoundInfo, candidates: dict[str, Any]) -> str | None:
        return "y" if info.phase == "produce" and "y" in candidates else None

    monkeypatch.setattr(controller, "wanted", of_y)


def outcome(run_dir: Path) -> dict[str, Any]:
    tree = json.loads((run_dir / "results" / "free_energy.json").read_text())
    cost = tree.pop("cost")
    spent = (cost["rounds"], cost["energy_evaluations"])
    return {**tree, "spent": spent, "digest": Store(run_dir / "store.zarr").digest}


def test_it_begins_anew_and_tells_what_it_was_asked_for(tmp_path: Path, disagreeing: None) -> None:
    found = start(tmp_path, ROUNDS)
    run_dir = tmp_path / "double-well"
    (came,) = Extension.read(run_dir)
    assert (came.what, came.name) == ("y", "y")
    low, high = came.section["range"]
    before = Store(run_dir / "before" / "1" / "store.zarr")
    y = before.read("sample/watched")[:, 0] if "sample/watched" in before.names() else [low, high]
    assert low < np.min(y)
    assert high > np.max(y)
    # the surface is that of the CV asked for, samples tell both
    assert [cv.name for cv in found.cvs] == ["x"]
    assert found.surface.f_kT.shape == (60,)
    assert found.samples().cvs.shape[1] == 2
    assert Store(run_dir / "store.zarr").read("sample/cvs").shape[1] == 2
    # rounds and evaluations are those of both beginnings
    assert found.cost.rounds == ROUNDS > came.cost.rounds > 0
    assert found.cost.energy_evaluations > came.cost.energy_evaluations > 0
    assert not verify(run_dir).damaged
    assert "sampled along y too" in msgen.orchestrator.reporting.status.status(run_dir)


@pytest.mark.slow
def test_killed_about_the_new_beginning_it_goes_on_to_the_same_end(
    tmp_path: Path, disagreeing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is written down, and between that and what it announces."""
    start(tmp_path / "whole", ROUNDS)

    def cut_off(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Extension, "write", cut_off)
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path / "cut", ROUNDS)
    assert not Extension.read(tmp_path / "cut" / "double-well")
    done = wiring.set_aside
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "set_aside", lambda run_dir, n: cut_off() if n else done(run_dir, n))
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path / "cut", ROUNDS)
    assert len(Extension.read(tmp_path / "cut" / "double-well")) == 1
    start(tmp_path / "cut", ROUNDS)
    assert outcome(tmp_path / "cut" / "double-well") == outcome(tmp_path / "whole" / "double-well")


@pytest.mark.parametrize(
    ("windows", "then", "along"),
    [("auto", "auto", (8, 8)), ({"x": 5}, {"x": 5, "y": 8}, (5, 8))],
)
def test_windows_come_along_the_new_coordinate(
    windows: object, then: object, along: tuple[int, int]
) -> None:
    """Those along x stay as many as were asked for; without the new ones y would not be held."""
    tree = {
        "name": "w", "system": {"kind": "double_well"},
        "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2]}, "extend": "auto"},
        "strategy": {"kind": "umbrella", "windows": windows, "width": {"x": 0.2},
                     "seeds": "neighbour"},
    }  # fmt: skip
    campaign, _ = load(tree)
    more = campaign.along_more("y", {"kind": "coordinate", "index": 1, "range": [-3, 3]}, 5)
    spec = more.spec_strategy()
    assert (spec["windows"], spec["width"]) == (then, "auto")
    grid = Grid.regular(((-2.0, 2.0), (-3.0, 3.0)), (36, 36), (False, False))
    made = place(spec["windows"], spec["width"], ("x", "y"), grid)
    assert tuple(len(np.unique(c)) for c in made.centres.T) == along
    assert (made.kappa > 0).all()


def test_a_name_that_is_taken_gets_a_number() -> None:
    section, seen = {"kind": "coordinate", "index": 1}, np.array([0.0, 1.0])
    first = Extension.of("y", section, seen, Cost(), ["x"])
    again = Extension.of("y", section, seen, Cost(), ["y", "y_2"])
    assert (first.name, again.name) == ("y", "y_3")
    assert first.section["range"] == [-0.25, 1.25]
    with pytest.raises(ValueError, match="nothing that varies"):
        Extension.of("y", section, np.array([1.0, np.nan]), Cost(), [])


@pytest.mark.parametrize(
    ("limits", "ended"),
    [
        (Limits(rounds=4), "renewed"),
        (Limits(rounds=3), "exhausted"),  # it was the last round
        (Limits(energy_evaluations=600), "renewed"),
        (Limits(energy_evaluations=400), "exhausted"),  # less is left than was spent
    ],
)
def test_it_begins_anew_only_where_that_can_be_paid(
    limits: Limits, ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wanted after three rounds of about 80 evaluations."""
    monkeypatch.setattr(controller, "wanted", lambda info, _: "y" if info.round == 2 else None)
    recorder = Recorder()
    executor = InlineExecutor(toy_setup())
    done = Controller(ToyStrategy(), executor, tmp_path, recorder, limits=limits).run()
    assert done.status == ended
    assert (done.extend == "y") == (ended == "renewed")
    assert recorder.closed == [(ended, done.reason)]


def test_without_it_nothing_begins_anew(tmp_path: Path, disagreeing: None) -> None:
    start(tmp_path, 12, **{"cvs.extend": "off"})
    run_dir = tmp_path / "double-well"
    assert not Extension.read(run_dir)
    assert not (run_dir / "before").exists()
    # it may be turned on later
    start(tmp_path, 13)
    events = [e["event"] for e in EventLog(run_dir / "events.jsonl").read()]
    assert events.count("resume") >= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_hidden_double_well_comes_out_right_by_itself(seed: int, tmp_path: Path) -> None:
    """Within 4 σ of the integral, which is missed by 1.8 kT along x alone."""
    system = {"kind": "python", "factory": "traps_cases.potentials:hidden", "arguments": {}}
    cvs: dict[str, Any] = {"x": {"kind": "coordinate", "index": 0, "range": [-2.0, 2.0]}}
    campaign = {
        "system": system,
        "cvs": {**cvs, "extend": "auto"},
        "states": {"left": {"x": [-2, 0]}},
        "strategy": {"kind": "steered", "local": {"kind": "hmc", "steps": 5}},
        "model": {"kind": "spline_flow", "transforms": 1, "hidden": [16], "epochs": 4},
        "replicas": 32,
        "converge": {"state_error": "0.3 kT", "surface_error": "1 kT", "below": "4 kT"},
        "budget": {"energy_evaluations": 6_000_000, "wall": "10 h"},
        "seed": seed,
    }
    found = msgen.run(campaign, output_dir=tmp_path, executor="inline", quiet=True)
    built, axis = build_system(system, ROOT), np.linspace(-3.0, 3.0, 800)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    density = np.exp(-built.energy(Walkers(np.stack([x.ravel(), y.ravel()], axis=1))) / built.kT)
    p = float(density[x.ravel() < 0].sum() / density.sum())
    rest = found.free_energies["rest"]
    assert Extension.read(found.run_dir)
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    assert abs(rest.f_kT - np.log(p / (1 - p))) < 4 * rest.stderr_kT
