"""The benchmark of foreign systems: it sees what a command does, and its verdicts go both ways."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from systems_parts import watched
from systems_parts.archives import Archives
from systems_parts.foreign import FOREIGN
from systems_parts.seen import Seen, rows_of

import systems
from msgen.orchestrator.schema import Campaign

GOOD = Seen("ala5", "x", 3, 1.0, 8.5, 30.0, 12.0, False, False, "some words", 0.4, 53, 900, 2,
            "exhausted", "Reference", 0.7, {"A": (0.0, 0.1), "B": (None, None)})  # fmt: skip
BY_NAME = {foreign.name: foreign for foreign in FOREIGN}


def test_there_are_enough_and_each_is_a_campaign() -> None:
    assert len(BY_NAME) == len(FOREIGN) >= 12
    assert {"openmmtools", "mdtraj", "openmm", "parmed", "mdanalysistests"} <= {
        foreign.package for foreign in FOREIGN
    }
    for foreign in FOREIGN:
        campaign = Campaign.parse(foreign.campaign(1000, 5.0, 3))
        assert (campaign.budget.energy_evaluations, campaign.budget.wall) == (1000, 5.0)


def test_files_come_out_of_wheels_and_source_archives(tmp_path: Path) -> None:
    kept = tmp_path / "archives"
    kept.mkdir()
    with zipfile.ZipFile(kept / "one-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("one/a.pdb", "in a wheel")
    with tarfile.open(kept / "two-2.0.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("two-2.0/data/a.pdb")
        info.size = 6
        tar.addfile(info, io.BytesIO(b"in tar"))
    archives = Archives(tmp_path)
    assert archives.take("one", "one/a.pdb").read_text() == "in a wheel"
    for _ in range(2):  # and from what was kept
        assert archives.take("two", "data/a.pdb").read_text() == "in tar"
    for package, member in (("one", "one/b.pdb"), ("two", "two-2.0/data/a.pdb"), ("three", "x")):
        with pytest.raises(FileNotFoundError):
            archives.take(package, member)


def test_what_a_command_does_is_seen(tmp_path: Path) -> None:
    code = f"""
import time
time.sleep(0.5)
print("begun")
open({str(tmp_path / "commits.jsonl")!r}, "w").write("{{}}")
time.sleep(1.5)
raise SystemExit(3)
"""
    seen = watched.watch([sys.executable, "-c", code], tmp_path, 60.0)
    assert (seen.text, seen.exit, seen.hung) == ("begun\n", 3, False)
    assert seen.first_s >= 0.5
    assert seen.silence_s >= 1.4
    assert seen.round_s is not None
    assert seen.first_s - 0.1 <= seen.round_s <= seen.took_s


def test_who_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_KILL_S", 0.5)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    seen = watched.watch([sys.executable, "-c", code], tmp_path, 0.5)
    assert seen.hung
    assert seen.exit < 0
    assert seen.first_s == seen.silence_s == seen.took_s
    assert seen.round_s is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"first_s": 12.0, "silence_s": 12.0}, ["first sign of life", "longest silence"]),
        ({"silence_s": 40.0}, ["longest silence"]),
        ({"hung": True}, ["ends as it should"]),
        ({"traceback": True}, ["ends as it should"]),
        ({"exit": 1}, ["ends as it should"]),
        ({"exit": 2, "round_s": None, "share": None, "states": {}}, ["ends as it should"]),
    ],
)
def test_a_campaign_is_judged(change: dict[str, object], broken: list[str]) -> None:
    rows = rows_of(BY_NAME["ala5"], replace(GOOD, **change))
    assert [r.what for r in rows if r.holds is False] == [f"ala5: {what}" for what in broken]
    if not change:
        told = {r.what: (r.value, r.reference) for r in rows}
        assert told["ala5: F A"] == (0.0, "± 0.1")
        assert "ala5: F B" not in told
        assert told["ala5: evaluations a second"] == (0.7, "bare, Reference")


@pytest.mark.parametrize(
    ("exit_", "told", "holds"),
    [(2, "no amber03.ff here", True), (2, "something else", False), (3, "amber03.ff", False)],
)
def test_what_is_to_be_refused_is_to_say_why(exit_: int, told: str, holds: bool) -> None:
    rows = rows_of(BY_NAME["dhfr"], replace(GOOD, name="dhfr", exit=exit_, told=told))
    (row,) = (r for r in rows if r.what == "dhfr: ends as it should")
    assert row.holds is holds


def test_what_was_seen_is_kept_until_something_else_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def see(foreign: object, campaign: object, wall_s: float, asked: str, *rest: object) -> Seen:
        calls.append(asked)
        return replace(GOOD, asked=asked)

    monkeypatch.setattr(systems, "see", see)
    for words in (["ala5"], ["ala5"], ["ala5", "--evaluations", "7"], ["ala5", "--wall", "9"]):
        systems.rows(systems.options(words), Archives(tmp_path), tmp_path)
    assert len(calls) == len(set(calls)) == 3
    # those that were seen before are in the table as well
    found = systems.rows(systems.options(["ala5", "--wall", "9"]), Archives(tmp_path), tmp_path)
    assert {r.what.partition(":")[0] for r in found} == {"ala5"}
    with pytest.raises(SystemExit, match="no such system"):
        systems.rows(systems.options(["ala6"]), Archives(tmp_path), tmp_path)
