"""Kill everything, again and again, and see that nothing was lost: `make chaos`.

Three local Ray nodes and one campaign. At random moments a worker, the trainer, the controller,
the driver or a whole node is killed, 50 times in all; the driver is started again whenever it has
ended. The samples and free energies have to be those of an undisturbed run in one process, bit for
bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from msgen.orchestrator.events import EventLog
from msgen.orchestrator.files import read_lines
from msgen.orchestrator.store import Store

ROOT = Path(__file__).resolve().parents[1]
MAIN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
CAMPAIGN = (
    str(ROOT / "configs" / "double_well.yaml"), "--set", "replicas=16",
    "--set", "strategy.local.steps=20", "--set", "converge.state_error=0.0001 kT",
    "--set", "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}",
    "--set", "output.tensorboard=false",
)  # fmt: skip
KINDS = {"worker": 0.35, "trainer": 0.15, "controller": 0.15, "driver": 0.15, "node": 0.2}
TITLES = {"worker": "ray::Worker", "trainer": "ray::Trainer", "controller": "ray::_Controller"}


def processes(title: str) -> list[int]:
    """Ids of the processes that Ray named so."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes().startswith(title.encode()):
                found.append(int(entry.name))
        except OSError:  # it has just ended
            continue
    return found


class Chaos:
    """The cluster, the driver that runs on it, and what was done to them."""

    def __init__(self, folder: Path, rounds: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.folder, self.rounds = folder, rounds
        self.run = folder / "double-well"
        self.log = folder / "driver.log"
        self.killed: Counter[str] = Counter()
        self.starts = 0
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        # a lost node is noticed in a second and a half rather than in fifteen
        quick = {"health_check_failure_threshold": 3, "health_check_period_ms": 500}
        head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.cluster.wait_for_nodes()
        self.driver: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """The driver, on the head node; it resumes what is there."""
        command = [sys.executable, "-c", MAIN, *CAMPAIGN, "--set", f"budget.rounds={self.rounds}"]
        command += ["--output-dir", str(self.folder), "--address", self.cluster.address]
        self.starts += 1
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))

    def kill(self) -> bool:
        """Kill one thing; whether there was such a thing."""
        (kind,) = self.rng.choices(list(KINDS), list(KINDS.values()))
        assert self.driver is not None
        if kind == "driver":
            self.driver.kill()
            self.driver.wait()
        elif kind == "node":
            which = self.rng.randrange(len(self.nodes))
            self.cluster.remove_node(self.nodes[which], allow_graceful=self.rng.random() < 0.5)
            time.sleep(self.rng.uniform(0.0, 1.0))
            self.nodes[which] = self.cluster.add_node(num_cpus=1)
        else:
            found = processes(TITLES[kind])
            if not found:
                return False
            os.kill(self.rng.choice(found), signal.SIGKILL)
        self.killed[kind] += 1
        return True

    def go(self, kills: int) -> None:
        """Until `kills` are done and the campaign has come to its end."""
        commits = self.run / "commits.jsonl"
        while True:
            if self.driver is None or self.driver.poll() is not None:
                if self.driver is not None and self.driver.returncode == 3:
                    break
                self.driver = self.start()
            if self.killed.total() >= kills:
                time.sleep(0.2)
                continue
            seen = len(read_lines(commits))
            enough = seen + self.rng.randrange(3)
            patience = time.monotonic() + 30.0
            while len(read_lines(commits)) < enough and self.driver.poll() is None:
                if time.monotonic() > patience:
                    break
                time.sleep(0.02)
            time.sleep(self.rng.uniform(0.0, 0.5))
            if self.driver.poll() is None:
                self.kill()

    def close(self) -> None:
        if self.driver is not None and self.driver.poll() is None:
            self.driver.kill()
        self.cluster.shutdown()


def content(run: Path) -> dict[str, Any]:
    """What may not depend on how it was run."""
    results = json.loads((run / "results" / "free_energy.json").read_text())
    cost = results.pop("cost")
    store = Store(run / "store.zarr")
    return {
        "samples": store.digest,
        "rows": store.index().tolist(),
        "states": results["states"],
        "surface": results["surface"],
        "evaluations": cost["energy_evaluations"],
        "rounds": cost["rounds"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet = [sys.executable, "-c", MAIN, *CAMPAIGN, "--set", f"budget.rounds={asked.rounds}"]
        quiet += ["--output-dir", str(folder / "quiet"), "--executor", "inline"]
        undisturbed = subprocess.Popen(quiet, stdout=subprocess.DEVNULL)
        chaos = Chaos(folder / "chaos", asked.rounds, asked.seed)
        (folder / "chaos").mkdir()
        try:
            chaos.go(asked.kills)
        finally:
            chaos.close()
        undisturbed.wait()
        commits = [line["round"] for line in read_lines(chaos.run / "commits.jsonl")]
        events = EventLog(chaos.run / "events.jsonl").read()
        lost = [e for e in events if e["event"] == "failure"]
        once = commits == list(range(asked.rounds))
        same = content(chaos.run) == content(folder / "quiet" / "double-well")
        phases = Counter(e["phase"] for e in events if e["event"] == "round")
    print(f"killed: {dict(chaos.killed)}, {chaos.killed.total()} in all; driver started "
          f"{chaos.starts} times; {len(lost)} orders lost and done again")  # fmt: skip
    print(f"rounds begun and ended, by phase: {dict(phases)}")
    print(f"every round committed once: {once}; samples and results as undisturbed: {same}")
    return 0 if once and same and chaos.killed.total() >= asked.kills else 1


if __name__ == "__main__":
    sys.exit(main())
