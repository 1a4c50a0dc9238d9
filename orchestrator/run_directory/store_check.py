"""Whether a store holds what its commits promise: what is lost or cut must not pass for data.

Zarr reads a missing chunk as zeros. Every commit has a digest of each array's rows of its round;
those of older runs have the running digest of all samples only, by which a round is whole or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from msgen.orchestrator.run_directory.store_files import (
    INDEX,
    Commit,
    committed_rows,
    missing_chunks,
)
from msgen.orchestrator.run_directory.tree_file import update_hash
from msgen.systems.errors import first_line

DIGESTS = "arrays"
"""Of a commit record: by array, the digest of the rows that its round added."""


@dataclass(frozen=True)
class Damage:
    """Rows that are not what was committed.

    Attributes
    ----------
    array : str
        'kind/name'.
    first, last : int
        Rounds that they belong to.
    files : tuple of Path
        Chunks that are not there; empty if all are and the content is another.
    why : str
        What reading them said, '' if they can be read.
    """

    array: str
    first: int
    last: int
    files: tuple[Path, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        which = f"round {self.first}" if self.first == self.last else f"rounds {self.first}"
        which += "" if self.first == self.last else f" to {self.last}"
        if not self.files:
            what = f"cannot be read ({self.why})" if self.why else "not what was committed"
            return f"{self.array}, {which}: {what}"
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.array}, {which}: {self.files[0]}{more} is missing"


def damaged_text(path: Path, damaged: Sequence[Damage]) -> str:
    """What is wrong with the store at `path`, and what to do."""
    what = "; ".join(map(str, damaged[:3]))
    more = f"; and {len(damaged) - 3} more" if len(damaged) > 3 else ""
    return (
        f"{path}: {what}{more}. Restore what is damaged from a copy of the run, or begin anew "
        "under another --output-dir. Nothing was changed"
    )


def rows_digest(rows: NDArray[Any]) -> str:
    """Of the rows of one array and round, as a commit keeps it: 64 bits of SHA-256, hex."""
    digest = hashlib.sha256()
    update_hash(digest, rows)
    return digest.hexdigest()[:16]


def round_digest(before: str, rnd: int, pieces: Iterator[tuple[str, int, NDArray[Any]]]) -> str:
    """The running digest after a round.

    Parameters
    ----------
    before : str
        That of the round before, '' for none.
    rnd : int
    pieces : iterator of (name, replica, rows)
        In the order of the store's index.
    """
    digest = hashlib.sha256(f"{before}{rnd}".encode())
    for name, replica, rows in pieces:
        digest.update(f"{name}{(rnd, name.partition('/')[0], replica)}".encode())
        update_hash(digest, rows)
    return digest.hexdigest()


def read_rounds(
    array: zarr.Array[Any],
    name: str,
    commits: Sequence[Commit],
    first: int,
    last: int,
    folder: Path,
) -> tuple[NDArray[Any], list[Damage]]:
    """The rows of some rounds, and what is wrong with them.

    Parameters
    ----------
    array : zarr.Array
    name : str
        'kind/name', as commits have it.
    commits : sequence of mapping
        Of all rounds from 0.
    first, last : int
        Rounds, both inclusive.
    folder : Path
        Of the array.

    Returns
    -------
    rows, damaged : array, shape (n, …), and list of Damage
        Rows that cannot be read are left at 0.
    """
    ends = [0, *(committed_rows(commit, name) for commit in commits)]
    start, stop = ends[first], ends[last + 1]
    why = ""
    try:
        values = np.asarray(array[start:stop])
    except Exception as error:  # of a codec, whatever it raises at a cut file
        why = first_line(error)
        values = np.zeros((stop - start, *array.shape[1:]), array.dtype)
    wrong = [
        rnd
        for rnd in range(first, last + 1)
        if ends[rnd + 1] > ends[rnd]
        and _differs(commits[rnd], name, values[ends[rnd] - start : ends[rnd + 1] - start], why)
    ]
    if not wrong:
        return values, []
    lost = tuple(
        path
        for row, paths in missing_chunks(folder, ends[-1])
        if row < ends[wrong[-1] + 1] and row + array.chunks[0] > ends[wrong[0]]
        for path in paths
    )
    return values, [Damage(name, wrong[0], wrong[-1], lost, why)]


def _differs(commit: Commit, name: str, rows: NDArray[Any], unreadable: str) -> bool:
    if unreadable:
        return True
    known = commit.get(DIGESTS, {}).get(name)
    return known is not None and known != rows_digest(rows)


def verify(root: zarr.Group, path: Path, commits: Sequence[Commit]) -> list[Damage]:
    """Read all that was committed; what is not as it was.

    Parameters
    ----------
    root : zarr.Group
    path : Path
        The ``store.zarr`` directory.
    commits : sequence of mapping
        Of all rounds from 0.
    """
    if not commits:
        return []
    last = len(commits) - 1
    damaged: list[Damage] = []
    held: dict[str, NDArray[Any]] = {}
    for name in [*commits[-1]["lengths"], *([INDEX] if commits[-1]["index"] else [])]:
        array = root.get(name)
        if not isinstance(array, zarr.Array) or array.shape[0] < committed_rows(commits[-1], name):
            damaged.append(Damage(name, 0, last, (path / name / "zarr.json",)))
            continue
        held[name], found = read_rounds(array, name, commits, 0, last, path / name)
        damaged += found
    if damaged:
        return damaged
    return _by_running_digest(held, root, path, commits)


def _by_running_digest(
    held: Mapping[str, NDArray[Any]], root: zarr.Group, path: Path, commits: Sequence[Commit]
) -> list[Damage]:
    """The first round of those without digests of their arrays whose samples are others."""
    names = list(commits[-1]["lengths"])
    before = ""
    row = 0
    for rnd, commit in enumerate(commits):
        rows = held[INDEX][row : int(commit["index"])] if INDEX in held else np.zeros((0, 5), int)
        row = int(commit["index"])
        if DIGESTS not in commit:
            pieces = ((names[a], r, held[names[a]][i:j]) for _, a, r, i, j in rows.tolist())
            if round_digest(before, rnd, pieces) != commit["digest"]:
                return _lost_by(rnd, root, path, commits)
        before = commit["digest"]
    return []


def _lost_by(rnd: int, root: zarr.Group, path: Path, commits: Sequence[Commit]) -> list[Damage]:
    """Which arrays lack chunks with rows of a round; all samples of it where none does."""
    found = []
    for name in commits[-1]["lengths"]:
        array = root[name]
        assert isinstance(array, zarr.Array)
        start = committed_rows(commits[rnd - 1], name) if rnd else 0
        stop = committed_rows(commits[rnd], name)
        files = tuple(
            file
            for first, files in missing_chunks(path / name, stop)
            if first + array.chunks[0] > start
            for file in files
        )
        if files:
            found.append(Damage(name, rnd, rnd, files))
    return found or [Damage("samples", rnd, rnd)]
