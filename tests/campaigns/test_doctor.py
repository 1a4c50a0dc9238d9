"""`msgen doctor` finds what is there, and what is not comes with its remedy."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.doctor import command, engines, machine
from msgen.orchestrator.commands.doctor.base import Finding, told
from msgen.orchestrator.commands.doctor.engines import Probe
from msgen.systems.base import Array


def test_of_a_machine_that_runs_these_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--no-ray", "--output-dir", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().out
    for what in ("msgen ", "cores", "GiB free", "one process sees", "OpenMM Reference", "GPU"):
        assert what in said, what
    assert "WRONG" not in said
    assert not list(tmp_path.iterdir())  # nothing stays behind


def test_what_is_wrong_ends_in_another_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Finding("disk", "wrong", "no room", "Make some")
    monkeypatch.setattr(command, "examine", lambda *_: iter([one]))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out == told([one]) + "\n"
    assert told([one]) == "WRONG  disk  no room\n             → Make some"


def verdicts(found: Iterator[Finding]) -> dict[str, str]:
    return {one.what: one.verdict for one in found}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (one,) = machine.disk(tmp_path / "file" / "runs")
    assert one.verdict == "wrong"
    assert "--output-dir" in one.remedy


@pytest.mark.parametrize(
    ("prints", "verdict"), [("held", "fine"), ("taken", "wrong"), ("", "wrong")]
)
def test_locks_that_nobody_sees(
    prints: str, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system without them: both processes take the lock."""
    monkeypatch.setattr(machine, "_TRY", f"print({prints!r})")
    assert verdicts(machine.disk(tmp_path))["file locks"] == verdict


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package"))
    found = list(machine.versions())
    assert [one.verdict for one in found] == ["fine", "wrong"]
    assert "no-such-package" in found[1].said


def test_a_full_disk_and_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEAST_DISK", 1e9)
    monkeypatch.setattr(machine, "LEAST_MEMORY", 1e9)
    assert verdicts(machine.disk(tmp_path))["disk"] == "note"
    assert verdicts(machine.memory()) == {"memory": "note"}


def _raise(name: str) -> Array:
    raise RuntimeError(f"CUDA_ERROR on {name}\nand more")


@pytest.mark.parametrize(
    ("forces", "verdict", "words"),
    [
        (lambda name: np.ones((3, 3)), "fine", "as on Reference"),
        (lambda name: np.ones((3, 3)) * (1.0 if name == "Reference" else 1.1), "wrong", "0.1"),
        (lambda name: np.ones((3, 3)) if name == "Reference" else _raise(name), "note", "ERROR"),
    ],
)
def test_a_platform_that_is_wrong_or_does_not_run(
    forces: Callable[[str], Array], verdict: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "forces", lambda _self, name: forces(name))
    monkeypatch.setattr(engines, "microseconds_a_step", lambda *_: 5.0)
    probe = Probe.waters()
    found = {one.what: one for one in engines.platforms(probe)}
    assert found["OpenMM Reference"].verdict == "fine"
    one = found["OpenMM CPU"]
    assert one.verdict == verdict
    assert words in one.said
    assert "\n" not in one.said


@pytest.mark.slow
def test_ray_that_starts() -> None:
    assert verdicts(engines.workers("local")) == {"Ray": "fine"}


def test_ray_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(address: str) -> NoReturn:
        raise ConnectionError(f"no room for {address}\nand more")

    monkeypatch.setattr("msgen.orchestrator.executors.ray.connection.cluster", nobody)
    (one,) = engines.workers("local")
    assert (one.verdict, one.said) == ("wrong", "no room for local")
    assert "inline" in one.remedy


def test_a_ray_address_where_nobody_is() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (one,) = engines.workers(address)
    assert one.verdict == "wrong"
    assert one.said == f"{address} does not answer: Connection refused"


def test_a_ray_address_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and says nothing: without an end to it this test would hang."""
    monkeypatch.setattr(engines, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        (one,) = engines.workers(address)
    assert one.verdict == "wrong"
    assert one.said == f"{address} lets nobody join within 0.2 s"


def test_what_ray_says_when_it_cannot_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_JOIN", "raise ConnectionError('of another version')")
    (one,) = engines.workers("auto")
    assert one.said == "ConnectionError: of another version"
    monkeypatch.setattr(engines, "_JOIN", "")
    assert verdicts(engines.workers("auto")) == {"Ray": "fine"}
