"""A strategy, a model, a system and a CV, each a distribution of its own, in one campaign."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from places import ROOT, SUPPORT

from msgen.orchestrator.run_directory.store import Store

PLUGINS = SUPPORT / "plugins"
PAGE = ROOT / "docs" / "extending.md"
ROUNDS = "budget.rounds=14"


def shown() -> dict[str, str]:
    """Every file that the page shows, by the path above it."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^`([\w./-]+)`:\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(found)


def test_the_page_shows_what_is_installed_here() -> None:
    files = {
        p.relative_to(PLUGINS).as_posix(): p.read_text(encoding="utf-8")
        for p in sorted(PLUGINS.rglob("*"))
        if p.suffix in (".py", ".toml", ".yaml")
    }
    assert shown() == files


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four distributions as pip installs them, and nothing of theirs in the checkout."""
    pytest.importorskip("setuptools", minversion="77")  # a build without isolation needs it here
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for path, text in shown().items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text, encoding="utf-8")
    packages = sorted(p.parent for p in source.rglob("pyproject.toml"))
    assert len(packages) == 4
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--target", folder, *packages],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def started(site: Path, at: Path, *overrides: str) -> subprocess.Popen[str]:
    """The page's campaign by the command line, as whoever installed the four would run it."""
    at.mkdir(exist_ok=True)
    campaign = at / "ring.yaml"
    campaign.write_text(shown()["ring.yaml"], encoding="utf-8")
    places = [str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    words = [w for text in (ROUNDS, *overrides) for w in ("--set", text)]
    code = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run())"
    return subprocess.Popen(
        [sys.executable, "-c", code, campaign, *words],
        cwd=at,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 3, said  # the budget ends before the criteria hold
    return said


def digest(at: Path) -> str:
    return Store(at / "runs" / "ring" / "store.zarr").digest


@pytest.fixture(scope="module")
def whole(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("whole")
    ended(started(site, at))
    return at


def test_one_campaign_uses_all_four(whole: Path) -> None:
    run = whole / "runs" / "ring"
    resolved = yaml.safe_load((run / "campaign.resolved.yaml").read_text(encoding="utf-8"))
    kinds = [resolved[part]["kind"] for part in ("system", "strategy", "model")]
    assert [*kinds, resolved["cvs"]["theta"]["kind"]] == [
        "ring", "relay", "one_gaussian", "polar_angle",
    ]  # fmt: skip
    about = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    brought = {p["group"]: (p["distribution"], p["version"]) for p in about["plugins"]}
    assert brought == {
        "msgen.strategies": ("msgen-relay", "0.1.0"),
        "msgen.models": ("msgen-gaussian", "0.1.0"),
        "msgen.systems": ("msgen-ring", "0.1.0"),
        "msgen.cvs": ("msgen-polar", "0.1.0"),
    }


def test_its_result_is_right(whole: Path) -> None:
    """F(rest) − F(right) by quadrature along θ."""
    result = json.loads((whole / "runs" / "ring" / "results" / "free_energy.json").read_text())
    theta = (np.arange(20_000) + 0.5) * 2 * np.pi / 20_000 - np.pi
    weight = np.exp(-(1.5 * np.sin(theta) ** 2 - 0.5 * np.cos(theta)))
    right = np.abs(theta) < np.pi / 2
    exact = -np.log(weight[~right].sum() / weight[right].sum())
    rest = result["states"]["rest"]
    assert 0 < rest["stderr_kT"] < 0.2  # neither unknown nor useless
    assert abs(rest["f_kT"] - exact) < 4 * rest["stderr_kT"]


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_same(site: Path, whole: Path, tmp_path: Path) -> None:
    process = started(site, tmp_path)
    commits = tmp_path / "runs" / "ring" / "commits.jsonl"
    for _ in range(3000):
        if commits.exists() and len(commits.read_text().splitlines()) >= 4:
            break
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert digest(tmp_path) != digest(whole)
    assert "began with" not in ended(started(site, tmp_path))
    assert digest(tmp_path) == digest(whole)


def test_a_resume_with_another_version_says_so(site: Path, whole: Path) -> None:
    about = whole / "runs" / "ring" / "provenance.json"
    now = about.read_text(encoding="utf-8")
    about.write_text(now.replace("0.1.0", "0.0.9"), encoding="utf-8")
    said = ended(started(site, whole))
    assert "warning: the run began with relay (msgen.strategies) of msgen-relay 0.0.9" in said
    events = (whole / "runs" / "ring" / "events.jsonl").read_text(encoding="utf-8")
    assert events.count('"event": "plugin"') == 4


@pytest.mark.slow
@pytest.mark.ray
def test_by_ray_it_is_the_same(site: Path, whole: Path, tmp_path: Path) -> None:
    ended(started(site, tmp_path, "executor=ray", "resources.workers=2"))
    assert digest(tmp_path) == digest(whole)


def test_a_typo_is_told_with_the_kinds_of_plugins(site: Path, tmp_path: Path) -> None:
    process = started(site, tmp_path, "strategy.kind=relais")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Did you mean 'relay'? Allowed: auto, steered, " in said
