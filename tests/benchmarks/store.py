"""The store over a long campaign: 10⁷ samples in 1,000 rounds, committed as the controller does.

`make bench NAME=store [ARGS="rounds replicas samples"]`. Store, checkpoints, results and history
are the real ones, and flushed; only the sampling is left out. The state that is checkpointed has
the size of a campaign's (2 MB).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from rows import Row, publish

from msgen.actors.base import Segment
from msgen.orchestrator.base import Cost, Estimate, RoundInfo, StateEstimate
from msgen.orchestrator.reporting.monitor import Monitor
from msgen.orchestrator.reporting.results import CVInfo, RunHeader
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import RESOLVED

BINS = 72


def segments(rnd: int, replicas: int, samples: int) -> list[Segment]:
    """A round as the steered strategy's: CVs, energies and weights of sampling; works of paths."""
    rng = np.random.default_rng((1, rnd))
    each = samples // replicas
    local = [
        Segment(
            (rnd, "sample", i),
            samples={
                "cvs": rng.normal(size=(each, 2)),
                "energy": rng.normal(size=each),
                "log_bias": rng.normal(size=each),
                "replica": np.full(each, i),
            },
        )
        for i in range(replicas)
    ]
    paths = [
        Segment(
            (rnd, "steer", i),
            samples={"work": rng.normal(size=20), "source": rng.integers(0, 3, 20)},
        )
        for i in range(replicas)
    ]
    return sorted([*local, *paths], key=lambda s: s.key)


def info(rnd: int, samples: dict[str, Any]) -> RoundInfo:
    """What the monitor is told of a round."""
    rng = np.random.default_rng((2, rnd))
    axis = np.linspace(-np.pi, np.pi, BINS, endpoint=False)
    surface = rng.random((BINS, BINS))
    estimate = Estimate(
        axes={"phi": axis, "psi": axis},
        f_kT=surface,
        stderr_kT=surface,
        states={"A": StateEstimate(0.0, 0.0), "B": StateEstimate(1.0, 0.1)},
        diagnostics={"ess": 100.0},
        converged=False,
        unmet=("state_error: 0.1 kT",),
    )
    return RoundInfo(
        round=rnd,
        phase="produce",
        estimate=estimate,
        counts={},
        evaluations=10_000,
        cost=Cost(rounds=rnd + 1, energy_evaluations=10_000 * rnd, wall_s=float(rnd)),
        replicas=16,
        model_version=0,
        model_loss=0.0,
        budget={},
        cvs=samples["sample/cvs"],
        samples=samples,
    )


def readable(path: Path) -> dict[str, int]:
    """Rows of every array of a group, as zarr and, where it is installed, as xarray read them."""
    group = zarr.open_group(str(path), mode="r")
    rows = {"zarr": int(np.isfinite(np.asarray(group["sample/cvs"])).all(axis=1).sum())}
    try:
        import xarray
    except ModuleNotFoundError:
        return rows
    data = xarray.open_zarr(path, group="sample", consolidated=False, zarr_format=3)
    rows["xarray"] = int(np.isfinite(data["cvs"].values).all(axis=1).sum())
    return rows


def measure(folder: Path, rounds: int, replicas: int, samples: int) -> list[Row]:
    """Commit `rounds` rounds of `samples` samples."""
    rng = np.random.default_rng(3)
    state = {"round": -1, "last": {}, "strategy": {"series": rng.normal(size=250_000)}}
    header = RunHeader(
        "store", 320.0, 2.66, (CVInfo("phi", True, "rad"), CVInfo("psi", True, "rad")), {}
    )
    (folder / RESOLVED).write_text("name: store\n")
    store, checkpoints = Store(folder / "store.zarr", "w"), Checkpoints(folder / "checkpoints")
    monitor, events = Monitor(folder, header, tensorboard=False), EventLog(folder / "events.jsonl")
    parts: dict[str, list[float]] = {"samples": [], "checkpoint": [], "record": [], "results": []}
    cpu: list[float] = []  # what neighbours do to the disk is not in it
    read: dict[str, int] = {}
    for rnd in range(rounds):
        made = segments(rnd, replicas, samples)
        busy = time.process_time()
        marks = [time.perf_counter()]
        added = store.append(rnd, made)
        marks.append(time.perf_counter())
        checkpoints.save(rnd, {**state, "round": rnd})
        marks.append(time.perf_counter())
        store.commit()
        checkpoints.prune(rnd)
        events.write("round", round=rnd, phase="produce", evaluations=10_000)
        marks.append(time.perf_counter())
        cpu.append(time.process_time() - busy)
        monitor.round(info(rnd, added))
        marks.append(time.perf_counter())
        for name, a, b in zip(parts, marks[:-1], marks[1:], strict=True):
            parts[name].append(b - a)
        if rnd == rounds // 2:
            read = readable(folder / "store.zarr")
    tenth = max(1, rounds // 10)
    rows = [
        Row("samples", float(rounds * (samples // replicas) * replicas), "", f"{rounds} rounds"),
        Row("store on disk", size(folder / "store.zarr") / 2**20, "MiB"),
    ]
    totals = [sum(one) for one in zip(*list(parts.values())[:3], strict=True)]
    for name, times in [
        ("a commit", totals),
        ("of it: processor", cpu),
        *((f"of it: {n}", t) for n, t in parts.items()),
    ]:
        early, late = times[tenth : 2 * tenth], times[-tenth:]
        shown = "results, after it" if name.endswith("results") else name
        rows.append(Row(f"{shown}, last tenth", 1e3 * statistics.median(late), "ms", "median"))
        ratio = statistics.median(late) / statistics.median(early)
        bound, holds = ("≤ 1.5", ratio <= 1.5) if name == "a commit" else ("", None)
        rows.append(Row(f"{shown}: last tenth / second", ratio, "", "medians", bound, holds))
    files = sum(1 for p in (folder / "store.zarr").rglob("*") if p.is_file())
    rows.append(Row("files of the store", files, "", f"{rounds * replicas} segments"))
    per_round = files / rounds
    rows.append(
        Row("files a round", per_round, "", f"{len(store.names())} arrays", "≤ 1", files <= rounds)
    )
    want = (rounds // 2 + 1) * (samples // replicas) * replicas
    for reader, found in read.items():
        rows.append(Row(f"rows that {reader} reads half-way", found, "", "", "all", found == want))
    took = min(status(folder) for _ in range(3))
    rows.append(Row("msgen status", took, "s", "best of 3", "< 1", took < 1.0))
    began = time.perf_counter()
    Store(folder / "store.zarr", "w")
    checkpoints.load(rounds)
    rows.append(Row("open it again, to resume", time.perf_counter() - began, "s"))
    return rows


def status(folder: Path) -> float:
    """Seconds of `msgen status`, its start included."""
    code = "import sys; from msgen.orchestrator.cli import main; sys.exit(main())"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, "status", str(folder)], check=True, capture_output=True
    )
    if b"round" not in done.stdout:
        raise RuntimeError(json.dumps(done.stdout.decode()))
    return time.perf_counter() - began


def size(path: Path) -> int:
    """Bytes of all files below `path`."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:]] or [1000, 16, 10_000]
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(Path(scratch), *numbers)
    publish("store", rows)
