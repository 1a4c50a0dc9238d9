"""The tests have rooms, share by `tests/support` only, and each is run by some target."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import BENCHMARKS, REFERENCES, ROOT, SUPPORT, TESTS

APART = {SUPPORT, BENCHMARKS, REFERENCES}
"""Folders of `tests` that hold no test."""
ROOMS = sorted(p for p in TESTS.iterdir() if any(p.rglob("*.py")) and p not in APART)
FILES = sorted(p for room in ROOMS for p in room.rglob("*.py"))
PYTESTS_OWN = {"parametrize", "skipif", "filterwarnings", "usefixtures", "xdist_group", "xfail"}
SHARED = sorted(SUPPORT.glob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """The first part of every module that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}, line {node.lineno}: relative import"
            yield (node.module or "").partition(".")[0]


def options() -> dict[str, object]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        found: dict[str, object] = tomllib.load(file)["tool"]["pytest"]["ini_options"]
    return found


def test_only_what_is_shared_is_on_the_path() -> None:
    assert options()["pythonpath"] == ["tests/support", "tests/benchmarks"]
    assert "--import-mode=importlib" in str(options()["addopts"])


@pytest.mark.parametrize("path", [*FILES, *SHARED], ids=name)
def test_no_test_is_imported_and_no_path_changed(path: Path) -> None:
    assert not [m for m in imported(path) if m.startswith("test_") or m == "conftest"]
    called = {ast.unparse(n.func) for n in ast.walk(tree(path)) if isinstance(n, ast.Call)}
    assert not called & {"sys.path.insert", "sys.path.append"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_room_holds_tests(path: Path) -> None:
    """What is shared goes to `support`; a `conftest.py` says what it is for."""
    assert path.name == "conftest.py" or path.name.startswith("test_")
    assert ast.get_docstring(tree(path)), "no docstring"


def test_no_two_tests_share_a_name() -> None:
    names = [p.name for p in FILES if p.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("path", SHARED, ids=name)
def test_what_is_shared_is_used(path: Path) -> None:
    users = [*FILES, *SHARED, *BENCHMARKS.rglob("*.py"), TESTS / "chaos.py"]
    by_name = re.compile(rf"\b{path.stem}\b")  # also roles that a worker finds: "toy_faults:walk"
    assert any(by_name.search(p.read_text(encoding="utf-8")) for p in users if p != path)
    assert ast.get_docstring(tree(path)), "no docstring"


def test_every_marker_is_said_and_every_test_is_run_by_a_target() -> None:
    """`slow` parts the tests in two, one target each."""
    said = set(re.findall(r"(\w+): ", str(options()["markers"])))
    used = {m for p in FILES for m in re.findall(r"pytest\.mark\.(\w+)", p.read_text("utf-8"))}
    assert used - PYTESTS_OWN <= said
    recipes = re.findall(r"\$\(BIN\)/pytest (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    chosen = [re.findall(r'-m ("[^"]+"|\w+)', recipe) for recipe in recipes]
    assert chosen == [['"not slow"'], ["slow"]]
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
