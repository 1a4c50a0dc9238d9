"""Runs of the toy campaign inline, in this process or in a forked one, and what they leave."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toy_campaign import Recorder, build, setup

from msgen.actors.base import copy_tree, encode
from msgen.orchestrator.loop.job import Job
from msgen.orchestrator.loop.ledger import Ledger
from msgen.orchestrator.run import run_job
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.run_directory.tree_file import tree_hash


def job(path: Path, **toy: Any) -> Job:
    return Job(path, setup(**toy), build)


def finish(path: Path, **toy: Any) -> dict[str, object]:
    assert run_job(job(path, **toy), Recorder(), executor="inline").status == "converged"
    return content(path)


def content(path: Path) -> dict[str, object]:
    """Every committed sample, the index, and the strategy's state."""
    store = Store(path / "store.zarr")
    held = {name: store.read(name).tobytes() for name in store.names()}
    rnd, tree, _ = Checkpoints(path / "checkpoints").load(10**9)
    assert rnd == store.last_round
    ledger = Ledger.from_tree(tree)
    pending = [(due, order.key) for due, order in ledger.pending]
    state = tree_hash(copy_tree(ledger.strategy))
    return {
        **held,
        "index": store.index().tobytes(),
        "state": state,
        "looks": tree_hash(encode(ledger.looks)),
        "pending": pending,
        "spent": (ledger.cost.rounds, ledger.cost.energy_evaluations),
        "digest": store.digest,
    }


def child(work: Callable[[], int]) -> int:
    """Run `work` in a forked process that exits with what it returns; gives its process id."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return pid


def run_child(path: Path, **toy: Any) -> int:
    statuses = ["converged", "exhausted", "interrupted", "failed"]
    return child(
        lambda: statuses.index(run_job(job(path, **toy), Recorder(), executor="inline").status)
    )


def interrupted(path: Path, rounds: int) -> None:
    run_job(job(path, rounds=rounds), Recorder(), executor="inline")
