"""Faults caused for real on local Ray nodes; the samples are those of an undisturbed run."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import SUPPORT
from toy_campaign import Recorder, build
from toy_faults import setup
from toy_on_ray import content, events, inline, on_ray

from msgen.orchestrator.loop.job import Job, Resources

ray = pytest.importorskip("ray")
connection = pytest.importorskip("msgen.orchestrator.executors.ray.connection")
ray_controller = pytest.importorskip("msgen.orchestrator.executors.ray.controller")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    quick = {"health_check_failure_threshold": 3, "health_check_period_ms": 500}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        with connection.cluster(cluster.address):
            yield cluster
    finally:
        cluster.shutdown()


def job(path: Path, *, deadline_s: float | None = None, **toy: Any) -> Job:
    options = {"marker": str(path.parent), **toy}
    return Job(path, setup(**options), build, resources=Resources(deadline_s=deadline_s))


def same_as_undisturbed(path: Path, rounds: int = 6) -> bool:
    quiet = path.parent / "quiet"
    return content(path) == inline(Job(quiet, setup(rounds=rounds), build))


class After(Recorder):
    """Does something once a round has been committed; here, since Ray's tests want this thread."""

    def __init__(self, **what: Callable[[], Any]) -> None:
        super().__init__()
        self._what = {int(name.removeprefix("round_")): do for name, do in what.items()}

    def round(self, info: Any) -> None:
        super().round(info)
        self._what.get(info.round, lambda: None)()


def run(one: Job, recorder: Recorder) -> Any:
    from msgen.orchestrator.loop.stop import StopFlag

    return ray_controller.run(one, recorder, StopFlag())


def test_a_worker_that_hangs_is_ended_and_its_order_done_elsewhere(
    tmp_path: Path, nodes: Cluster
) -> None:
    # longer than a trainer takes to import torch on a machine with much else to do
    outcome, _ = on_ray(job(tmp_path / "run", deadline_s=40.0, hang_at=[[2, "walk", 3]]))
    assert outcome.status == "converged", outcome.reason
    written = [e["event"] for e in events_of(tmp_path / "run")]
    assert written.index("deadline") < written.index("failure") < written.index("retry")
    assert [e["kind"] for e in events(tmp_path / "run", "failure")] == ["deadline"]
    hung = int((tmp_path / "hung").read_text())
    until = time.monotonic() + 60.0
    while Path(f"/proc/{hung}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{hung}").exists()
    assert same_as_undisturbed(tmp_path / "run")


def events_of(path: Path) -> list[dict[str, Any]]:
    from msgen.orchestrator.run_directory.events import EventLog

    return EventLog(path / "events.jsonl").read()


def test_a_worker_that_gives_nan_is_replaced(tmp_path: Path, nodes: Cluster) -> None:
    outcome, _ = on_ray(job(tmp_path / "run", nan_at=[[1, "walk", 2]]))
    assert outcome.status == "converged", outcome.reason
    assert [e["kind"] for e in events(tmp_path / "run", "failure")] == ["numbers"]
    assert same_as_undisturbed(tmp_path / "run")


def test_nan_from_every_worker_ends_the_campaign(tmp_path: Path, nodes: Cluster) -> None:
    outcome, _ = on_ray(job(tmp_path / "run", nan_at=[[1, "walk", 2]], nan_always=True))
    assert outcome.status == "failed"
    assert "replica 2 in round 1 gave walkers that are not finite 2 times" in outcome.reason


def test_a_trainer_killed_in_a_fit_costs_that_fit(tmp_path: Path, nodes: Cluster) -> None:
    outcome, _ = on_ray(job(tmp_path / "run", die_at=[[1, "fit", 0]]))
    assert outcome.status == "converged", outcome.reason
    assert [e["order"] for e in events(tmp_path / "run", "retry")] == [[1, "fit", 0]]
    assert same_as_undisturbed(tmp_path / "run")


@pytest.mark.parametrize("graceful", [True, False])
def test_nodes_join_and_leave(tmp_path: Path, nodes: Cluster, graceful: bool) -> None:
    rounds, joined = 30, list[Any]()

    def join() -> None:
        joined.append(nodes.add_node(num_cpus=2))

    def leave() -> None:
        nodes.remove_node(joined[0], allow_graceful=graceful)

    one = job(tmp_path / "run", rounds=rounds, seconds=0.15)
    assert run(one, After(round_0=join, round_14=leave)).status == "converged"
    counts = [e["now"] for e in events(tmp_path / "run", "workers")]
    assert counts[0] == 3
    assert counts[-1] == 1
    assert same_as_undisturbed(tmp_path / "run", rounds)


def test_nobody_waits_for_a_slow_node(tmp_path: Path, nodes: Cluster) -> None:
    slow = nodes.add_node(num_cpus=1)
    nodes.add_node(num_cpus=1)
    one = job(tmp_path / "run", rounds=8, seconds=0.1, slow_node=slow.node_id)
    assert on_ray(one)[0].status == "converged"
    assert events(tmp_path / "run", "spare")
    waited = [e["waited_s"] for e in events(tmp_path / "run", "round")][3:]
    assert max(waited) < 2.0  # ten times the dearest order would be 4 s
    assert same_as_undisturbed(tmp_path / "run", 8)


def test_the_controller_killed_says_how_to_go_on(tmp_path: Path, nodes: Cluster) -> None:
    holder = tmp_path / "run" / "writer.lock"

    def kill() -> None:
        import json

        os.kill(json.loads(holder.read_text())["pid"], signal.SIGKILL)

    one = job(tmp_path / "run", seconds=0.1)
    recorder = After(round_1=kill)
    with pytest.raises(RuntimeError, match="the same command goes on after the last committed"):
        run(one, recorder)
    assert recorder.closed[0][0] == "failed"
    assert on_ray(one)[0].status == "converged"
    assert same_as_undisturbed(tmp_path / "run")


def test_the_whole_cluster_gone_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign ends with an error; on another cluster it goes on after what was committed."""
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    one = job(tmp_path / "run", seconds=0.1)
    first = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    recorder = After(round_1=first.shutdown)
    with (
        pytest.raises((RuntimeError, ray.exceptions.RayError)),
        connection.cluster(first.address),
    ):
        run(one, recorder)
    assert len(recorder.infos) < 6
    second = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        with connection.cluster(second.address):
            outcome, after = on_ray(one)
    finally:
        second.shutdown()
    assert outcome.status == "converged"
    assert after.infos[0].round >= 1  # the last committed one is told again
    assert same_as_undisturbed(tmp_path / "run")


def test_a_full_object_store_is_waited_out(tmp_path: Path, monkeypatch: Any) -> None:
    """Somebody else fills it for a while; nothing is spilt to disk."""
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    small = {"automatic_object_spilling_enabled": False}
    head = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "_system_config": small}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    hogs: list[Any] = []

    def fill() -> None:
        for size in (16, 4, 1):
            with contextlib.suppress(ray.exceptions.RayError):
                while True:
                    hogs.append(ray.put(np.zeros(size * 2**17)))
        threading.Timer(4.0, hogs.clear).start()

    try:
        with connection.cluster(cluster.address):
            recorder = After(round_1=fill)
            outcome = run(job(tmp_path / "run", big=True, seconds=0.05), recorder)
    finally:
        cluster.shutdown()
    assert outcome.status == "converged", outcome.reason
    kinds = {e["kind"] for e in events(tmp_path / "run", "failure")}
    assert kinds <= {"store"}
    quiet = Job(tmp_path / "quiet", setup(big=True), build)
    assert content(tmp_path / "run") == inline(quiet)
