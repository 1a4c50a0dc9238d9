"""What goes wrong is told in words, whatever it is, to whatever terminal."""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openmm as mm
import pytest
from places import CONFIGS, TESTS

from msgen.orchestrator import causes, cli
from msgen.orchestrator.causes import MachineError, unforeseen
from msgen.orchestrator.cli import main
from msgen.orchestrator.executors.ray.starting import check_room, in_words, starting
from msgen.orchestrator.library.errors import RunError
from msgen.orchestrator.printable import make_printable
from msgen.orchestrator.run_directory.checkpoint import CheckpointError, Checkpoints

ANALYTIC = TESTS / "campaigns" / "analytic.yaml"
PDB = CONFIGS / "alanine_dipeptide.pdb"


class Odd(Exception):
    """Of a class that nobody has heard of."""


COMMANDS = {
    "run": [str(ANALYTIC)],
    "validate": [str(ANALYTIC)],
    "status": ["."],
    "report": ["."],
    "export": ["."],
    "verify": ["."],
    "init": ["a.pdb"],
    "schema": [],
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unforeseen_error_of_any_command_says_where_its_traceback_is(
    command: str,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(args: object) -> int:
        raise Odd("half of it")

    monkeypatch.setitem(cli._COMMANDS, command, replace(cli._COMMANDS[command], call=fails))
    assert main([command, *COMMANDS[command]]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.startswith(f"msgen {command}")
    assert "Odd: half of it" in said
    (log,) = temporary.glob("msgen-*.log")
    assert str(log) in said
    assert "Odd: half of it" in log.read_text()
    assert "in fails" in log.read_text()


def _openmm_error() -> Exception:
    """OpenMM's own, of a cutoff and a box."""
    system, force = mm.System(), mm.NonbondedForce()
    system.addParticle(1.0)
    force.addParticle(0.0, 0.1, 0.0)
    force.setNonbondedMethod(force.CutoffPeriodic)
    force.setCutoffDistance(3.0)
    system.addForce(force)
    with pytest.raises(mm.OpenMMException) as caught:
        mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    return caught.value


@pytest.mark.parametrize(
    ("make", "helps"),
    [
        (_openmm_error, "shorter system.cutoff"),
        (lambda: mm.OpenMMException("Particle coordinate is NaN"), "minimize: true"),
        (lambda: MemoryError("Unable to allocate 16.2 GiB"), "fewer CVs or bins"),
        (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "UTF-8"),
    ],
)
def test_errors_that_are_known_come_with_a_remedy(
    make: Callable[[], Exception], helps: str, temporary: Path
) -> None:
    said = unforeseen(make(), "msgen validate a.yaml")
    assert helps in said
    assert "please report" not in said
    assert len(said.splitlines()) == 3
    inside = RunError.of(RuntimeError("a worker failed"), temporary)
    assert "please" not in str(inside)
    told = RunError.of(make(), temporary)
    assert helps in str(told)
    assert told.log is not None


def test_what_the_system_says_names_its_file(temporary: Path) -> None:
    said = unforeseen(PermissionError(13, "Permission denied", "/root/x.pdb"), "msgen init x.pdb")
    assert said == "msgen init x.pdb: /root/x.pdb: Permission denied"
    assert not list(temporary.glob("*.log"))


def test_twin_without_the_guard_shows_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(cli._COMMANDS["schema"], call=lambda args: 1 // 0)
    monkeypatch.setitem(cli._COMMANDS, "schema", broken)
    monkeypatch.setattr(cli, "unforeseen", lambda error, doing: (_ for _ in ()).throw(error))
    with pytest.raises(ZeroDivisionError):
        main(["schema"])


# terminals

TEXT = "ΔF(rest) = −3.60 ± 0.20 kT · R̂ of φ … «unmet» — 字"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_terminal_can_be_written_to(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    make_printable(stream)
    print(TEXT, file=stream, flush=True)
    said = raw.getvalue().decode(encoding)
    assert "3.60" in said
    assert ("±" if encoding != "ascii" else "+-") in said
    assert said.rstrip().endswith("字" if encoding == "utf-8" else "?")


def test_twin_as_python_opens_a_stream_fails() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with pytest.raises(UnicodeEncodeError):
        print(TEXT, file=stream, flush=True)
    make_printable(stream)


def test_a_campaign_runs_on_a_terminal_that_knows_no_unicode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended at its first line of progress."""
    text = """
executor: inline
system: {kind: double_well}
cvs: {x: {kind: coordinate, index: 0, range: [-2, 2]}}
states: {left: {x: [-2, 0]}}
strategy: {kind: local, local: {kind: hmc, steps: 5}}
replicas: 2
budget: {rounds: 1}
output: {tensorboard: false}
"""
    (tmp_path / "c.yaml").write_text(text)
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["run", str(tmp_path / "c.yaml"), "--output-dir", str(tmp_path)]) == 3
    sys.stdout.flush()
    said = raw.getvalue().decode("ascii")
    assert "dF/kT" in said
    assert "--set budget.rounds=2" in said


# Ray and the run directory


def test_a_path_too_long_for_sockets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 90)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    words = "AF_UNIX path length cannot exceed 107 bytes: /tmp/…"
    with pytest.raises(MachineError) as caught, starting("auto"):
        raise OSError(words)
    for part in ("xxxx", "too long for Ray's sockets", "TMPDIR=/tmp", "--executor inline"):
        assert part in str(caught.value)


def test_shared_memory_that_is_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**20))
    with pytest.raises(MachineError, match="has 1 MiB free"):
        check_room(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**40))
    check_room(tmp_path)


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    said = in_words(ConnectionError("Could not find any running Ray instance."), "auto")
    assert "--address local" in said
    error = RunError.of(MachineError(said), tmp_path)
    assert str(error) == f"msgen failed: {said}"  # nothing to read in a traceback


def test_checkpoints_that_were_removed_come_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=re.escape("begin anew under another --output-dir")):
        Checkpoints(tmp_path / "gone").load(3)
    assert Checkpoints(tmp_path / "gone").rounds() == []


def test_causes_are_told_by_their_class_whatever_it_is_called() -> None:
    chained = RuntimeError("a worker failed")
    chained.__cause__ = MemoryError()
    assert causes.remedy(chained) == causes.remedy(MemoryError())
    assert causes.remedy(RuntimeError("a worker failed")) is None
