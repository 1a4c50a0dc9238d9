"""Two workers against one, and what a node that is ten times slower costs the others.

`make bench NAME=scaling`. The executor, Ray and its nodes are real; the work is a stand-in that
waits for a fixed time, so that two workers do not fight for the cores of a small machine.
"""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster
from rows import Row, publish
from toy_campaign import Recorder, build
from toy_faults import setup

from msgen.orchestrator.executors.ray import connection
from msgen.orchestrator.executors.ray import controller as ray_controller
from msgen.orchestrator.loop.job import Job, Resources
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run_directory.events import EventLog

ROUNDS, SECONDS, SKIP = 14, 0.25, 4


def per_round(folder: Path, name: str, workers: int | None, **toy: Any) -> float:
    """Seconds of a round, once the workers are up and their pace is known."""
    options = {"rounds": ROUNDS, "seconds": SECONDS, "marker": str(folder), **toy}
    one = Job(folder / name, setup(**options), build, resources=Resources(workers=workers))
    outcome = ray_controller.run(one, Recorder(), StopFlag())
    assert outcome.status == "converged", outcome.reason
    events = EventLog(one.run_dir / "events.jsonl").read()
    ends = [datetime.fromisoformat(e["time"]) for e in events if e["event"] == "round"][SKIP:]
    return (ends[-1] - ends[0]).total_seconds() / (len(ends) - 1)


def main() -> None:
    head = {"num_cpus": 2, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    with tempfile.TemporaryDirectory() as name, connection.cluster(cluster.address):
        folder = Path(name)
        one = per_round(folder, "one", 1)
        two = per_round(folder, "two", 2)
        slow = cluster.add_node(num_cpus=1)
        beside = per_round(folder, "slow", None, slow_node=slow.node_id)
    cluster.shutdown()
    gain, loss = one / two, beside / two - 1.0
    publish(
        "scaling",
        [
            Row("a round on one worker", one, "s"),
            Row("a round on two workers", two, "s"),
            Row("two workers against one", gain, "", "ideal: 2", ">= 1.9", gain >= 1.9),
            Row("with a node ten times slower", beside, "s"),
            Row("throughput that it costs", loss, "", "two workers", "< 0.15", loss < 0.15),
        ],
    )


if __name__ == "__main__":
    main()
