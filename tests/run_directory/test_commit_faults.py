"""Cut at every step of the commit protocol, and disks that are full or read-only at each write."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_campaign
from disk_faults import CALLS, CutOffError, faulty
from toy_campaign import Recorder
from toy_one_axis import TEXT, OneAxis
from toy_runs import child, content, finish, job

from msgen.actors.base import Segment
from msgen.actors.roles.registry import ROLES
from msgen.orchestrator import run as wiring
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run import run_job
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.store import Store

ROUNDS = 3  # the first makes every array, the second grows them, the third prunes checkpoints


@pytest.fixture(autouse=True)
def no_power_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushing takes most of the time, and nothing here loses what the system has in memory."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return finish(tmp_path_factory.mktemp("whole") / "run", rounds=ROUNDS)


def run(path: Path) -> Recorder:
    recorder = Recorder()
    run_job(job(path, rounds=ROUNDS), recorder, executor="inline")
    return recorder


def look(path: Path, whole: dict[str, object]) -> None:
    """What a reader sees now is a number of whole rounds, and so is what would be resumed."""
    if not (path / "commits.jsonl").exists():
        return
    seen = Store(path / "store.zarr")
    for name in seen.names():
        full = whole[name]
        assert isinstance(full, bytes)
        assert full.startswith(seen.read(name).tobytes())
    if seen.last_round >= 0:
        rnd, state, damaged = Checkpoints(path / "checkpoints").load(seen.last_round)
        assert (rnd, state["round"], damaged) == (seen.last_round, seen.last_round, [])


def test_cut_at_every_disk_operation(tmp_path: Path, whole: dict[str, object]) -> None:
    seen: set[str] = set()
    for at in range(10_000):
        path = tmp_path / str(at)
        with faulty("cut", at) as disk, suppress(CutOffError):
            run(path)
        if not disk.failed:
            break
        seen.add(disk.broke)
        look(path, whole)
        assert finish(path, rounds=ROUNDS) == whole, f"cut at call {at}, {disk.broke}"
    assert at > 100
    assert seen >= {"create", "write", "fsync", "replace", "mkdir"}
    # a few times a run, and threads decide when: it need not be the call that failed
    assert {"unlink", "rmdir"} <= set(disk.calls)


def test_a_resume_can_be_cut_too(tmp_path: Path, whole: dict[str, object]) -> None:
    """Cutting off what was not committed happens on disk as well."""
    seen: set[str] = set()
    for at in range(10_000):
        path = tmp_path / str(at)
        store = Store(path / "store.zarr", "w")
        run_job(job(path, rounds=1), Recorder(), executor="inline")
        store = Store(path / "store.zarr", "w")
        store.append(store.last_round + 1, uncommitted(store.last_round + 1))
        del store
        with (path / "commits.jsonl").open("ab") as file:
            file.write(b'{"schema')
        with faulty("cut", at) as disk, suppress(CutOffError):
            Store(path / "store.zarr", "w")
        if not disk.failed:
            break
        seen.add(disk.broke)
        look(path, whole)
        assert finish(path, rounds=ROUNDS) == whole, f"cut at call {at}, {disk.broke}"
    assert at > 5
    assert seen >= {"unlink", "replace"}


def uncommitted(rnd: int) -> list[Any]:
    """More than a chunk of one array, and an array that no committed round has."""
    return [
        Segment((rnd, "other", 0), samples={"x": np.ones(4)}),
        Segment((rnd, "walk", 0), samples={"cvs": np.ones((70_000, 2))}),
    ]


def test_killed_at_a_disk_operation(tmp_path: Path, whole: dict[str, object]) -> None:
    """A real SIGKILL, at every eleventh call."""

    def work(path: Path, at: int) -> int:
        with faulty("kill", at):
            run(path)
        return 0

    for at in range(0, 10_000, 11):
        path = tmp_path / str(at)
        pid = child(lambda path=path, at=at: work(path, at))  # type: ignore[misc]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == 0:
            break
        assert code == -signal.SIGKILL
        look(path, whole)
        assert finish(path, rounds=ROUNDS) == whole, f"killed at call {at}"
    assert at > 100


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("fault", "word"), [("full", "the disk is full"), ("read-only", "read-")])
def test_full_or_read_only_from_any_write_on(
    tmp_path: Path, whole: dict[str, object], fault: Any, word: str, stride: int
) -> None:
    at, failures = 0, 0
    while True:
        path = tmp_path / str(at)
        path.mkdir()
        with faulty(fault, at) as disk:
            try:
                recorder = run(path)
            except OSError as error:  # before the loop began: the command line tells it
                if error.errno not in (errno.ENOSPC, errno.EROFS):
                    raise
                recorder = Recorder()
        if not disk.failed:
            break
        failures += 1
        assert all(status == "failed" and word in why for status, why in recorder.closed[-1:])
        look(path, whole)
        assert finish(path, rounds=ROUNDS) == whole, f"{fault} from call {at}, {disk.broke}"
        at += stride
    assert failures * stride > 100


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system of `size` at `path`; yields what remounts it."""
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True
    )
    if made.returncode:
        pytest.skip("file systems cannot be mounted here")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_disk_that_is_really_full(tmp_path: Path, whole: dict[str, object]) -> None:
    """At every number of pages up to what the campaign takes."""
    failures = 0
    for pages in range(3, 1000, 2):
        with small_disk(tmp_path / str(pages), f"{pages * 4}k") as remount:
            path = tmp_path / str(pages) / "run"
            recorder = Recorder()
            try:
                outcome = run_job(job(path, rounds=ROUNDS), recorder, executor="inline")
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            else:
                if outcome.status == "converged":
                    break
                assert "the disk is full" in outcome.reason
                assert "free" in outcome.reason
                assert str(path) in outcome.reason
            failures += 1
            look(path, whole)
            remount("size=8m")
            assert finish(path, rounds=ROUNDS) == whole
    assert failures > 5


