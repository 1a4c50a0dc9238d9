"""The system is dear to build: a campaign in one process builds it once, and so does a dry run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alanine_molecule import AMBER99SB
from sections import build_system

from msgen.orchestrator.cli import main_run
from msgen.systems import build
from msgen.systems.openmm import structure

ROOT = Path(__file__).parents[2]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was built since, by kind: systems, and the molecules in them."""
    calls: list[str] = []

    def counted(module: Any, name: str) -> Any:
        real = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return real(*arguments, **options)

        return call

    system = counted(build, "build_system")
    for place in ("msgen.systems.build_system", "msgen.systems.build.build_system"):
        monkeypatch.setattr(place, system)
    molecule = counted(structure, "read_molecule")
    monkeypatch.setattr("msgen.systems.openmm.build_molecule.read_molecule", molecule)
    return calls


def run(config: str, folder: Path, *options: str) -> int:
    arguments = ["--executor", "inline", "--output-dir", str(folder), *options]
    for text in ("budget.rounds=1", "replicas=2", "strategy.local.steps=2"):
        arguments += ["--set", text]
    return main_run([str(ROOT / "configs" / config), *arguments])


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_a_potential_is_built_once(
    options: tuple[str, ...], built: list[str], tmp_path: Path
) -> None:
    assert run("double_well.yaml", tmp_path, *options) == (0 if options else 3)
    assert built == ["build_system"]


def test_a_molecule_is_built_once_and_once_more_to_go_on(built: list[str], tmp_path: Path) -> None:
    assert run("alanine_dipeptide.yaml", tmp_path) == 3
    assert built == ["build_system", "read_molecule"]
    # whichever platform the run keeps
    assert run("alanine_dipeptide.yaml", tmp_path, "--set", "budget.rounds=2") == 3
    assert built == 2 * ["build_system", "read_molecule"]


def test_another_platform_takes_the_molecule_that_was_built() -> None:
    base = ROOT / "configs"
    one = build_system({**AMBER99SB, "platform": "Reference"}, base)
    assert one.on("reference") is one
    other = one.on("CPU")
    direct = build_system({**AMBER99SB, "platform": "CPU"}, base)
    assert (other.platform_name, one.platform_name) == ("CPU", "Reference")
    assert other.initial().positions.tolist() == direct.initial().positions.tolist()
    assert other.energy(other.initial()) == pytest.approx(one.energy(one.initial()), rel=1e-4)


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize("platform", ["auto", "Reference"])
def test_no_platform_is_measured_twice(
    platform: str, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def counted(*arguments: Any, **_: Any) -> float:
        measured.append(arguments[4])
        return 50.0

    for place in ("platforms", "system"):
        monkeypatch.setattr(f"msgen.systems.openmm.{place}.microseconds_a_step", counted)
    told = run("alanine_dipeptide.yaml", tmp_path, "--set", f"system.platform={platform}", *options)
    assert told == (0 if options else 3)
    assert measured
    assert len(measured) == len(set(measured))
