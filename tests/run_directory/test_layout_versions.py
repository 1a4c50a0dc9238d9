"""What an older or a newer msgen wrote: brought up to date, or refused by name."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from toy_campaign import Recorder
from toy_runs import content, finish, interrupted, job

from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.run import run_job
from msgen.orchestrator.run_directory import events, provenance
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.layout_versions import FormatError
from msgen.orchestrator.run_directory.sample_arrays import StoreError
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.run_directory.tree_file import load_tree, save_tree, tree_hash


def as_layout_1(run_dir: Path) -> None:
    """Write the checkpoints and records again as they were before they had 'msgen' and 'orders'."""
    for folder in (run_dir / "checkpoints").iterdir():
        state = load_tree(folder / "state.npz")
        del state["last"]["orders"]
        save_tree(folder / "state.npz", state)
        record = {"schema_version": 1, "round": int(folder.name), "sha256": tree_hash(state)}
        (folder / "COMPLETE").write_text(json.dumps(record) + "\n")
    rewrite(run_dir / "commits.jsonl", lambda commit: commit.pop("msgen"))


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def as_later(run_dir: Path) -> None:
    """Checkpoints as msgen 9.9 may write them: another layout, properly sealed."""
    for path in (run_dir / "checkpoints").glob("*/COMPLETE"):
        record = json.loads(path.read_text())
        record.pop("check")
        record |= {"schema_version": 7, "msgen": "9.9.0"}
        text = json.dumps(record, sort_keys=True)
        record["check"] = hashlib.sha256(text.encode()).hexdigest()
        path.write_text(json.dumps(record))


def held(run_dir: Path) -> dict[str, bytes]:
    left_out = ("events.jsonl", "lock", "writer.lock")
    files = [p for p in run_dir.rglob("*") if p.is_file() and p.name not in left_out]
    return {str(p.relative_to(run_dir)): p.read_bytes() for p in files}


def test_a_run_of_the_first_layout_goes_on(tmp_path: Path) -> None:
    interrupted(tmp_path / "run", 4)
    as_layout_1(tmp_path / "run")
    state = Checkpoints(tmp_path / "run" / "checkpoints").load(3)[1]
    assert state["last"]["orders"] == state["last"]["replicas"] == 4
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")
    told = EventLog(tmp_path / "run" / "events.jsonl").read()
    assert not [e for e in told if e["event"] == "damaged"]


def test_a_later_layout_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    interrupted(tmp_path, 4)
    as_later(tmp_path)
    before = held(tmp_path)
    with pytest.raises(FormatError, match=r"by msgen 9\.9\.0 in layout 7; this msgen .* layout 4"):
        run_job(job(tmp_path), Recorder(), executor="inline")
    assert held(tmp_path) == before


def test_a_later_store_is_refused_before_anything_is_cut_off(tmp_path: Path) -> None:
    interrupted(tmp_path, 4)
    rewrite(tmp_path / "commits.jsonl", lambda c: c.update(schema_version=2, msgen="9.9.0"))
    before = held(tmp_path)
    with pytest.raises(FormatError, match=r"Go on with the msgen that wrote it \(9\.9\.0\)"):
        run_job(job(tmp_path), Recorder(), executor="inline")
    assert held(tmp_path) == before


def test_a_later_provenance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / provenance.FILE
    path.write_text(json.dumps({"schema_version": 2, "versions": {"msgen": "9.9.0"}}))
    with pytest.raises(FormatError, match=r"msgen 9\.9\.0 in layout 2"):
        provenance.write(tmp_path, campaign="x", seed=1, platform=None, deterministic=True)
    assert json.loads(path.read_text())["schema_version"] == 2


def test_a_flipped_bit_is_no_other_layout(tmp_path: Path) -> None:
    interrupted(tmp_path / "run", 4)
    seal = tmp_path / "run" / "checkpoints" / "3" / "COMPLETE"
    seal.write_text(seal.read_text().replace('"schema_version": 2', '"schema_version": 3'))
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")


def test_a_damaged_record_of_the_past_cuts_nothing_off(tmp_path: Path) -> None:
    interrupted(tmp_path, 4)
    commits = tmp_path / "commits.jsonl"
    lines = commits.read_bytes().splitlines(keepends=True)
    commits.write_bytes(b"".join([lines[0], b"\0" + lines[1][1:], *lines[2:]]))
    before = held(tmp_path)
    with pytest.raises(StoreError, match="line 2 is damaged"):
        run_job(job(tmp_path), Recorder(), executor="inline")
    assert held(tmp_path) == before


def test_torn_last_lines_of_records_and_events(tmp_path: Path) -> None:
    interrupted(tmp_path / "run", 4)
    for name in ("commits.jsonl", "events.jsonl"):
        with (tmp_path / "run" / name).open("ab") as file:
            file.write(b'{"round": 4, "le')
    read_only = EventLog(tmp_path / "run" / "events.jsonl").read()
    assert (tmp_path / "run" / "events.jsonl").read_bytes().endswith(b'"le')
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")
    whole = EventLog(tmp_path / "run" / "events.jsonl").read()
    assert whole[: len(read_only)] == read_only
    assert whole[-1]["event"] == "stop"


def test_a_run_goes_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied to another place, with another working directory, and named by a relative path."""
    interrupted(tmp_path / "here" / "run", 4)
    shutil.copytree(tmp_path / "here" / "run", tmp_path / "there" / "moved")
    shutil.rmtree(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "there")
    assert finish(Path("moved")) == finish(tmp_path / "whole")


def test_a_clock_that_runs_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It only informs: samples, the wall budget and the lock do not look at it."""
    steps = iter(range(10_000_000))

    class Backwards(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2030, 1, 1, tzinfo=UTC) - timedelta(hours=next(steps))

    monkeypatch.setattr(events, "datetime", Backwards)
    monkeypatch.setattr("time.time", lambda: 1.9e9 - 3600.0 * next(steps))
    monkeypatch.setattr("time.strftime", lambda *a: "2099-01-01 00:00:00")
    one = job(tmp_path / "run")
    limited = type(one)(one.run_dir, one.setup, one.build, limits=Limits(wall_s=100.0))
    assert run_job(limited, Recorder(), executor="inline").status == "converged"
    times = [e["time"] for e in EventLog(tmp_path / "run" / "events.jsonl").read()]
    assert times == sorted(times, reverse=True)
    assert len(times) > 5
    monkeypatch.undo()
    finish(tmp_path / "whole")
    assert Store(tmp_path / "run" / "store.zarr").digest == content(tmp_path / "whole")["digest"]