def test_a_file_that_may_not_grow(tmp_path: Path, whole: dict[str, object]) -> None:
    """A limit of the system, which takes a part of a line and refuses the rest."""

    def work(limit: int) -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        recorder = run(tmp_path / "run")
        assert "may not grow" in recorder.closed[-1][1]
        assert "ulimit -f" in recorder.closed[-1][1]
        return 0

    for limit in (600, 1400, 2200):
        pid = child(lambda limit=limit: work(limit))  # type: ignore[misc]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        look(tmp_path / "run", whole)
    assert finish(tmp_path / "run", rounds=ROUNDS) == whole


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A campaign file whose strategy is the toy's."""
    monkeypatch.setattr(wiring, "build_strategy", lambda setup, context: OneAxis())
    for kind in toy_campaign.ROLES:

        def role(context: Any, order: Any, rng: Any, kind: str = kind) -> Any:
            context.setup["toy"] = {}
            return getattr(toy_campaign, kind)(context, order, rng)

        monkeypatch.setitem(ROLES, kind, role)
    file = tmp_path / "toy.yaml"
    file.write_text(TEXT)
    return file


def test_what_a_person_is_told(
    tmp_path: Path, campaign: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [str(campaign), "--output-dir"]
    assert main_run([*command, str(tmp_path / "whole")]) == 0
    want = Store(tmp_path / "whole" / "toy" / "store.zarr").digest
    with small_disk(tmp_path / "disk", "4m") as remount:
        command.append(str(tmp_path / "disk"))
        free = os.statvfs(tmp_path / "disk")
        filler = tmp_path / "disk" / "filler"
        for left in (0, 2, 6, 12, 24, 40):
            filler.unlink(missing_ok=True)
            free = os.statvfs(tmp_path / "disk")
            filler.write_bytes(bytes((free.f_bavail - left) * free.f_bsize))
            capfd.readouterr()
            assert main_run(command) == 1
            told = "".join(capfd.readouterr())
            assert told.count("the disk is full") == 1
            assert "Free some space; then the same command goes on from there" in told
            assert "Traceback" not in told
            assert "is committed and safe" in told or "No round had been committed" in told
        remount("ro")
        assert main_run(command) == 2
        told = capfd.readouterr().err
        assert "is not writable" in told
        assert "Traceback" not in told
        remount("rw")
        filler.unlink()
        assert main_run(command) == 0
        assert Store(tmp_path / "disk" / "toy" / "store.zarr").digest == want


def test_nothing_that_changes_the_disk_is_left_out() -> None:
    """The code of the commit path calls nothing that the faults do not know."""
    known = {*CALLS, "write", "open", "close", "fstat", "pread", "pwrite", "getpid", "strerror"}
    here = Path(wiring.__file__).parent / "run_directory"
    for name in ("atomic_files", "durable", "store", "checkpoint", "tree_file", "events", "lock"):
        used = set(re.findall(r"\bos\.([a-z]+)\(", (here / f"{name}.py").read_text()))
        assert used <= known, name


def test_the_comparison_would_see_a_difference(tmp_path: Path, whole: dict[str, object]) -> None:
    other = job(tmp_path / "b", rounds=ROUNDS)
    other.setup["seed"] = 12
    run_job(other, Recorder(), executor="inline")
    assert content(tmp_path / "b") != whole
