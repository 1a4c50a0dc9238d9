"""What `export` weighs is what the estimate counts: no burn-in, nothing thrown back, no copies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import CONFIGS

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.reporting.export import read_samples
from msgen.orchestrator.reporting.results import committed_result
from msgen.orchestrator.reporting.stored_samples import _last_production
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.strategies.common.free_replicas import FreeReplicas
from msgen.orchestrator.strategies.common.reweighting import StoredSamples, by_cells

SMALL = (
    "replicas=8",
    "strategy.local.steps=5",
    "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 2}",
    "converge.state_error=0.0001 kT",
    "budget.rounds=26",
    "budget.wall=10 h",  # the file's two minutes would end it where the machine is busy
    "output.tensorboard=false",
)


def test_burn_in_of_a_steered_run_weighs_nothing(tmp_path: Path) -> None:
    """As many rounds weigh as production has counted; those before have the same phase."""
    settings = [word for s in SMALL for word in ("--set", s)]
    command = [str(CONFIGS / "double_well.yaml"), "--executor", "inline"]
    assert main_run([*command, "--output-dir", str(tmp_path), *settings]) == 3
    (run,) = (p for p in tmp_path.iterdir() if p.is_dir())
    samples = read_samples(run, committed_result(run))
    assert samples is not None
    weighed = np.unique(samples.round[samples.weight > 0])
    state = Checkpoints(run / "checkpoints").load(10**6)[1]["strategy"]["strategy"]
    assert len(weighed) == state["produced_rounds"] > 0
    # the twin: every round of the phase
    assert len(_last_production(run)) == len(weighed) + 1
    assert weighed[-1] == max(_last_production(run))


def test_what_was_counted_before_a_second_look_weighs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adaptation has seen one state; the surface shows two, and counting begins anew."""
    one = Partition.from_boxes({}, ("x",), np.array([False]))
    monkeypatch.setattr(FreeReplicas, "basins", lambda self, state: one)
    settings = (
        "states=null",
        "replicas=32",
        "strategy={kind: local, local: {kind: hmc, steps: 5}}",
        "converge.state_error=0.0001 kT",
        "budget.rounds=14",
        "budget.wall=10 h",
        "output.tensorboard=false",
    )
    words = [word for s in settings for word in ("--set", s)]
    command = [str(CONFIGS / "double_well.yaml"), "--executor", "inline"]
    assert main_run([*command, "--output-dir", str(tmp_path), *words]) == 3
    (run,) = (p for p in tmp_path.iterdir() if p.is_dir())
    result = committed_result(run)
    assert len(result.estimate.states) == 2
    samples = read_samples(run, result)
    assert samples is not None
    state = Checkpoints(run / "checkpoints").load(10**6)[1]["strategy"]["strategy"]
    assert state["relooks"] == 1
    weighed = np.unique(samples.round[samples.weight > 0])
    assert len(weighed) == state["produced"]["rounds"] > 0
    assert weighed[-1] == 13


def history(folder: Path, phases: list[str]) -> Path:
    (folder / "results").mkdir()
    lines = [
        {"round": i, "phase": p, "energy_evaluations": i, "wall_s": 0.0, "states": {}}
        for i, p in enumerate(phases)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "results" / "history.jsonl").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("phases", "counted"),
    [
        ("explore adapt produce produce", (2, 3)),
        ("adapt produce produce adapt produce produce", (4, 5)),
        ("adapt produce adapt", (1,)),
        ("adapt", ()),
    ],
)
def test_what_was_thrown_back_is_not_production(
    tmp_path: Path, phases: str, counted: tuple[int, ...]
) -> None:
    assert _last_production(history(tmp_path, phases.split())) == counted


def test_a_copy_weighs_nothing_before_it_has_parted() -> None:
    """A replica that came in round 3 counts from its third round on, those of the start at once."""
    rows = [(rnd, who) for rnd in range(7) for who in range(3) if who < 2 or rnd >= 3]
    rounds, replicas = np.array(rows).T
    surface = np.zeros(2)
    estimate = Estimate({"x": np.array([0.5, 1.5])}, surface, surface, {}, {}, False, ())
    samples = StoredSamples(
        kind="sample",
        xi=np.full((len(rows), 1), 0.5),
        rounds=rounds,
        replicas=replicas,
        produced=tuple(range(1, 7)),
        names=("x",),
        periodic=np.array([False]),
        regions={},
        estimate=estimate,
        columns=frozenset(),
        read=lambda name: np.zeros(len(rows)),
    )
    weighed = by_cells(samples) > 0
    expected = (rounds >= 1) & ((replicas < 2) | (rounds >= 5))
    np.testing.assert_array_equal(weighed, expected)
    since = by_cells(samples, 2) > 0
    np.testing.assert_array_equal(since, expected & (rounds >= 3))
    everyone = replace(samples, replicas=np.zeros(len(rows), dtype=np.int64))
    np.testing.assert_array_equal(by_cells(everyone) > 0, rounds >= 1)
