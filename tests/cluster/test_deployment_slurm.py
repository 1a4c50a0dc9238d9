"""The Slurm script, run for real over two Ray nodes, with stand-ins for Slurm's own commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import CONFIGS, TESTS
from small_campaigns import SMALL, content, whole
from tagged_processes import tagged

CLUSTER = CONFIGS / "cluster"
BIN = TESTS / "cluster" / "bin"
DOUBLE_WELL = str(CONFIGS / "double_well.yaml")
ROUNDS = "budget.rounds=24"


class Slurm:
    """One job of a make-believe Slurm; what it was asked is in `log`."""

    def __init__(self, folder: Path, env: dict[str, str], job: int) -> None:
        self.log = folder / "slurm.log"
        self.output = folder / "output.log"
        path = f"{BIN}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = {**env, "PATH": path, "STAND_IN_LOG": str(self.log), "STAND_IN_JOB": str(job)}

    def start(self, *args: str, **env: str) -> subprocess.Popen[bytes]:
        command = ["sbatch", str(CLUSTER / "slurm.sh"), *args]
        with self.output.open("ab") as out:
            return subprocess.Popen(command, env={**self.env, **env}, stdout=out, stderr=out)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def requeued(self) -> list[str]:
        return [line for line in self.asked if line.startswith("scontrol requeue")]


def campaign(where: Path, *sets: str) -> list[str]:
    """The arguments of the script."""
    command = [DOUBLE_WELL, "--executor", "ray", "--output-dir", str(where)]
    for text in (*SMALL["double_well"], *sets):
        command += ["--set", text]
    return command


def committed(where: Path) -> int:
    record = where / "double-well" / "commits.jsonl"
    return len(record.read_text().splitlines()) if record.exists() else 0


def until_committed(where: Path, rounds: int, job: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120.0
    while committed(where) < rounds:
        assert job.poll() is None, "the job ended first"
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.ray
def test_preempted_requeued_and_resumed_with_the_samples_of_an_undisturbed_run(
    tmp_path: Path,
) -> None:
    where = tmp_path / "runs"
    with tagged() as env:
        slurm = Slurm(tmp_path, env, job=os.getpid())
        job = slurm.start(*campaign(where, ROUNDS))
        until_committed(where, 4, job)
        job.send_signal(signal.SIGTERM)  # as --signal=B:TERM does: to the batch shell alone
        assert job.wait(110) == 1  # within the 120 s that Slurm leaves
        before = committed(where)
        assert 4 <= before < 24
        events = (where / "double-well" / "events.jsonl").read_text()
        assert json.loads(events.splitlines()[-1])["event"] != "failure"
        assert "2 of 2 nodes are up" in slurm.output.read_text()
        assert slurm.requeued == [f"scontrol requeue {os.getpid()}"]
        workers = [line for line in slurm.asked if line.startswith("srun ray start --address")]
        assert len(workers) == 1
        job = slurm.start(*campaign(where, ROUNDS))
        assert job.wait(240) == 3
        assert len(slurm.requeued) == 1
    assert content("double_well", where) == whole(
        "double_well", tmp_path / "whole", "executor=inline", ROUNDS
    )
    assert not Path(f"/tmp/msgen-{os.getpid()}").exists()


@pytest.mark.slow
@pytest.mark.ray
def test_a_cancelled_job_stays_away(tmp_path: Path) -> None:
    where = tmp_path / "runs"
    with tagged() as env:
        slurm = Slurm(tmp_path, env, job=os.getpid() + 1)
        job = slurm.start(*campaign(where, ROUNDS), STAND_IN_STATE="CANCELLED")
        until_committed(where, 1, job)
        job.send_signal(signal.SIGTERM)
        assert job.wait(110) == 1
    assert "scontrol show job" in slurm.log.read_text()
    assert not slurm.requeued


@pytest.mark.slow
@pytest.mark.ray
def test_a_wrong_campaign_is_not_requeued(tmp_path: Path) -> None:
    with tagged() as env:
        slurm = Slurm(tmp_path, env, job=os.getpid() + 2)
        assert slurm.start(*campaign(tmp_path / "runs", "replicas=-1")).wait(110) == 2
    assert "replicas" in slurm.output.read_text()
    assert not slurm.requeued


def with_ray(slurm: Slurm, folder: Path, start: str) -> None:
    """Put a `ray` on PATH that never is healthy, and does `start` when it is to start."""
    stand_in = folder / "bin" / "ray"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\n[ $1 = start ] || exit 1\n{start}\n")
    stand_in.chmod(0o755)
    slurm.env["PATH"] = f"{stand_in.parent}:{slurm.env['PATH']}"


def test_preempted_before_ray_is_up_it_comes_back(tmp_path: Path) -> None:
    with tagged() as env:
        slurm = Slurm(tmp_path, env, job=1)
        with_ray(slurm, tmp_path, "exec sleep 60")
        job = slurm.start("campaign.yaml")
        deadline = time.monotonic() + 20.0
        while not any(line.startswith("srun ray start") for line in slurm.asked):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)
        assert job.wait(20) == 1
    assert slurm.requeued == ["scontrol requeue 1"]


def test_where_ray_does_not_start_it_stays_away(tmp_path: Path) -> None:
    with tagged() as env:
        slurm = Slurm(tmp_path, env, job=2)
        with_ray(slurm, tmp_path, "exit 1")
        assert slurm.start("campaign.yaml").wait(20) == 1
    assert "Ray did not start on 127.0.0.1" in slurm.output.read_text()
    assert not slurm.requeued


def test_the_script_is_whole_and_asks_for_its_campaign() -> None:
    script = CLUSTER / "slurm.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    told = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "CAMPAIGN.yaml" in told.stderr
    directives = script.read_text()
    for line in ("--signal=B:TERM@120", "--requeue", "--no-kill", "--open-mode=append"):
        assert f"#SBATCH {line}" in directives
