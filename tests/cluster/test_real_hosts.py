"""A campaign over hosts with addresses of their own, one of which is cut off and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from network_hosts import PORT, Hosts, hosts, impossible
from places import CONFIGS
from small_campaigns import MAIN, SMALL, content, whole

from msgen.orchestrator.run_directory.events import EventLog

MORE = 4
"""Rounds after the host is back, and again after a stop."""

LOOK = f"""
import sys, time, ray
ray.init(address=sys.argv[1] + ":{PORT}", log_to_driver=False)
for _ in range(120):
    if {{n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"]}} == set(sys.argv[1:]):
        sys.exit()
    time.sleep(0.5)
sys.exit("some host is missing")
"""
"""Waits until there is a node at each of the addresses given, the head's first."""


def campaign(these: Hosts, where: Path, *sets: str) -> subprocess.Popen[bytes]:
    """The campaign on host 0, over all of them."""
    command = [sys.executable, "-c", MAIN, str(CONFIGS / "double_well.yaml")]
    command += ["--output-dir", str(where), "--executor", "ray"]
    command += ["--address", f"{these.address(0)}:{PORT}"]
    for text in (*SMALL["double_well"], *sets):
        command += ["--set", text]
    return these.start(0, *command)


def until(what: Callable[[], Any], driver: subprocess.Popen[bytes], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert driver.poll() is None, "the campaign ended first"
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.ray
def test_a_host_cut_off_and_back_shows_in_no_sample(tmp_path: Path) -> None:
    reason = impossible()
    if reason:
        pytest.skip(reason)
    where = tmp_path / "hosts"
    run = where / "double-well"
    log = EventLog(run / "events.jsonl")

    def rounds() -> int:
        record = run / "commits.jsonl"
        return len(record.read_text().splitlines()) if record.exists() else 0

    def workers() -> list[int]:
        return [e["now"] for e in log.read() if e["event"] == "workers"]

    with hosts(3, tmp_path) as these:
        nodes = [these.ray(host) for host in range(3)]
        assert these.start(0, sys.executable, "-c", LOOK, *map(these.address, range(3))).wait() == 0
        driver = campaign(these, where)
        until(lambda: rounds() >= 3, driver)
        told = len(workers())
        these.cut(2)
        until(lambda: len(workers()) > told and workers()[-1] == 2, driver)
        beside = rounds()
        until(lambda: rounds() >= beside + MORE, driver)  # the others go on
        these.mend(2)
        # its Ray ends itself once it hears that it was given up; a service manager starts another
        try:
            nodes[2].wait(60)
        finally:
            if nodes[2].poll() is None:
                os.killpg(nodes[2].pid, signal.SIGKILL)
        nodes[2] = these.ray(2)
        until(lambda: workers()[-1] == 3, driver)
        back = rounds()
        until(lambda: rounds() >= back + MORE, driver)
        _terminate(driver)
        assert driver.wait(60) == 1
        last = f"budget.rounds={rounds() + MORE}"
        assert campaign(these, where, last).wait(120) == 3
    assert content("double_well", where) == whole(
        "double_well", tmp_path / "inline", "executor=inline", last
    )


def _terminate(driver: subprocess.Popen[bytes]) -> None:
    # `ip netns exec` became the driver itself
    driver.send_signal(signal.SIGTERM)
