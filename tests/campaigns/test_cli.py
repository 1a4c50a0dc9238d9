"""The command line, with the run itself put aside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CONFIGS, TESTS

from msgen.orchestrator.cli import main, main_run
from msgen.orchestrator.validate import load_campaign

ANALYTIC = str(TESTS / "campaigns" / "analytic.yaml")
PDB = CONFIGS / "alanine_dipeptide.pdb"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands for the controller: remembers its arguments and returns or raises what it is told."""
    seen: dict[str, Any] = {"status": "converged"}

    def run_campaign(checked: object, **options: object) -> str:
        seen.update(options, checked=checked)
        if isinstance(seen["status"], BaseException):
            raise seen["status"]
        return str(seen["status"])

    module = types.ModuleType("msgen.orchestrator.run")
    module.__dict__["run_campaign"] = run_campaign
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return seen


@pytest.mark.parametrize(
    ("status", "code"), [("converged", 0), ("exhausted", 3), ("failed", 1), ("interrupted", 1)]
)
def test_exit_status(status: str, code: int, calls: dict[str, Any], tmp_path: Path) -> None:
    calls["status"] = status
    assert main_run([ANALYTIC, "--output-dir", str(tmp_path)]) == code


def test_what_a_run_is_given(calls: dict[str, Any], tmp_path: Path) -> None:
    command = ["run", ANALYTIC, "--output-dir", str(tmp_path), "--set", "replicas=8"]
    command += ["--set", "name=other", "--executor", "ray", "--address", "local"]
    assert main(command) == 0
    assert calls["run_dir"] == tmp_path / "other"
    assert (calls["resume"], calls["address"]) == ("auto", "local")
    assert calls["checked"].campaign.replicas == 8
    assert calls["checked"].campaign.executor == "ray"
    assert calls["checked"].base_dir == TESTS / "campaigns"


def test_run_directory_is_below_the_working_directory(
    calls: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main_run([ANALYTIC]) == 0
    assert calls["run_dir"] == Path("runs/analytic")


def test_a_run_beside_the_file_is_told_where_another_would_begin(
    calls: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Begun where the file lies, and called again from elsewhere: another run, not silently."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    file = shutil.copy(ANALYTIC, home)
    beside = home / "runs" / "analytic"
    monkeypatch.chdir(away)

    def told(*words: str) -> str:
        assert main_run([str(file), *words, "--dry-run"]) == 0
        return capsys.readouterr().out

    assert f"{away}/runs/analytic, begins there" in told()
    assert "beside its file" not in told()
    beside.mkdir(parents=True)
    resolved = yaml.safe_dump(load_campaign(Path(file)).to_dict())
    (beside / "campaign.resolved.yaml").write_text(resolved)
    assert f"in {beside}: to go on with that one, say --output-dir {beside.parent}" in told()
    # with it the run goes on, and nothing else is told; nor of another campaign, or at home
    assert f"{beside}, goes on there" in told("--output-dir", str(beside.parent))
    for words in (("--output-dir", str(beside.parent)), ("--set", "seed=99")):
        assert "beside its file" not in told(*words)
    monkeypatch.chdir(home)
    assert "beside its file" not in told()
    assert main_run([str(file)]) == 0
    assert calls["checked"].where == (f"{beside}, goes on there",)


def test_a_failure_is_one_line_and_a_log(
    calls: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls["status"] = RuntimeError("the disk is full")
    assert main_run([ANALYTIC, "--output-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: the disk is full" in said
    assert "Traceback" not in said
    assert "Traceback" in (tmp_path / "analytic" / "logs" / "error.log").read_text()


def test_dry_run_starts_and_writes_nothing(
    calls: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_run([ANALYTIC, "--output-dir", str(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    for text in ("-2 ≤ x < 0", "everything else", "8,000 energy evaluations", "16", "20,000,000"):
        assert text in said
    assert "run_dir" not in calls
    assert list(tmp_path.iterdir()) == []


def test_validate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", ANALYTIC, "--output-dir", str(tmp_path)]) == 0
    assert "ready to run" in capsys.readouterr().out
    assert main(["validate", ANALYTIC, "--set", "seed=x"]) == 2


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "strategy" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.parametrize("command", ["status", "report", "export"])
def test_directory_commands_say_what_is_wrong(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "ala").mkdir()
    (tmp_path / "ala" / "campaign.resolved.yaml").write_text("")
    assert main([command, str(tmp_path)]) == 2
    assert f"Did you mean {tmp_path / 'ala'}?" in capsys.readouterr().err


def test_init_writes_a_campaign_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PDB, tmp_path / "my peptide.pdb")
    assert main(["init", "my peptide.pdb", "--temperature", "320 K"]) == 0
    path = tmp_path / "my-peptide.yaml"
    campaign = load_campaign(path)
    assert [cv.kind for cv in campaign.cvs.values()] == ["dihedral", "dihedral"]
    assert campaign.spec_system()["temperature"] == 320.0
    assert main(["validate", str(path)]) == 0
    before = path.read_text()
    assert main(["init", "my peptide.pdb"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.pdb"], "no such file"),
        (["notes.txt"], "is of no kind that is known"),
        (["empty.pdb"], "cannot be read"),
        (["empty.pdb", "--temperature", "300"], "unit is missing"),
    ],
)
def test_init_refuses(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty.pdb", "notes.txt"):
        (tmp_path / name).write_text("")
    assert main(["init", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("*.yaml"))


def test_help_and_schema_are_light() -> None:
    code = (
        "import sys; from msgen.orchestrator.cli import main\n"
        "status = main(['schema']); heavy = {'ray', 'torch', 'openmm', 'mdtraj', 'numpy'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_resolved_by_hand_is_yaml() -> None:
    tree = load_campaign(Path(ANALYTIC)).to_dict()
    assert yaml.safe_load(yaml.safe_dump(tree)) == tree
