"""A campaign handed to a Ray cluster as a job: stopped, resumed, and seen in Ray's metrics."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from places import CONFIGS
from small_campaigns import SMALL, content, whole
from tagged_processes import tagged

BIN = Path(sys.executable).parent
SCRIPT = str(CONFIGS / "cluster" / "campaign.sh")


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def until(what: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)


def metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:  # not there yet
        return ""


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(
    importlib.util.find_spec("aiohttp") is None,
    reason="jobs need ray[default]: pip install -r configs/cluster/requirements.txt",
)
def test_a_job_stopped_commits_and_the_same_command_goes_on(tmp_path: Path) -> None:
    where = tmp_path / "runs"
    record = where / "double-well" / "commits.jsonl"
    gcs, dashboard, exported = free_ports(3)

    def rounds() -> int:
        return len(record.read_text().splitlines()) if record.exists() else 0

    with tagged() as env:
        env |= {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": env["MSGEN_TEST_TAG"],
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
            "RAY_JOB_STOP_WAIT_TIME_S": "60",
            "RAY_USAGE_STATS_ENABLED": "0",
        }

        def ray(*args: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
            done = subprocess.run(
                ["ray", *args],
                env=env,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
            with (tmp_path / "ray.log").open("a") as log:
                log.write(f"ray {' '.join(args)}: {done.returncode}\n{done.stdout}\n")
            return done

        def submit(name: str, *more: str) -> subprocess.CompletedProcess[str]:
            campaign = [SCRIPT, str(CONFIGS / "double_well.yaml"), "--executor", "ray"]
            campaign += ["--output-dir", str(where), "--address", "auto"]
            for text in (*SMALL["double_well"], *more):
                campaign += ["--set", text]
            return ray("job", "submit", "--no-wait", "--submission-id", name, "--", *campaign)

        head = ["ray", "start", "--head", f"--port={gcs}", "--num-cpus=2", "--block"]
        head += [f"--dashboard-port={dashboard}", f"--metrics-export-port={exported}"]
        head += [f"--temp-dir=/tmp/msgen{os.getpid()}j"]
        with (tmp_path / "head.log").open("wb") as log:
            subprocess.Popen(head, env=env, stdout=log, stderr=log, start_new_session=True)
        until(lambda: submit("one").returncode == 0)
        until(lambda: rounds() >= 4)
        until(lambda: "ray_msgen_segments" in metrics(exported))
        assert ray("job", "stop", "one").returncode == 0
        stopped = rounds()
        log_of = ray("job", "logs", "one").stdout
        assert f"stopped after round {stopped - 1}" in log_of
        last = f"budget.rounds={stopped + 4}"
        assert submit("two", last).returncode == 0
        # the budget is spent, exit 3: to Ray a job that succeeded
        until(lambda: "'two' succeeded" in ray("job", "status", "two").stdout)
    shutil.rmtree(f"/tmp/msgen{os.getpid()}j", ignore_errors=True)
    assert content("double_well", where) == whole(
        "double_well", tmp_path / "whole", "executor=inline", last
    )
