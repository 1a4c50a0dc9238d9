"""The files that decide what a campaign samples, by content.

A file is an input if a value of the campaign names it, or if an input names it in turn: what a
Gromacs topology includes, what a force-field file includes, what a Python factory's module imports.
A run directory that a value names is known by what it has committed.
A factory from an installed distribution is known by that one's version. What a module imports from
other distributions is not looked at (`provenance.json` has the versions that numbers depend on),
and files that a factory opens by itself are not seen.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points, packages_distributions, version
from itertools import accumulate
from pathlib import Path
from typing import Any

from msgen.systems.openmm.gromacs_folder import gromacs_folder

Inputs = dict[str, str]
"""By name: 'sha256:…' of a file, or 'NAME VERSION' of an installed distribution."""

RESOLVED = "campaign.resolved.yaml"
"""In a run directory: the campaign with every default filled in."""
FIRST = "exact"
"""In a run directory: that of a campaign which ran before, where the strategy asks for one."""
SECTIONS = ("system", "cvs", "strategy", "model")
_GROMACS = re.compile(r'^\s*#include\s+["<]([^">]+)[">]', re.MULTILINE)
_FORCE_FIELD = re.compile(r"<Include\s[^>]*file\s*=\s*[\"']([^\"']+)[\"']")
_PYTHON_HOME = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def inputs_of(campaign: Mapping[str, Any], base_dir: Path, plugins: Sequence[str] = ()) -> Inputs:
    """What the campaign's files hold.

    Parameters
    ----------
    campaign : mapping
        As `Campaign.to_dict` gives it.
    base_dir : Path
        The campaign file's folder.
    plugins : sequence of str
        Modules of the plug-ins that the campaign uses; known by their content, as a version may
        stay what it was while somebody works on one.
    """
    found: Inputs = {}
    for module in plugins:
        _add_module(module, base_dir, found, by_content=module.split(".")[0])
    # a Gromacs topology's includes lie where the campaign says, or where Gromacs has them
    include_dir = str((campaign.get("system") or {}).get("include_dir") or "")
    found_in = gromacs_folder(include_dir, base_dir)
    for section in SECTIONS:
        for key, value in _strings(campaign.get(section)):
            if key == "factory":
                _add_module(value.split(":")[0], base_dir, found)
            elif key != "kind" and (path := _file(value, base_dir)) is not None:
                _add_file(value, path, found, (path.parent, found_in))
            elif key != "kind" and (commits := _run(value, base_dir)) is not None:
                found[value] = _digest(commits)
    return found


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Which inputs are not what they were, in words."""
    told = []
    for name in [*before, *(n for n in now if n not in before)]:
        was, is_ = before.get(name), now.get(name)
        if was == is_:
            continue
        if was is None:
            told.append(f"{name} is used now and was not")
        elif is_ is None:
            told.append(f"{name} was used and is not now")
        elif was.startswith("sha256:") and is_.startswith("sha256:"):
            told.append(f"the content of {name} is not what it was")
        else:
            told.append(f"{name} was {_source(was)}, is {_source(is_)}")
    return told


def _source(digest: str) -> str:
    return "a file" if digest.startswith("sha256:") else digest


def _strings(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All text in a section, each with the key that it stands under."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _strings(value, str(name))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _strings(value, key)


def _file(name: str, folder: Path) -> Path | None:
    """Where a file of that name lies: in `folder`, or among the force fields OpenMM finds."""
    for place in (folder, *_force_field_folders()):
        path = (place / name).expanduser()
        try:
            if name and path.is_file():
                return path
        except (OSError, ValueError):  # a long text or one with a zero byte names no file
            return None
    return None


def _run(name: str, folder: Path) -> Path | None:
    """The commits of the run directory of that name; each has digests of all its samples."""
    commits = (folder / name).expanduser() / "commits.jsonl"
    try:
        return commits if name and commits.is_file() else None
    except (OSError, ValueError):
        return None


def _force_field_folders() -> list[Path]:
    """OpenMM's own data, and what distributions register with it."""
    spec = PathFinder.find_spec("openmm")
    if spec is None or not spec.submodule_search_locations:
        return []
    folders = [Path(spec.submodule_search_locations[0]) / "app" / "data"]
    for entry in entry_points(group="openmm.forcefielddir"):
        folders.append(Path(entry.load()()))
    return folders


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _add_file(name: str, path: Path, found: Inputs, folders: Sequence[Path]) -> None:
    """The file and what it includes; a name given relative to the campaign keeps that form.

    Includes are looked for in `folders`, then beside the file that includes them.
    """
    if name in found:
        return
    found[name] = _digest(path)
    including = _INCLUDES.get(path.suffix.lower())
    if including is None:
        return
    for inner in including.findall(path.read_text(encoding="utf-8", errors="replace")):
        places = (*folders, path.parent) if including is _GROMACS else (path.parent,)
        included = next((f for place in places if (f := _file(inner, place)) is not None), None)
        if included is not None:
            beside = included.parent == (path.parent / inner).parent
            inner_name = str(Path(name).parent / inner) if beside else inner
            _add_file(inner_name, included, found, folders)


_INCLUDES = {".top": _GROMACS, ".itp": _GROMACS, ".xml": _FORCE_FIELD}


def _add_module(name: str, base_dir: Path, found: Inputs, by_content: str = "") -> None:
    """A module and what it imports; of an installed package, if not `by_content`, the version."""
    asked = name.split(".")[0]
    pending = [name]
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        if module in seen or module.split(".")[0] == "msgen":
            continue
        seen.add(module)
        spec = _spec(module, base_dir)
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            continue
        path = Path(spec.origin).resolve()
        if _is_standard(path):
            continue
        top = module.split(".")[0]
        installed = None if top == by_content else _installed(top, path)
        if installed is not None:
            if top == asked:
                found.setdefault(f"module {top}", installed)
            continue
        found.setdefault(f"module {module}", _digest(path))
        if path.suffix == ".py":
            package = module if spec.submodule_search_locations else module.rpartition(".")[0]
            pending += _imports(path, package)


def _spec(module: str, base_dir: Path) -> ModuleSpec | None:
    """How Python finds a module, the campaign file's folder first; nothing is imported."""
    places: list[str] | None = [str(base_dir.resolve()), *sys.path]
    spec: ModuleSpec | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or []) or None
        if places is None and name != module:
            return None
    return spec


def _is_standard(path: Path) -> bool:
    return "site-packages" not in path.parts and any(
        path.is_relative_to(home) for home in _PYTHON_HOME
    )


def _installed(top: str, path: Path) -> str | None:
    """The distribution and version that brings a module from site-packages."""
    if not {"site-packages", "dist-packages"} & set(path.parts):
        return None
    names = _distributions(tuple(sys.path)).get(top)
    return None if not names else f"{names[0]} {version(names[0])}"


@cache
def _distributions(_places: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Who brings which module, where Python looks; to ask takes half a second."""
    return packages_distributions()


def _imports(path: Path, package: str) -> list[str]:
    """Names of all modules that a file may import, at whatever place in it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return []  # what is wrong with it is said by whoever imports it
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # importing a.b runs the code of a as well
    return [part for name in names if name for part in accumulate(name.split("."), "{}.{}".format)]
