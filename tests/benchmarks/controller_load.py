"""How many replicas one controller can serve: everything but the sampling itself, for real.

`make bench NAME=controller_load [ARGS="replicas rounds"]`. A small campaign of alanine dipeptide is
run until it produces; then its replicas are made 1,000 and each order's work is a stand-in: 1 s
after it was sent, the segment of a real order of its stratum comes back, renumbered. Strategy,
estimators, store, checkpoints and results are the campaign's own.
"""

from __future__ import annotations

import heapq
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rows import ROOT, Row, publish

from msgen.actors.base import Begun, Segment, Tree, WorkOrder, copy_tree
from msgen.actors.worker import Worker
from msgen.orchestrator.base import Failure, Pulse, RoundInfo, Strategy
from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Controller
from msgen.orchestrator.loop.replica_policy import Elastic
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.reporting.monitor import Monitor
from msgen.orchestrator.reporting.results import CVInfo, RunHeader
from msgen.orchestrator.run import build_strategy
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import load

CONFIG = ROOT / "configs" / "alanine_dipeptide.yaml"
SMALL = (
    "replicas=8",
    "strategy.local.steps=500",
    "model.hidden=[8]",
    "model.epochs=2",
    "converge.state_error=1e-6 kT",
    "converge.unseen=null",
)  # probes are orders of another kind
TEMPLATES = 4
WORK_S = 1.0


class StandIn:
    """Asynchronous workers, as many as there are orders, in one process."""

    def __init__(self, setup: Tree) -> None:
        self._worker = Worker(setup)
        self._templates: dict[int, list[Segment]] = {}
        self._due: list[tuple[float, int, Segment]] = []
        self.segments = self._sent = 0

    def publish(self, version: int, model: Tree) -> None:
        self._worker.publish(version, model)

    def retire(self, version: int) -> None:
        self._worker.retire(version)

    def submit(self, orders: Sequence[WorkOrder]) -> None:
        for order in orders:
            # to read an order is the workers' work, and not here
            stratum = int(order.payload["stratum"][0])
            known = self._templates.setdefault(stratum, [])
            if len(known) < TEMPLATES:
                done = self._worker.execute(order)
                assert isinstance(done, Segment)  # nobody stops it
                known.append(done)
            back = self._renumbered(known[order.replica % len(known)], order)
            heapq.heappush(self._due, (time.perf_counter() + WORK_S, self._sent, back))
            self._sent += 1

    def _renumbered(self, one: Segment, order: WorkOrder) -> Segment:
        me = float(order.payload["replicas"][0])
        samples = {name: data.copy() for name, data in one.samples.items()}
        for name in ("replica", "path_replica"):
            if name in samples:
                samples[name] = np.full_like(samples[name], me)
        carry = copy_tree(one.carry)
        return replace(one, key=order.key, samples=samples, carry=carry, wall_s=WORK_S)

    def completed(
        self, timeout_s: float | None = None, pulse: Pulse | None = None
    ) -> Iterator[Segment | Begun | Failure]:
        if pulse is not None and pulse(0):
            self._due.clear()
        if not self._due:
            return
        wait = self._due[0][0] - time.perf_counter()
        if timeout_s is not None and wait > timeout_s:
            time.sleep(timeout_s)
            return
        time.sleep(max(0.0, wait))
        while self._due and self._due[0][0] <= time.perf_counter():
            self.segments += 1
            yield heapq.heappop(self._due)[2]

    def in_hand(self) -> int:
        return len(self._due)

    def workers(self) -> int:
        return 100_000

    def ask(self, workers: int) -> None:
        """There are enough."""

    def close(self) -> None:
        self._due.clear()


class Watch:
    """Tells the monitor, and notes time and memory of every round."""

    def __init__(self, monitor: Monitor, full: int = 0, rounds: int = 0) -> None:
        self._monitor, self._full, self._rounds = monitor, full, rounds
        self.stop = StopFlag()
        self.seen: list[tuple[float, float]] = []

    def round(self, info: RoundInfo) -> None:
        self._monitor.round(info)
        if info.replicas == self._full:
            self.seen.append((time.perf_counter(), memory()))
            if len(self.seen) == self._rounds:
                self.stop.request()

    def close(self, status: Any, reason: str) -> None:
        self._monitor.close(status, reason)


