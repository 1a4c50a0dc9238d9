"""Distributions that are installed for the time of a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    name: str,
    entry_points: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str],
    version: str = "1.2.3",
) -> None:
    """Put a distribution on ``sys.path``, as an installer would leave it on disk.

    Parameters
    ----------
    monkeypatch : pytest.MonkeyPatch
        Takes the folder and the modules away again.
    folder : Path
        Where the distribution lies.
    name, version : str
    entry_points : mapping
        Group → name → ``module:object``.
    files : mapping
        File name → source.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for file, source in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    for module in {entry.split(":")[0] for e in entry_points.values() for entry in e.values()}:
        # set and then deleted, so that the end of the test forgets what the test imports
        monkeypatch.setitem(sys.modules, module, sys)
        del sys.modules[module]
