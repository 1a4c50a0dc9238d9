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

from msgen.orchestrator.run_directory.atomic_files import read_lines
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store

ROOT = Path(__file__).resolve().parents[1]
MAIN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
CAMPAIGN = (
    str(ROOT / "configs" / "alanine_dipeptide.yaml"), "--set", "replicas=8",
    "--set", "strategy.local.steps=100", "--set", "model.hidden=[8]", "--set", "model.epochs=2",
    "--set", "converge.state_error=0.0001 kT", "--set", "output.tensorboard=false",
)  # fmt: skip
KINDS = {"worker": 0.35, "trainer": 0.15, "controller": 0.15, "driver": 0.15, "node": 0.2}
TITLES = {"worker": "ray::Worker", "trainer": "ray::Trainer", "controller": "ray::_Controller"}


def parent(pid: int) -> int:
    # the second field, the name, may hold spaces, and ends with the last bracket
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def processes(title: str) -> list[int]:
    """Ids of the processes that Ray named so, on nodes that this process started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if not (entry / "cmdline").read_bytes().startswith(title.encode()):
                continue
            if parent(parent(int(entry.name))) == os.getpid():
                found.append(int(entry.name))
        except (OSError, ValueError):  # it has just ended
            continue
    return found


class Chaos:
    """The cluster, the driver that runs on it, and what was done to them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.run = folder / "alanine-dipeptide"
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

    def start(self, rounds: int = 10_000) -> subprocess.Popen[bytes]:
        """The driver, on the head node; it resumes what is there."""
        command = [sys.executable, "-c", MAIN, *CAMPAIGN, "--set", f"budget.rounds={rounds}"]
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

    def rounds(self) -> int:
        """Committed so far."""
        return len(read_lines(self.run / "commits.jsonl"))

    def go(self, kills: int) -> int:
        """Until `kills` are done; then the campaign runs one round more. How many there are."""
        while self.killed.total() < kills:
            if self.driver is None or self.driver.poll() is not None:
                self.driver = self.start()
            enough, patience = self.rounds() + self.rng.randrange(2), time.monotonic() + 30.0
            while self.rounds() < enough and self.driver.poll() is None:
                if time.monotonic() > patience:
                    break
                time.sleep(0.02)
            time.sleep(self.rng.uniform(0.0, 1.5))
            if self.driver.poll() is None:
                self.kill()
        assert self.driver is not None
        self.driver.terminate()
        self.driver.wait()
        rounds = self.rounds() + 1
        while self.driver.returncode != 3:
            self.driver = self.start(rounds)
            self.driver.wait()
        return rounds

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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep what is written there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        (folder / "chaos").mkdir(parents=True)
        chaos = Chaos(folder / "chaos", asked.seed)
        try:
            rounds = chaos.go(asked.kills)
        finally:
            chaos.close()
        quiet = [sys.executable, "-c", MAIN, *CAMPAIGN, "--set", f"budget.rounds={rounds}"]
        quiet += ["--output-dir", str(folder / "quiet"), "--executor", "inline"]
        subprocess.run(quiet, stdout=subprocess.DEVNULL)
        commits = [line["round"] for line in read_lines(chaos.run / "commits.jsonl")]
        events = EventLog(chaos.run / "events.jsonl").read()
        once = commits == list(range(rounds))
        same = content(chaos.run) == content(folder / "quiet" / chaos.run.name)
    lost = sum(e["event"] == "failure" for e in events)
    phases = Counter(e["phase"] for e in events if e["event"] == "round")
    print(f"killed: {dict(chaos.killed)}, {chaos.killed.total()} in all")
    print(f"driver started {chaos.starts} times, {lost} orders lost and done again")
    print(f"rounds by phase: {dict(phases)}; every one of {rounds} committed once: {once}")
    print(f"samples and results as of an undisturbed run, bit for bit: {same}")
    return 0 if once and same else 1


if __name__ == "__main__":
    sys.exit(main())
