"""A strategy is one folder: what lies outside of it asks it, and does not know its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from msgen.actors.roles.registry import ROLES
from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.registry import KINDS

ROOT = Path(__file__).resolve().parents[2]
STRATEGIES = ROOT / "orchestrator" / "strategies"
REGISTRY = STRATEGIES / "registry.py"
# 'local' is also the key of the local moves, 'dynamics' what a command and a tag tell of, 'auto'
# what is left to msgen; orders, which actors know, have names of their own
NAMES = set(KINDS.own) - {"local", "dynamics", "auto"}


def outside() -> Iterator[Path]:
    for floor in ("systems", "models", "orchestrator"):
        for path in sorted((ROOT / floor).rglob("*.py")):
            inside = path.is_relative_to(STRATEGIES) and (
                path.relative_to(STRATEGIES).parts[0] in KINDS.own
            )
            if not inside:
                yield path


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", outside(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_module_outside_its_folder_names_a_strategy(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)} & NAMES
    assert not named
    for node in ast.walk(tree):
        # strategy.kind == "local" is no better
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute):
            assert "strategy.kind" not in ast.unparse(node.left)
    if path != REGISTRY:
        folders = {f"msgen.orchestrator.strategies.{name}" for name in KINDS.own}
        assert not [m for m in imported(tree) if ".".join(m.split(".")[:4]) in folders]


@pytest.mark.parametrize("kind", KINDS.own.values(), ids=lambda kind: kind.name)
def test_a_folder_holds_its_kind(kind: StrategyKind) -> None:
    folder = STRATEGIES / kind.name
    assert import_module(f"msgen.orchestrator.strategies.{kind.name}").KIND is kind
    assert kind.section.__module__ == f"msgen.orchestrator.strategies.{kind.name}.schema"
    assert (folder / "README.md").is_file()
    assert set(kind.samples) <= set(ROLES)
