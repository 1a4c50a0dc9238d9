"""A run is known by the contents of its files: one that changed is named, and none goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.inputs import changed, inputs_of
from msgen.orchestrator.run_directory.store import Store

POTENTIAL = """
import torch
from wells import tilt
from msgen.systems.potentials.python import TorchPotential

def make():
    return TorchPotential(lambda x: ((x**2 - 1) ** 2).sum(1) + tilt(x[:, 0]), start=[-1.0, 0.0])
"""
WELLS = "import shapes.line\n\ndef tilt(x):\n    return 0.1 * shapes.line.SLOPE * x\n"
CAMPAIGN = """
name: tilted
executor: inline
system: {kind: python, factory: "pot:make"}
cvs: {x: {kind: coordinate, index: 0, range: [-2, 2]}}
states: {left: {x: [-2, 0]}}
strategy: {kind: local, local: {kind: hmc, steps: 2}}
replicas: 4
budget: {rounds: 2}
output: {tensorboard: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pot.py").write_text(POTENTIAL)
    (tmp_path / "wells.py").write_text(WELLS)
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").write_text("")
    (tmp_path / "shapes" / "line.py").write_text("SLOPE = 1.0\n")
    (tmp_path / "c.yaml").write_text(CAMPAIGN)
    return tmp_path


@pytest.fixture(autouse=True)
def forget_modules() -> object:
    yield
    for name in ("pot", "wells", "shapes", "shapes.line"):
        sys.modules.pop(name, None)


def campaign(**system: object) -> dict[str, object]:
    return {"name": "a", "system": system, "cvs": {}, "strategy": {"kind": "local"}}


def run(folder: Path, rounds: int, *more: str) -> int:
    return main_run([str(folder / "c.yaml"), "--output-dir", str(folder / "runs"),
                     "--set", f"budget.rounds={rounds}", *more])  # fmt: skip


def test_what_a_factory_imports_is_an_input(folder: Path) -> None:
    found = inputs_of(campaign(kind="python", factory="pot:make"), folder)
    assert set(found) == {"module pot", "module wells", "module shapes", "module shapes.line"}
    (folder / "shapes" / "line.py").write_text("SLOPE = 2.0\n")
    again = inputs_of(campaign(kind="python", factory="pot:make"), folder)
    assert changed(found, again) == ["the content of module shapes.line is not what it was"]


def test_a_factory_of_an_installed_package_is_known_by_its_version(tmp_path: Path) -> None:
    found = inputs_of(campaign(kind="python", factory="scipy.special:erf"), tmp_path)
    assert found["module scipy"].startswith("scipy ")
    assert list(found) == ["module scipy"]
    assert changed(found, {"module scipy": "scipy 0.1"}) == [
        f"module scipy was {found['module scipy']}, is scipy 0.1"
    ]


def test_an_atom_is_no_factory_and_a_kind_no_file(folder: Path) -> None:
    (folder / "local").write_text("a file of that name\n")
    given = campaign(kind="openmm", atoms=["pot:C", "wells:CA"])
    assert inputs_of(given, folder) == {}


def test_includes_are_followed(tmp_path: Path) -> None:
    (tmp_path / "ff").mkdir()
    (tmp_path / "a.top").write_text('; c\n#include "ff/b.itp"\n#include "not_there.itp"\n')
    (tmp_path / "ff" / "b.itp").write_text('#include "c.itp"\n')
    (tmp_path / "ff" / "c.itp").write_text("[ atomtypes ]\n")
    (tmp_path / "own.xml").write_text('<ForceField>\n <Include file="more.xml"/>\n</ForceField>')
    (tmp_path / "more.xml").write_text("<ForceField/>")
    given = campaign(kind="openmm", topology="a.top", forcefield=["own.xml", "amber14-all.xml"])
    found = inputs_of(given, tmp_path)
    assert {"a.top", "ff/b.itp", "ff/c.itp", "own.xml", "more.xml", "amber14-all.xml",
            "amber14/protein.ff14SB.xml"} <= set(found)  # fmt: skip
    assert all(digest.startswith("sha256:") for digest in found.values())


def test_a_changed_file_is_named_and_the_run_left_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, 2) == 3
    store = folder / "runs" / "tilted" / "store.zarr"
    before = Store(store).digest
    (folder / "wells.py").write_text(WELLS.replace("0.1", "2.0"))
    assert run(folder, 4) == 2
    told = capsys.readouterr().err
    assert "the content of module wells is not what it was" in told
    assert "--output-dir" in told
    assert Store(store).digest == before
    (folder / "wells.py").write_text(WELLS)
    assert run(folder, 4) == 3
    assert Store(store).last_round == 3


def test_a_run_without_digests_goes_on_once_with_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, 2) == 3
    where = folder / "runs" / "tilted"
    text = (where / provenance.FILE).read_text()
    known = provenance.read(where)["inputs"]
    start = text.index(' "inputs"')
    (where / provenance.FILE).write_text(text[:start] + text[text.index("}", start) + 3 :])
    capsys.readouterr()
    assert run(folder, 3) == 3
    assert "recorded no digests" in capsys.readouterr().err
    assert provenance.read(where)["inputs"] == known
    assert run(folder, 4) == 3
    assert "recorded no digests" not in capsys.readouterr().err
