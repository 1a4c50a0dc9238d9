"""Real campaigns give the same samples, bit for bit, however they were run and interrupted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_campaigns import (
    ANNEALED,
    DRAWS,
    FLOW,
    HILLS,
    PAIR,
    POLYMER,
    PRODUCES,
    SMALL,
    TEMPERING,
    WINDOWS,
    run_name,
    start,
    whole,
)

from msgen.orchestrator.run_directory.events import EventLog

FEW = ("replicas=6", "strategy.local.steps=2")
"""For the tests that everybody runs: the same code at less work."""


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
    short = ("budget.rounds=8", *FEW)
    alone = whole("double_well", tmp_path / "inline", "executor=inline", *short)
    ray = ("executor=ray", "resources.workers=2", *short)
    assert whole("double_well", tmp_path / "ray", *ray) == alone
    other = whole("double_well", tmp_path / "other", "executor=inline", *short, "seed=2")
    assert other["digest"] != alone["digest"]
    assert other["states"] != alone["states"]


@pytest.mark.parametrize(
    ("campaign", "kills", "rounds", "seed"),
    [
        pytest.param("double_well", 2, 14, 1, marks=pytest.mark.slow),
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
    sets = ("executor=inline", f"budget.rounds={rounds}", *(FEW if kills == 2 else ()))
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
