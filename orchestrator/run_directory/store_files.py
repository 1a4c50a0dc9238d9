"""Which files a store must have by its commits; nothing that is slow to import is needed here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

Commit = Mapping[str, Any]
INDEX = "index"


def committed_rows(commit: Commit, name: str) -> int:
    """Rows of the array `name` ('kind/name' or 'index') after the commit's round."""
    return int(commit["index"] if name == INDEX else commit["lengths"].get(name, 0))


def missing_chunks(folder: Path, rows: int) -> list[tuple[int, tuple[Path, ...]]]:
    """Chunks of an array's first `rows` rows that have no file.

    Stores of msgen 0.1.0 leave out chunks of zeros and have such chunks too; there what was
    committed decides.

    Returns
    -------
    list of (int, tuple of Path)
        The first row of each, and its files.
    """
    about = json.loads((folder / "zarr.json").read_text())
    chunks = about["chunk_grid"]["configuration"]["chunk_shape"]
    grid = [math.ceil(n / c) for n, c in zip((rows, *about["shape"][1:]), chunks, strict=True)]
    there = {p.name for p in folder.iterdir()}
    found = []
    for i in range(grid[0]):
        names = ["c." + ".".join(map(str, (i, *j))) for j in product(*map(range, grid[1:]))]
        lost = tuple(folder / name for name in names if name not in there)
        if lost:
            found.append((i * chunks[0], lost))
    return found


def complete(path: Path, commits: Sequence[Commit]) -> bool:
    """Whether every array that was committed has its rows and every chunk its file.

    Parameters
    ----------
    path : Path
        The ``store.zarr`` directory.
    commits : sequence of mapping
    """
    if not commits:
        return True
    for name in [*commits[-1]["lengths"], *([INDEX] if commits[-1]["index"] else [])]:
        rows = committed_rows(commits[-1], name)
        try:
            shape = json.loads((path / name / "zarr.json").read_text())["shape"]
            if shape[0] < rows or missing_chunks(path / name, rows):
                return False
        except (OSError, ValueError, KeyError):
            return False
    return True
