"""Every folder with code is packaged, and everything packaged can be imported from the wheel."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from places import ROOT

import msgen

RAY = ROOT / "orchestrator" / "executors" / "ray"
FLOORS = ("systems", "models", "actors", "orchestrator")
MAY_IMPORT = {
    "systems": {"systems"},
    "models": {"systems", "models"},
    "actors": {"systems", "models", "actors"},
    "orchestrator": set(FLOORS),
}


PACKAGE_ROOT = "orchestrator/package_root"
"""The folder that is installed as `msgen` itself."""


def code_files() -> list[Path]:
    return [p for floor in FLOORS for p in sorted((ROOT / floor).rglob("*.py"))]


def settings() -> dict[str, dict[str, object]]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        found: dict[str, dict[str, object]] = tomllib.load(file)["tool"]["setuptools"]
    return found


def test_every_folder_with_code_is_a_listed_package() -> None:
    folders = {p.parent.relative_to(ROOT).as_posix() for p in code_files()}
    expected = {module_name(folder): folder for folder in folders}
    assert set(settings()["packages"]) == set(expected)
    assert settings()["package-dir"] == expected
    for folder in folders:
        assert (ROOT / folder / "__init__.py").exists(), f"{folder} has no __init__.py"


def module_name(path: str) -> str:
    """The module that a path from the checkout's root, without its suffix, is installed as."""
    inside = path.removesuffix("/__init__").replace(PACKAGE_ROOT, "", 1).strip("/")
    return ".".join(("msgen", *inside.split("/"))) if inside else "msgen"


@pytest.mark.parametrize("path", code_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_floor_imports_only_what_lies_below_it(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            names = [node.module or ""]
            if node.module == "msgen":
                names = [f"msgen.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "msgen":
                assert parts[1] in MAY_IMPORT[floor], f"line {node.lineno}: {floor} imports {name}"
            if parts[0] == "ray":
                assert path.parent == RAY, f"line {node.lineno}: ray is imported here"
            assert parts[0] not in FLOORS, f"line {node.lineno}: {name} instead of msgen.{name}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no build leftovers of the checkout slip in."""
    pytest.importorskip("setuptools", minversion="77")  # a build without isolation needs it here
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, source / floor, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def modules() -> list[str]:
    return [module_name(p.relative_to(ROOT).with_suffix("").as_posix()) for p in code_files()]


def test_the_wheel_holds_all_code_and_nothing_under_a_bare_name(wheel: Path) -> None:
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    paths = [p.relative_to(ROOT).as_posix() for p in code_files()]
    code = {f"msgen/{path.removeprefix(f'{PACKAGE_ROOT}/')}" for path in paths}
    assert {n for n in held if n.endswith(".py")} == code
    assert all(n.startswith("msgen/") for n in held)
    for folder in ("msgen", *(f"msgen/{floor}" for floor in FLOORS)):
        assert f"{folder}/py.typed" in held


def test_the_wheel_says_of_itself_what_an_index_takes(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (n for n in file.namelist() if n.endswith(".dist-info/METADATA"))
        content = file.read(name)
        assert f"{name.removesuffix('METADATA')}licenses/LICENSE" in file.namelist()
    about = Metadata.from_email(content, validate=True)
    assert (about.name, str(about.version)) == ("msgen", msgen.__version__)
    assert (about.license_expression, about.license_files) == ("MIT", ["LICENSE"])
    assert str(about.description_content_type).startswith("text/markdown")
    assert about.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert about.summary is not None
    assert len(about.summary) < 512
    assert set(about.provides_extra or []) == {"ase", "dev", "tblite", "xarray"}
    with pytest.raises(ExceptionGroup):
        Metadata.from_email(content.replace(b"Name: msgen\n", b"Name: ms gen\n"), validate=True)


def test_every_module_of_the_installed_wheel_imports(wheel: Path, tmp_path: Path) -> None:
    """In a new interpreter that sees the wheel and the dependencies, not the checkout."""
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target",
         target, wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    code = f"""
import importlib, sys
# an editable install of the checkout would answer first
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path[:] = [{str(target)!r}, *(p for p in sys.path if p != {str(ROOT)!r})]
for name in {modules()!r}:
    module = importlib.import_module(name)
    assert module.__file__.startswith({str(target)!r}), module.__file__
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    scripts = {p.name for p in (target / "bin").iterdir()}
    assert {"msgen", "msgen-run"} <= scripts
