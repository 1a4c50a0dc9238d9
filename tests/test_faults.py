"""Cut at every step of the commit protocol; disks that fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_resume import content, finish, job
from toy_campaign import Recorder

from msgen.orchestrator.campaign import run_job
from msgen.orchestrator.store import Store

STEPS = ("replace", "fsync", "write")
ROUNDS = 3


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing tidies up."""


@contextmanager
def cut(at: int, after_round: int, path: Path, before: bool) -> Iterator[list[str]]:
    """Die `before` or just after the `at`-th disk operation that follows `after_round`'s commit."""
    real = {name: getattr(os, name) for name in STEPS}
    done: list[str] = []
    lock = threading.Lock()
    commits = path / "commits.jsonl"

    def patched(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                if not commits.exists() or commits.read_bytes().count(b"\n") <= after_round:
                    return real[name](*args, **kwargs)
                if len(done) > at:
                    raise Killed  # other threads are dead too
                done.append(name)
                if len(done) > at and before:
                    raise Killed
                result = real[name](*args, **kwargs)
                if len(done) > at:
                    raise Killed
                return result

        return call

    for name in STEPS:
        setattr(os, name, patched(name))
    try:
        yield done
    finally:
        for name in STEPS:
            setattr(os, name, real[name])


@pytest.mark.parametrize("before", [True, False])
def test_cut_at_every_disk_operation_of_a_round(tmp_path: Path, before: bool) -> None:
    whole = finish(tmp_path / "whole", rounds=ROUNDS)
    at, cuts = 0, 0
    while True:
        path = tmp_path / str(at)
        with cut(at, 0, path, before) as done:
            try:
                run_job(job(path, rounds=ROUNDS), Recorder(), executor="inline")
            except Killed:
                cuts += 1
            else:
                break
        seen = Store(path / "store.zarr")  # what a reader sees at that moment
        assert seen.last_round in (0, 1, 2)
        for name in seen.names():
            full = whole[name]
            assert isinstance(full, bytes)
            assert full.startswith(seen.read(name).tobytes())
        assert finish(path, rounds=ROUNDS) == whole, f"cut at operation {at} ({done[-1]})"
        at += 1 if at < 30 else 7  # the first round fully, the second in steps
    assert cuts > 30
    assert {"replace", "fsync", "write"} <= set(done)


def test_a_full_disk_is_an_error_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    count = [0]

    def full(fd: int) -> None:
        count[0] += 1
        if count[0] == 45:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    recorder = Recorder()
    with pytest.raises(OSError, match="No space left"):
        run_job(job(tmp_path / "run"), recorder, executor="inline")
    assert recorder.closed[0][0] == "failed"
    assert "No space left" in recorder.closed[0][1]
    monkeypatch.undo()
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")


def test_the_comparison_would_see_a_difference(tmp_path: Path) -> None:
    finish(tmp_path / "a")
    other = job(tmp_path / "b")
    other.setup["seed"] = 12
    run_job(other, Recorder(), executor="inline")
    assert content(tmp_path / "a") != content(tmp_path / "b")
