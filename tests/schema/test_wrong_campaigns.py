"""Wrong campaign files: exit 2 and one message with field, value and remedy, before ray starts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from places import CONFIGS, TESTS

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.validate import load_campaign

HERE = TESTS / "campaigns"
PDB = str(CONFIGS / "alanine_dipeptide.pdb")
BASE = {
    name: (HERE / f"{name}.yaml").read_text().replace("../../configs/alanine_dipeptide.pdb", PDB)
    for name in ("molecule", "analytic", "windows")
}


@dataclass(frozen=True)
class Wrong:
    """`old` in the base file becomes `new`; the message must then hold every text of `says`."""

    id: str
    base: str
    old: str
    new: str
    says: list[str]

    def write(self, folder: Path) -> Path:
        text = BASE[self.base].replace(*(t.replace("$PDB", PDB) for t in (self.old, self.new)), 1)
        assert text != BASE[self.base]
        path = folder / "campaign.yaml"
        path.write_text(text)
        return path


TABLE = [Wrong(**row) for row in yaml.safe_load((HERE / "wrong.yaml").read_text())]


def message(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main_run([str(path), "--output-dir", str(path.parent / "runs"), *more]) == 2
    out = capsys.readouterr()
    # where the machine is slow there is a sign of life first
    assert not [line for line in out.out.splitlines() if not line.endswith(" so far")]
    assert "Traceback" not in out.err
    assert len(out.err.splitlines()) <= 24, "more than one screen"
    return out.err


@pytest.mark.parametrize("case", TABLE, ids=[w.id for w in TABLE])
def test_wrong_file(
    case: Wrong,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it is an error from here on
    path = case.write(tmp_path)
    said = message(path, capsys)
    assert "campaign.yaml: 1 problem\n" in said
    for part in case.says:
        assert part in said, said
    assert not (tmp_path / "runs").exists()


def test_there_are_enough() -> None:
    assert len(TABLE) >= 40
    assert len({w.id for w in TABLE}) == len(TABLE)


def test_base_files_are_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in BASE.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        assert main_run([str(path), "--output-dir", str(tmp_path), "--dry-run"]) == 0
        assert "a round" in capsys.readouterr().out


def test_all_problems_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "campaign.yaml"
    text = BASE["analytic"].replace("kind: steered", "kind: steered, broad: 7")
    path.write_text(text + "replcias: 3\nseed: x\n")
    said = message(path, capsys)
    assert "3 problems" in said
    for part in ("strategy.broad: 7", "replcias: 3", "'replicas'", "seed: 'x'"):
        assert part in said


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in message(tmp_path / "none.yaml", capsys)


def test_empty_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text("# nothing\n")
    assert "is empty" in message(path, capsys)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("replicas", ("'replicas'", "no assignment", "--set replicas=8")),
        ("replicas=0", ("--set: replicas: 0", "greater than or equal to 1")),
        ("cvs.x.range.7=1", ("cvs.x.range", "no such item", "0 to 1")),
        ("cvs.x.index.a=1", ("cvs.x.index: 0", "has no keys below it")),
        ("states.left.x=[0", ("YAML", "'[0'")),
        ("converge.probes=0", ("converge.probes: 0", "`unseen: null`")),
        ("converge.unseen=0", ("converge.unseen: 0", "`unseen: null`")),
    ],
)
def test_wrong_override(
    override: str, says: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(BASE["analytic"])
    said = message(path, capsys, "--set", override)
    for part in says:
        assert part in said, said


def _resolved(path: Path, run_dir: Path) -> None:
    run_dir.mkdir(parents=True)
    tree = load_campaign(path).to_dict()
    (run_dir / "campaign.resolved.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def test_run_directory_of_another_campaign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(BASE["analytic"])
    _resolved(path, tmp_path / "runs" / "analytic")
    said = message(path, capsys, "--set", "seed=5", "--set", "states.left.x.1=0.5")
    for part in ("output.directory", "another campaign", "seed was 0, is 5", "0.0", "--output-dir"):
        assert part in said, said
    assert "states.left.x was [-2.0, 0.0], is [-2.0, 0.5]" in said
    # what no sample depends on may change
    same = [str(path), "--output-dir", str(tmp_path / "runs"), "--dry-run"]
    assert main_run([*same, "--set", "budget.rounds=3", "--set", "converge.r_hat=1.2"]) == 0


def test_resume_never_and_must(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(BASE["analytic"])
    assert "no run to resume" in message(path, capsys, "--resume", "must")
    _resolved(path, tmp_path / "runs" / "analytic")
    assert "holds a run already" in message(path, capsys, "--resume", "never")


def test_run_directory_that_is_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(BASE["analytic"])
    (tmp_path / "runs" / "analytic").mkdir(parents=True)
    (tmp_path / "runs" / "analytic" / "thesis.tex").write_text("")
    assert "holds no campaign" in message(path, capsys)
    (tmp_path / "runs" / "analytic" / "thesis.tex").unlink()
    (tmp_path / "runs" / "analytic").rmdir()
    (tmp_path / "runs" / "analytic").write_text("")
    assert "is a file" in message(path, capsys)


def test_run_directory_not_writable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(BASE["analytic"])
    # the tests may run as root, who may write anywhere
    monkeypatch.setattr(os, "access", lambda where, mode: str(where) != str(tmp_path))
    assert f"{tmp_path} is not writable" in message(path, capsys)


@pytest.mark.parametrize("id", ["typo in a section's key", "overlapping states"])
def test_as_a_command(id: str, tmp_path: Path) -> None:
    case = next(w for w in TABLE if w.id == id)
    path = case.write(tmp_path)
    code = (
        "import sys; from msgen.orchestrator.cli import main_run; status = main_run()\n"
        "heavy = {'ray', 'torch', 'openmm'} & set(sys.modules)\n"
        "print('imported', sorted(heavy)); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == "imported []\n"
    for part in case.says:
        assert part in done.stderr


def test_a_molecule_too_large_for_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msgen.orchestrator.strategies.common.configuration_rules.MOST_DOF", 60)
    path = Wrong("", "windows", "24", "12", []).write(tmp_path)
    said = message(path, capsys)
    for part in ("strategy.seeds", "22 atoms are too many", "seeds: neighbour"):
        assert part in said
