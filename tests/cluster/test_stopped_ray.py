"""SIGTERM to all of a driver's process group, as timeout(1) sends it, through Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import SUPPORT
from tagged_processes import tagged
from toy_runs import finish

from msgen.orchestrator.run_directory.events import EventLog

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.ray]

DRIVER = """
import sys
from pathlib import Path
from toy_campaign import Recorder, build, setup
from msgen.orchestrator.loop.job import Job, Resources
from msgen.orchestrator.run import run_job

job = Job(Path(sys.argv[1]), setup(rounds=60, seconds=0.05), build, resources=Resources(workers=1))
out = run_job(job, Recorder(), executor="ray")
print(out.status, out.reason)
sys.exit({"converged": 0}.get(out.status, 1))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_commits_and_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    with tagged() as env:
        env["PYTHONPATH"] = str(SUPPORT)
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "run")],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        commits = tmp_path / "run" / "commits.jsonl"
        while not (commits.exists() and commits.read_bytes().count(b"\n") >= 3):
            assert driver.poll() is None
            time.sleep(0.05)
        os.killpg(driver.pid, number)
        said = driver.communicate(timeout=120)[0]
    assert driver.returncode == 1, said
    assert f"{number.name}: no more work begins" in said
    assert "interrupted stopped after round" in said
    last = EventLog(tmp_path / "run" / "events.jsonl").read()[-1]
    assert (last["event"], last["status"]) == ("stop", "interrupted")
    assert finish(tmp_path / "run", rounds=60) == finish(tmp_path / "whole", rounds=60)


def test_a_local_node_is_nobody_elses(tmp_path: Path) -> None:
    """It listens on the loopback, and who does not know its token is refused."""
    from msgen.orchestrator.executors.ray import connection

    knock = "import sys, ray; ray.init(address=sys.argv[1]); print('let in')"
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
    with connection.cluster("local"):
        import ray

        address = str(ray.get_runtime_context().gcs_address)
        host, _, port = address.partition(":")
        assert host == "127.0.0.1"
        mine = {**os.environ, **loopback}
        for token, let_in in ((os.environ["RAY_AUTH_TOKEN"], True), ("0" * 64, False)):
            ran = subprocess.run(
                [sys.executable, "-c", knock, address],
                env={**mine, "RAY_AUTH_TOKEN": token},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ("let in" in ran.stdout) == let_in, ran.stderr
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing: which address would it go out from
            outside = probe.getsockname()[0]
        if not outside.startswith("127."):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((outside, int(port)), timeout=5)
    assert "RAY_AUTH_TOKEN" not in os.environ
