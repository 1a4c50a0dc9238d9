"""What a release is told by: its version, the changelog and the citation file."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.version import Version
from places import ROOT

import msgen
from msgen.orchestrator.cli import main, main_run
from msgen.orchestrator.run_directory.provenance import versions

# of https://citation-file-format.github.io, what this file uses of schema 1.2.0
CFF: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["cff-version", "message", "title", "authors"],
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "message": {"type": "string", "minLength": 1},
        "title": {"type": "string", "minLength": 1},
        "abstract": {"type": "string", "minLength": 1},
        "type": {"enum": ["software", "dataset"]},
        "version": {"type": "string", "minLength": 1},
        "license": {"const": "MIT"},
        "keywords": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string", "minLength": 1}},
            },
        },
    },
}


def test_one_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert str(Version(msgen.__version__)) == msgen.__version__
    assert versions()["msgen"] == msgen.__version__
    for command in (lambda: main(["--version"]), lambda: main_run(["--version"])):
        with pytest.raises(SystemExit) as left:
            command()
        assert left.value.code == 0
        assert capsys.readouterr().out == f"msgen {msgen.__version__}\n"
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == msgen.__version__
    with open(ROOT / "pyproject.toml", "rb") as file:
        assert "version" in tomllib.load(file)["project"]["dynamic"]


def test_the_changelog_is_kept() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads[0] == "[Unreleased]"
    dates = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", head) for head in heads[1:]]
    released = [Version(found[1]) for found in dates if found]
    assert len(released) == len(heads) - 1
    assert released == sorted(released, reverse=True)
    assert str(released[0]) == msgen.__version__
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_file_fits_its_format() -> None:
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    jsonschema.validate(about, CFF)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**about, "authors": []}, CFF)
