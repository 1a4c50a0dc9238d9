"""`run_campaign`: what it leaves in the run directory, with a strategy that is cheap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import toy_campaign
import yaml
from toy_one_axis import TEXT, OneAxis

from msgen.actors.roles.registry import ROLES
from msgen.orchestrator import run as wiring
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.lock import LockedError, RunLock
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import prepare


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    file = tmp_path / "toy.yaml"
    file.write_text(TEXT)
    monkeypatch.setattr(wiring, "build_strategy", lambda setup, context: OneAxis())
    for kind in toy_campaign.ROLES:

        def role(context: Any, order: Any, rng: Any, kind: str = kind) -> Any:
            context.setup["toy"] = {}
            return getattr(toy_campaign, kind)(context, order, rng)

        monkeypatch.setitem(ROLES, kind, role)
    return prepare(file, output_dir=tmp_path / "runs")


def go(checked: Any, tmp_path: Path, resume: str = "auto") -> str:
    return wiring.run_campaign(
        checked, run_dir=checked.run_dir, resume=resume, source=tmp_path / "toy.yaml"
    )


def test_the_run_directory_holds_what_is_promised(
    checked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(checked, tmp_path) == "converged"
    run = tmp_path / "runs" / "toy"
    assert (run / "campaign.yaml").read_text() == TEXT
    assert yaml.safe_load((run / "campaign.resolved.yaml").read_text())["replicas"] == 16
    about = json.loads((run / "provenance.json").read_text())
    assert about["schema_version"] == 1
    assert about["seed"] == 5
    assert about["deterministic"] is True
    assert {"python", "numpy", "torch", "zarr"} <= set(about["versions"])
    result = json.loads((run / "results" / "free_energy.json").read_text())
    assert result["status"] == "converged"
    assert result["cost"]["rounds"] == 3
    assert Store(run / "store.zarr").last_round == 2
    assert (run / "events.jsonl").exists()
    assert "converged" in capsys.readouterr().out
    assert go(checked, tmp_path) == "converged"  # again: nothing is left to do
    assert Store(run / "store.zarr").last_round == 2


def test_resume_is_refused_where_it_does_not_fit(checked: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        go(checked, tmp_path, "must")
    go(checked, tmp_path)
    with pytest.raises(FileExistsError, match="holds a run already"):
        go(checked, tmp_path, "never")


def test_two_drivers_do_not_share_a_directory(checked: Any, tmp_path: Path) -> None:
    with RunLock(checked.run_dir), pytest.raises(LockedError, match="in use by process"):
        go(checked, tmp_path)


def test_other_versions_of_an_earlier_start_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"campaign": "a", "seed": 1, "deterministic": False}
    provenance.write(tmp_path, platform="CPU", **given)
    old = provenance.versions()
    monkeypatch.setattr(provenance, "versions", lambda: {**old, "numpy": "99"})
    provenance.write(tmp_path, platform="CPU", **given)
    record = provenance.read(tmp_path)
    assert record["earlier_versions"] == [old]
    assert record["versions"]["numpy"] == "99"
    assert "CPU" in record["determinism"]
