"""docs/systems.md has every kind of system: keys, their defaults, and examples that are valid."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CONFIGS, ROOT

from msgen.orchestrator.cli import main
from msgen.orchestrator.schema import Campaign

PAGE = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
SECTIONS = {
    kind: body
    for title, body in re.findall(r"^## (.*)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE)
    for kind in re.findall(r"`([^`]+)`", title)
}
"""Text of each kind's section; one section may be of two kinds."""
SCHEMA = json.loads((CONFIGS / "campaign.schema.json").read_text(encoding="utf-8"))
ABSENT, REQUIRED = "—", "required"
ELSEWHERE = "peptide."
"""Of examples whose files nobody has here."""


def kinds(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The definitions behind a section that a `kind` decides."""
    mapping: dict[str, str] = section["discriminator"]["mapping"]
    return {kind: SCHEMA["$defs"][ref.rsplit("/", 1)[1]] for kind, ref in mapping.items()}


SYSTEMS = kinds(SCHEMA["properties"]["system"])


def examples(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Campaigns of a kind that its section shows, as text and as read."""
    for text in re.findall(r"```yaml\n(.*?)```", SECTIONS[kind], re.DOTALL):
        read = yaml.safe_load(text)
        if read["system"]["kind"] == kind:
            yield text, read


def table(kind: str) -> dict[str, str]:
    """Default of every key, as its section has it."""
    (found,) = re.findall(r"\| key \| default \| what \|\n\|.*\n((?:\|.*\n)+)", SECTIONS[kind])
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", found, re.MULTILINE)
    assert len(rows) == len(found.splitlines())
    return dict(rows)


def test_every_kind_has_a_section() -> None:
    assert set(SECTIONS) == set(SYSTEMS)


def test_every_key_is_there() -> None:
    for section in set(SECTIONS.values()):
        here = [kind for kind in SECTIONS if SECTIONS[kind] == section]
        keys = {key for kind in here for key in SYSTEMS[kind]["properties"]} - {"kind"}
        assert set(table(here[0])) == keys, here


@pytest.mark.parametrize("kind", SYSTEMS)
def test_defaults_are_those_of_the_schema(kind: str) -> None:
    definition = SYSTEMS[kind]
    shown = {k: v for k, v in table(kind).items() if k in definition["properties"]}
    assert {k for k, v in shown.items() if v == REQUIRED} == {*definition["required"]} - {"kind"}
    _, campaign = next(examples(kind))
    for key, text in shown.items():
        left_out = {k: v for k, v in campaign["system"].items() if k != key}
        if text == ABSENT:
            assert definition["properties"][key].get("default") is None, key
        elif text != REQUIRED:
            spelled = {**left_out, key: yaml.safe_load(text)}
            parsed = [Campaign.parse({**campaign, "system": s}) for s in (left_out, spelled)]
            assert parsed[0] == parsed[1], key


@pytest.mark.parametrize("kind", SYSTEMS)
def test_examples_are_valid(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(CONFIGS / "alanine_dipeptide.pdb", tmp_path)
    shutil.copy(CONFIGS / "examples" / "ag6.xyz", tmp_path)
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(code)
    shown = list(examples(kind))
    assert shown
    for text, read in shown:
        Campaign.parse(read)
        if ELSEWHERE not in text:
            (tmp_path / "campaign.yaml").write_text(text)
            # elsewhere than where the demo has run: its example is of the same name
            where = ["--output-dir", str(tmp_path / "runs")]
            done = main(["validate", str(tmp_path / "campaign.yaml"), *where])
            assert done == 0, capsys.readouterr()


def test_every_cv_is_in_the_table() -> None:
    (found,) = re.findall(r"\| `kind` \| what \| its keys \| for \|\n\|.*\n((?:\|.*\n)+)", PAGE)
    shown = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \| .* \|$", found, re.MULTILINE))
    known = kinds(SCHEMA["properties"]["cvs"]["additionalProperties"])
    assert set(shown) == set(known)
    for kind, keys in shown.items():
        own = set(known[kind]["properties"]) - {"kind", "range", "bins", "reported"}
        assert set(re.findall(r"`(\w+)`", keys)) == own, kind
