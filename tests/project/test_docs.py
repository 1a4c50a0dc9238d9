"""What the documentation shows is what there is: campaign files, commands, code, paths."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CONFIGS, ROOT

import msgen
from msgen.orchestrator.cli import parser
from msgen.orchestrator.reporting.tensorboard import PROMISED_TAGS
from msgen.orchestrator.schema import Campaign

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> Iterator[str]:
    """Fenced code in `language`."""
    for found in re.finditer(r"```(\w+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if found[1] == language:
            yield found[2]


def commands(program: str) -> list[str]:
    """Every line shown in a shell block that calls `program`."""
    lines = [line for page in PAGES for text in blocks(page, "bash") for line in text.splitlines()]
    return [line for line in lines if line.split()[:1] == [program]]


def test_the_annotated_campaign_is_the_demo() -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    shown = Campaign.parse(yaml.safe_load(text)).to_dict()
    config = ROOT / "configs" / "alanine_dipeptide.yaml"
    assert shown == Campaign.parse(yaml.safe_load(config.read_text(encoding="utf-8"))).to_dict()


@pytest.mark.parametrize("line", [*commands("msgen"), *commands("msgen-run")])
def test_commands_shown_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)
    parser().parse_args(["run", *words[1:]] if words[0] == "msgen-run" else words[1:])


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_documentation_runs_as_shown(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the page, with campaigns cut short."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(CONFIGS)
    real = msgen.run

    def short(campaign: Any, **options: Any) -> msgen.Result:
        local = {"kind": "local", "local": {"kind": "hmc", "steps": 2}}
        few = {"budget.rounds": 14, "replicas": 4, "strategy": local}
        return real(campaign, **{**options, "overrides": {**options["overrides"], **few}})

    monkeypatch.setattr(msgen, "run", short)
    names: dict[str, Any] = {}
    for text in blocks(ROOT / page, "python"):
        if "import arviz" in text and find_spec("arviz") is None:
            continue  # an extra of the developers'
        exec(text, names)
    assert (tmp_path / "surface.png").stat().st_size > 1000


def test_make_targets_shown_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = {line.split()[1] for line in commands("make")}
    assert {"demo", "test", "test-slow", "bench", "clean"} <= shown <= targets
    assert "lint" in targets


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_code_files_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(
        r"`((?:systems|models|actors|orchestrator|tests|configs)/[^`*…]+)`", text
    ):
        assert (ROOT / name.split()[0]).exists(), name


def test_all_promised_tags_are_documented_and_no_others() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for category, tags in PROMISED_TAGS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {category} |"))
        assert re.findall(r"`([^`]+)`", row) == list(tags)
