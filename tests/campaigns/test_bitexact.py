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

from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store

CONFIGS = Path(__file__).parents[2] / "configs"
MAIN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
WINDOWS = "papers/crabtree_variable_barrier"
DRAWS = "papers/gabrie_mode_collapse_adaptive"
ANNEALED = "papers/gabrie_mode_collapse_annealed"
PAIR = "papers/gabrie_free_energy_pair"
FLOW = "papers/gabrie_mixture_16d"
TEMPERING = "examples/double_well_tempering"
HILLS = "examples/alanine_dipeptide_metadynamics"
POLYMER = "papers/steered_polymer"
SMALL = {
    "double_well": (
        "replicas=16",
        "strategy.local.steps=5",
        "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}",
        "converge.state_error=0.0001 kT",
        "output.tensorboard=false",
    ),
    "alanine_dipeptide": (
        "replicas=8",
        "strategy.local.steps=100",
        "model.hidden=[8]",
        "model.epochs=2",
        "output.tensorboard=false",
    ),
    WINDOWS: (
        "strategy.windows={z1: 8}",
        "strategy.local.steps=40",
        "strategy.training.steps=800",
        "strategy.turns=1",
        "model={kind: score, layers: 2, width: 16, epochs: 10}",
        "converge.state_error=0.0001 kT",
        "output.tensorboard=false",
    ),
}
_DRAWN = (
    "model={kind: realnvp, transforms: 2, hidden: [8], epochs: 3}",
    "strategy.draws=512",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[DRAWS] = (*_DRAWN, "strategy.training.rounds=3")
SMALL[ANNEALED] = (*_DRAWN, "strategy.training.updates=80")
SMALL[PAIR] = (
    "replicas=8",
    "strategy.local={kind: hmc, steps: 2, leapfrog: 3}",
    "model={kind: realnvp, transforms: 2, hidden: [8], epochs: 3}",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[FLOW] = (
    "replicas=12",
    "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 2}, global_steps: 5}",
    "model={kind: copula_flow, transforms: 2, hidden: [8]}",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[TEMPERING] = (
    "replicas=8",
    "strategy.local.steps=5",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[HILLS] = (
    "replicas=3",
    "strategy={kind: metadynamics, height: 0.5 kT, bias_factor: 2, frequency: 20}",
    "strategy.local={kind: langevin, steps: 100}",
    "system.platform=Reference",
    "output.tensorboard=false",
)
# the distance held exactly at λ; a thin fluid, so that Reference is quick, and a low barrier, so
# that the adaptation ends
SMALL[POLYMER] = (
    "replicas=4",
    "system={kind: polymer, solvent: 8, box: 5.2, k: 0.5, platform: Reference}",
    "strategy.local.steps=20",
    "strategy.path.steps=100",
    "strategy.explore={pushes: 8, push_steps: 50, relax_steps: 20}",
    "model={kind: copula_flow, transforms: 2, hidden: [8]}",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
PRODUCES = {
    "double_well": "budget.rounds=30",
    "alanine_dipeptide": "budget.rounds=16",
    WINDOWS: "budget.rounds=16",
    DRAWS: "budget.rounds=10",
    ANNEALED: "budget.rounds=14",
    PAIR: "budget.rounds=13",
    FLOW: "budget.rounds=26",
    TEMPERING: "budget.rounds=12",
    HILLS: "budget.rounds=24",
    POLYMER: "budget.rounds=24",
}
"""Enough rounds to reach `produce`."""


def start(campaign: str, where: Path, *sets: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", MAIN, str(CONFIGS / f"{campaign}.yaml")]
    command += ["--output-dir", str(where)]
    for text in (*SMALL[campaign], *sets):
        command += ["--set", text]
    log = (where.parent / f"{where.name}.log").open("ab")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def run_name(campaign: str) -> str:
    """Its run directory."""
    return Path(campaign).name.replace("_", "-")


def content(campaign: str, where: Path) -> dict[str, Any]:
    """What may not depend on how it was run: all samples, and the results but for the seconds."""
    run = where / run_name(campaign)
    results = json.loads((run / "results" / "free_energy.json").read_text())
    cost = results.pop("cost")
    store = Store(run / "store.zarr")
    spent = (cost["rounds"], cost["energy_evaluations"])
    phases = [p.phase for p in read_history(run)]
    samples = {"digest": store.digest, "index": store.index().tolist()}
    return {**samples, "cost": spent, "phases": phases, **results}


def whole(campaign: str, where: Path, *sets: str) -> dict[str, Any]:
    assert start(campaign, where, *sets).wait(240) in (0, 3)
    return content(campaign, where)


@pytest.mark.slow
@pytest.mark.parametrize("campaign", SMALL)
def test_inline_and_ray_with_one_and_two_workers(campaign: str, tmp_path: Path) -> None:
    rounds = PRODUCES[campaign]
    alone = whole(campaign, tmp_path / "inline", "executor=inline", rounds)
    assert alone["phases"][-1] == "produce"
    for workers in (1, 2):
        ray = ("executor=ray", f"resources.workers={workers}", rounds)
        assert whole(campaign, tmp_path / f"ray{workers}", *ray) == alone


def test_ray_gives_the_samples_of_inline_and_another_seed_others(tmp_path: Path) -> None:
    rounds = "budget.rounds=8"
    alone = whole("double_well", tmp_path / "inline", "executor=inline", rounds)
    ray = ("executor=ray", "resources.workers=2", rounds)
    assert whole("double_well", tmp_path / "ray", *ray) == alone
    other = whole("double_well", tmp_path / "other", "executor=inline", rounds, "seed=2")
    assert other["digest"] != alone["digest"]
    assert other["states"] != alone["states"]


@pytest.mark.parametrize(
    ("campaign", "kills", "rounds", "seed"),
    [
        ("double_well", 2, 20, 1),
        pytest.param("double_well", 20, 90, 2, marks=pytest.mark.slow),
        pytest.param(WINDOWS, 6, 26, 3, marks=pytest.mark.slow),
        pytest.param(DRAWS, 3, 60, 4, marks=pytest.mark.slow),
        pytest.param(PAIR, 3, 24, 5, marks=pytest.mark.slow),
        pytest.param(FLOW, 4, 50, 8, marks=pytest.mark.slow),
        pytest.param(TEMPERING, 3, 60, 6, marks=pytest.mark.slow),
        pytest.param(HILLS, 6, 44, 7, marks=pytest.mark.slow),
        pytest.param(ANNEALED, 3, 60, 5, marks=pytest.mark.slow),
        pytest.param(POLYMER, 4, 44, 9, marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(
    campaign: str, kills: int, rounds: int, seed: int, tmp_path: Path
) -> None:
    """Each process is killed after up to 6 further rounds and a moment, whatever it is doing."""
    rng = np.random.default_rng(seed)
    where = tmp_path / "killed"
    events = EventLog(where / run_name(campaign) / "events.jsonl")
    sets = ("executor=inline", f"budget.rounds={rounds}")
    died, phases = 0, list[str]()
    for _ in range(kills):
        begun = len(_events(events, "start", "resume"))
        done = len(_events(events, "round")) + int(rng.integers(7))
        process = start(campaign, where, *sets)
        while process.poll() is None and (
            len(_events(events, "start", "resume")) == begun or len(_events(events, "round")) < done
        ):
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.4))
        process.kill()
        died += process.wait() < 0
        phases += [e["now"] for e in _events(events, "phase")[-1:]]
    assert died == kills  # none had come to its end before
    if kills == 20:
        assert phases.count("adapt") >= 3
        assert phases.count("produce") >= 3
    resumed = whole(campaign, where, *sets)
    assert resumed == whole(campaign, tmp_path / "whole", *sets)


def _events(log: EventLog, *kinds: str) -> list[dict[str, Any]]:
    return [e for e in log.read() if e["event"] in kinds]