def memory() -> float:
    """Resident MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def prepared(folder: Path) -> tuple[Strategy[Any], Tree, RunHeader]:
    """A real campaign that has just begun to produce, in `folder`."""
    campaign, _ = load(CONFIG, SMALL)
    setup: Tree = {
        "campaign": campaign.to_dict(),
        "system": campaign.spec_system(),
        "cvs": campaign.spec_cvs(),
        "states": campaign.spec_states(),
        "strategy": campaign.spec_strategy(),
        "model": campaign.spec_model(),
        "base_dir": str(CONFIG.parent),
        "platform": "Reference",
        "seed": campaign.seed,
        "threads": 1,
        "trajectory": False,
    }
    strategy = build_strategy(setup)
    cvs = tuple(CVInfo(name, True, "rad") for name in campaign.cvs)
    header = RunHeader("load", 320.0, 2.66, cvs, campaign.spec_states() or {})
    executor = InlineExecutor(setup)
    for rounds in range(12, 60, 4):
        watch = Watch(Monitor(folder, header, tensorboard=False))
        Controller(strategy, executor, folder, watch, limits=Limits(rounds=rounds)).run()
        found = EventLog(folder / "events.jsonl").read()
        if any(e["event"] == "phase" and e["now"] == "produce" for e in found):
            return strategy, setup, header
    raise RuntimeError("the campaign did not come to produce")


def deciding(strategy: Strategy[Any], folder: Path) -> dict[int, float]:
    """Seconds of one decision, for growing numbers of replicas."""
    state = Checkpoints(folder / "checkpoints").load(Store(folder / "store.zarr").last_round)[1]
    out = {}
    for replicas in (1000, 2000, 4000, 8000):
        resized = strategy.resize(strategy.read(state["strategy"]), replicas)
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            strategy.decide(resized)
            times.append(time.perf_counter() - begun)
        out[replicas] = statistics.median(times)
    return out


def loaded(replicas: int, rounds: int) -> list[Row]:
    """Run `rounds` rounds with all `replicas`, and what they took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strategy, setup, header = prepared(folder)
        executor = StandIn(setup)
        watch = Watch(Monitor(folder, header, tensorboard=False), replicas, rounds)
        elastic = Elastic(8, replicas, target_kT=1e-9)
        controller = Controller(strategy, executor, folder, watch, elastic=elastic, stop=watch.stop)
        controller.run()
        decisions = deciding(strategy, folder)
    times, sizes = (np.array(column) for column in zip(*watch.seen, strict=True))
    settled = min(20, rounds // 5)
    rate = replicas / float(np.median(np.diff(times)))
    begin, end = np.median(sizes[settled : settled + 5]), np.median(sizes[-5:])
    growth = decisions[8000] / decisions[1000]
    per = 1e6 * (replicas / rate - WORK_S) / replicas
    rows = [
        Row("segments a second", rate, "1/s", f"{replicas} replicas of {WORK_S:g} s", "≥ 500",
            bool(rate >= 500)),
        Row("controller beside the work", per, "µs/segment", "one process, one core"),
        Row("memory, round 20", float(begin), "MiB"),
        Row(f"memory, round {rounds} / round 20", float(end / begin), "", "", "≤ 1.1",
            bool(end <= 1.1 * begin)),
    ]  # fmt: skip
    rows += [Row(f"decision, {n} replicas", 1e3 * t, "ms") for n, t in decisions.items()]
    rows.append(Row("decision, 8000 / 1000 replicas", growth, "", "8 is linear", "≤ 10",
                    bool(growth <= 10)))  # fmt: skip
    return rows


if __name__ == "__main__":
    asked = [int(v) for v in sys.argv[1:]]
    publish("controller_load", loaded(*(asked or (1000, 100))))
