"""A run that lost a file says so, whatever is asked of it, and does not go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from places import CONFIGS

from msgen.orchestrator.cli import main, main_run

SETTINGS = ("strategy={kind: local, local: {kind: hmc, steps: 3}}", "replicas=8",
            "output.tensorboard=false", "converge.state_error=1e-6 kT")  # fmt: skip


def start(where: Path, rounds: int) -> int:
    settings = (*SETTINGS, f"budget.rounds={rounds}")
    return main_run([str(CONFIGS / "double_well.yaml"), "--executor", "inline", "--output-dir",
                     str(where), *(w for s in settings for w in ("--set", s))])  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("whole")
    assert start(where, 6) == 3
    return where


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "runs")
    return tmp_path / "runs" / "double-well"


def a_chunk(run: Path) -> Path:
    return run / "store.zarr" / "sample" / "cvs" / "c.0.0"


def test_whole(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["verify", str(run)]) == 0
    assert "whole: 6 rounds" in capsys.readouterr().out
    assert main(["status", str(run)]) == 0
    assert "DAMAGED" not in capsys.readouterr().out


def test_a_lost_chunk(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_chunk(run).unlink()
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != "lock"}
    capsys.readouterr()
    for command in (["verify"], ["export"]):
        assert main([*command, str(run)]) == 1
        assert "sample/cvs" in (told := capsys.readouterr().err)
        assert "c.0.0 is missing" in told
    assert start(run.parent, 9) == 1
    told = capsys.readouterr().err
    assert "c.0.0 is missing" in told
    assert "from a copy" in told
    assert main(["status", str(run)]) == 0
    assert "DAMAGED" in capsys.readouterr().out
    assert {p: p.read_bytes() for p in before} == before


def test_a_cut_chunk(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_chunk(run).write_bytes(a_chunk(run).read_bytes()[:-5])
    capsys.readouterr()
    for refused in (main(["verify", str(run)]), main(["export", str(run)]), start(run.parent, 9)):
        assert refused == 1
    assert "sample/cvs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "lost",
    ["store.zarr", "checkpoints", "commits.jsonl", "store.zarr/zarr.json",
     "store.zarr/sample/cvs/zarr.json"],
)  # fmt: skip
def test_a_lost_file_or_folder(lost: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = run / lost
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    kept = sorted((run / "store.zarr").rglob("*"))
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    name = lost.split("/")[0]
    assert name in capsys.readouterr().err
    assert start(run.parent, 9) == 1
    told = capsys.readouterr().err
    assert name in told
    assert "another --output-dir" in told
    assert "raceback" not in told
    assert sorted((run / "store.zarr").rglob("*")) == kept


def test_a_run_that_was_killed_before_its_first_commit_begins_again(run: Path) -> None:
    for name in ("commits.jsonl", "store.zarr", "results", "checkpoints"):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (run / "checkpoints" / "0").mkdir(parents=True)
    assert start(run.parent, 6) == 3
    assert main(["verify", str(run)]) == 0
