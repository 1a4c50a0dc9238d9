"""Runs of the toy campaign on Ray and inline, and the samples they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toy_campaign import Recorder

from msgen.orchestrator.loop.controller import Outcome
from msgen.orchestrator.loop.job import Job
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run import run_job
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store


def content(path: Path) -> dict[str, bytes]:
    store = Store(path / "store.zarr")
    held = {name: store.read(name).tobytes() for name in store.names()}
    return {**held, "index": store.index().tobytes(), "digest": store.digest.encode()}


def events(path: Path, kind: str) -> list[dict[str, Any]]:
    return [e for e in EventLog(path / "events.jsonl").read() if e["event"] == kind]


def on_ray(one: Job, stop: StopFlag | None = None) -> tuple[Outcome, Recorder]:
    from msgen.orchestrator.executors.ray import controller as ray_controller

    recorder = Recorder()
    return ray_controller.run(one, recorder, stop or StopFlag()), recorder


def inline(one: Job) -> dict[str, bytes]:
    assert run_job(one, Recorder(), executor="inline").status == "converged"
    return content(one.run_dir)
