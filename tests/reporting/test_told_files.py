"""Dataclasses of results/ as JSON: read as they were written, or refused by name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from msgen.orchestrator.reporting.told_files import read_told, write_told
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError


@dataclass(frozen=True)
class Told:
    name: str
    value: float | None


KIND = TypeAdapter(Told)


def test_a_told_dataclass_comes_back(tmp_path: Path) -> None:
    path = write_told(tmp_path / "told.json", {"of": "x", **asdict(Told("µ", 0.25))}, 3)
    assert read_told(path, KIND, 3, beside="of") == Told("µ", 0.25)
    unknown = write_told(tmp_path / "nan.json", asdict(Told("a", float("nan"))), 3)
    assert read_told(unknown, KIND, 3) == Told("a", None)


def test_another_layout_and_damage_are_named_with_the_remedy(tmp_path: Path) -> None:
    path = write_told(tmp_path / "told.json", asdict(Told("a", 1.0)), 2)
    with pytest.raises(RunDirectoryError, match="layout 2; this msgen reads 3: do it again"):
        read_told(path, KIND, 3, "do it again")
    whole = path.read_text()
    for text in (
        whole[:-9],
        "[]",
        json.dumps({"name": "a", "value": 1.0}),
        '{"schema_version": 2}',
    ):
        path.write_text(text)
        with pytest.raises(RunDirectoryError, match=r"told\.json is damaged$"):
            read_told(path, KIND, 2)
    with pytest.raises(FileNotFoundError):
        read_told(tmp_path / "none.json", KIND, 2)
