"""Killed anywhere and resumed: the same campaign, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from places import SUPPORT
from toy_campaign import Recorder
from toy_runs import child, finish, interrupted, job, run_child

from msgen.orchestrator.run import run_job
from msgen.orchestrator.run_directory.checkpoint import CheckpointError
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.lock import LockedError, RunLock
from msgen.orchestrator.run_directory.store import Store


@pytest.mark.parametrize(("kills", "seed"), [(6, 1), pytest.param(20, 2, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path: Path, kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    toy = {"rounds": 30 * kills, "seconds": 0.001}
    died = 0
    for _ in range(kills):
        pid = run_child(tmp_path / "killed", **toy)
        time.sleep(rng.uniform(0.05, 0.6))
        os.kill(pid, signal.SIGKILL)
        died += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    assert died == kills  # none had come to its end before
    assert finish(tmp_path / "killed", **toy) == finish(tmp_path / "whole", **toy)
    resumed = [
        e for e in EventLog(tmp_path / "killed/events.jsonl").read() if e["event"] == "resume"
    ]
    assert resumed
    assert 0 < resumed[-1]["after"] < 30 * kills - 1


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_ray_driver_can_be_followed_at_once(tmp_path: Path) -> None:
    """The controller outlives its driver for a moment; the next one waits for it."""
    code = (
        "import sys; from pathlib import Path\n"
        "from toy_campaign import Recorder, build, setup\n"
        "from msgen.orchestrator.run import run_job\n"
        "from msgen.orchestrator.loop.job import Job\n"
        "one = Job(Path(sys.argv[1]), setup(rounds=40, seconds=0.02), build)\n"
        "run_job(one, Recorder(), executor='ray')\n"
    )
    here = SUPPORT
    environment = {**os.environ, "PYTHONPATH": str(here)}
    driver = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], cwd=here, env=environment
    )
    commits = tmp_path / "run" / "commits.jsonl"
    deadline = time.monotonic() + 120
    while not (commits.exists() and commits.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    assert finish(tmp_path / "run", rounds=40) == finish(tmp_path / "whole", rounds=40)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_round_and_the_run_can_be_resumed(
    tmp_path: Path, number: signal.Signals
) -> None:
    pid = run_child(tmp_path / "run", seconds=0.05)
    commits = tmp_path / "run" / "commits.jsonl"
    while not commits.exists():
        time.sleep(0.01)
    os.kill(pid, number)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2  # interrupted
    last = EventLog(tmp_path / "run" / "events.jsonl").read()[-1]
    assert last["event"] == "stop"
    assert last["status"] == "interrupted"
    assert "goes on from there" in last["reason"]
    assert 0 <= Store(tmp_path / "run" / "store.zarr").last_round < 5
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")


def test_a_third_signal_does_not_wait_for_the_order(tmp_path: Path) -> None:
    pid = run_child(tmp_path / "run", seconds=30.0)
    while not (tmp_path / "run" / "events.jsonl").exists():
        time.sleep(0.01)
    began = time.monotonic()
    for _ in range(3):
        time.sleep(0.2)
        os.kill(pid, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert time.monotonic() - began < 15
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))


def halve(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("harm", [damage, halve, Path.unlink])
@pytest.mark.parametrize("name", ["state.npz", "COMPLETE"])
def test_a_damaged_checkpoint_costs_one_round(
    tmp_path: Path, harm: Callable[[Path], None], name: str
) -> None:
    interrupted(tmp_path / "run", 4)
    harm(tmp_path / "run" / "checkpoints" / "3" / name)
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")
    events = EventLog(tmp_path / "run" / "events.jsonl").read()
    (told,) = [e for e in events if e["event"] == "damaged"]
    assert told["back_to"] == 2
    assert [e["after"] for e in events if e["event"] == "resume"] == [2]


def test_without_any_whole_checkpoint_nothing_is_overwritten(tmp_path: Path) -> None:
    interrupted(tmp_path, 4)
    before = Store(tmp_path / "store.zarr").digest
    for rnd in (2, 3):
        halve(tmp_path / "checkpoints" / str(rnd) / "state.npz")
    with pytest.raises(CheckpointError, match="no whole checkpoint up to round 3"):
        run_job(job(tmp_path), Recorder(), executor="inline")
    assert Store(tmp_path / "store.zarr").digest == before


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    interrupted(tmp_path, 5)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["3", "4"]


def test_one_driver_at_a_time_and_a_dead_one_does_not_count(tmp_path: Path) -> None:
    def hold() -> int:
        with RunLock(tmp_path):
            time.sleep(60)
        return 0

    pid = child(hold)
    while not (tmp_path / "lock").exists() or not (tmp_path / "lock").read_text():
        time.sleep(0.01)
    with pytest.raises(LockedError, match=f"in use by process {pid} on "), RunLock(tmp_path):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with RunLock(tmp_path):
        pass


def test_a_torn_event_is_dropped_and_the_log_goes_on(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.write("start")
    with log.path.open("ab") as file:
        file.write(b'{"event": "rou')
    EventLog(log.path).write("resume", after=3)
    assert [e["event"] for e in log.read()] == ["start", "resume"]
