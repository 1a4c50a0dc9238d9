"""Real campaigns give the same samples, bit for bit, however they were run and interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msgen.orchestrator.events import EventLog
from msgen.orchestrator.store import Store

CONFIGS = Path(__file__).parent.parent / "configs"
MAIN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
ROUNDS = "budget.rounds=6"
SMALL = {
    "double_well": ("model={kind: spline_flow, transforms: 1, hidden: [8]}",),
    "alanine_dipeptide": ("replicas=4", "strategy.local.steps=100", "model.hidden=[8]"),
}


def start(campaign: str, where: Path, *sets: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", MAIN, str(CONFIGS / f"{campaign}.yaml")]
    command += ["--output-dir", str(where)]
    for text in (*SMALL[campaign], *sets):
        command += ["--set", text]
    log = (where.parent / f"{where.name}.log").open("ab")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def content(campaign: str, where: Path) -> dict[str, Any]:
    """What may not depend on how it was run: all samples, and the results but for the seconds."""
    run = where / campaign.replace("_", "-")
    results = json.loads((run / "results" / "free_energy.json").read_text())
    cost = results.pop("cost")
    store = Store(run / "store.zarr")
    assert store.last_round >= 1
    spent = (cost["rounds"], cost["energy_evaluations"])
    return {"digest": store.digest, "index": store.index().tolist(), "cost": spent, **results}


def whole(campaign: str, where: Path, *sets: str) -> dict[str, Any]:
    assert start(campaign, where, *sets).wait(240) in (0, 3)
    return content(campaign, where)


@pytest.mark.slow
@pytest.mark.parametrize("campaign", SMALL)
def test_inline_and_ray_with_one_and_two_workers(campaign: str, tmp_path: Path) -> None:
    alone = whole(campaign, tmp_path / "inline", "executor=inline", ROUNDS)
    for workers in (1, 2):
        ray = ("executor=ray", f"resources.workers={workers}", ROUNDS)
        assert whole(campaign, tmp_path / f"ray{workers}", *ray) == alone


@pytest.mark.parametrize(
    ("kills", "rounds", "seed"), [(2, 6, 1), pytest.param(20, 40, 2, marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(kills: int, rounds: int, seed: int, tmp_path: Path) -> None:
    """Each process is killed up to 1.2 s after it began, or took up, the loop."""
    rng = np.random.default_rng(seed)
    where = tmp_path / "killed"
    events = EventLog(where / "double-well" / "events.jsonl")
    sets = ("executor=inline", f"budget.rounds={rounds}")
    died = 0
    for _ in range(kills):
        begun = len(_begun(events))
        process = start("double_well", where, *sets)
        while process.poll() is None and len(_begun(events)) == begun:
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 1.2))
        process.kill()
        died += process.wait() < 0
    assert died == kills  # none had come to its end before
    resumed = whole("double_well", where, *sets)
    assert resumed == whole("double_well", tmp_path / "whole", *sets)


def _begun(events: EventLog) -> list[dict[str, Any]]:
    return [e for e in events.read() if e["event"] in ("start", "resume")]
