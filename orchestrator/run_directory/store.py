"""The samples of a campaign: a Zarr v3 group, one growing array per kind of order and sample name.

Layout::

    store.zarr/<kind>/<name>     samples, grown along axis 0, replicas in key order within a round
    store.zarr/index             int64 (n, 5): round, array, replica, start, stop; `array` counts in
                                 the attribute 'arrays' of this array
    commits.jsonl                one line a round: lengths of all arrays, digests of what each
                                 gained, and a running digest of all samples

A round exists once its line in ``commits.jsonl`` does. Arrays are written (and flushed) before, so
a reader who goes by the last line never sees half a round, and what lies beyond it is cut off by
the next writer.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.orchestrator.run_directory.atomic_files import (
    append_line,
    fsync_path,
    read_lines,
    write_atomic,
    writing,
)
from msgen.orchestrator.run_directory.durable import PARTIAL, DurableStore
from msgen.orchestrator.run_directory.layout_versions import admit, this_msgen
from msgen.orchestrator.run_directory.sample_arrays import (
    StoreError,
    checked,
    joined,
    new_array,
)
from msgen.orchestrator.run_directory.store_check import (
    DIGESTS,
    Damage,
    damaged_text,
    read_rounds,
    rows_digest,
    verify,
)
from msgen.orchestrator.run_directory.tree_file import update_hash

SCHEMA_VERSION = 1
_WRITERS = 8
_NOTHING: dict[str, Any] = {"lengths": {}, "index": 0, "digest": ""}
_COLUMNS = ["round", "array", "replica", "start", "stop"]


class Store:
    """One writer, any number of readers.

    Parameters
    ----------
    path : Path
        The ``store.zarr`` directory; ``commits.jsonl`` lies beside it.
    mode : {'w', 'r'}
        'w' creates what is missing and cuts off what was never committed; 'r' changes nothing.
    """

    def __init__(self, path: Path, mode: str = "r") -> None:
        self.path = path
        self.commits_path = path.with_name("commits.jsonl")
        self._writable = mode == "w"
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._known: list[dict[str, Any]] = []
        self._staged: dict[str, Any] | None = None
        if self._writable:
            commits = self._checked_commits()
            with writing(path):
                path.mkdir(parents=True, exist_ok=True)
            # a chunk of zeros that was left out would look like one that was lost
            zarr.config.set({"array.write_empty_chunks": True})
            self._root = zarr.open_group(store=DurableStore(path), mode="a", zarr_format=3)
            self.truncate(int(commits[-1]["round"]) if commits else -1)
        else:
            self._root = zarr.open_group(store=str(path), mode="r", zarr_format=3)

    # -- reading ------------------------------------------------------------------------------

    def commits(self) -> list[dict[str, Any]]:
        """The records of all rounds, in order; read afresh, a campaign may be running."""
        return read_lines(self.commits_path)

    def _checked_commits(self) -> list[dict[str, Any]]:
        """As `commits`, before anything is cut off by them."""
        try:
            commits = read_lines(self.commits_path, strict=True)
        except ValueError as error:
            raise StoreError(f"{error}; restore it from a copy. Nothing was changed") from error
        for commit in commits:
            admit(commit, SCHEMA_VERSION, {}, self.commits_path)
        return commits

    @property
    def last_round(self) -> int:
        """Number of the last committed round, −1 for none."""
        commits = self._known if self._writable else self.commits()
        return int(commits[-1]["round"]) if commits else -1

    @property
    def digest(self) -> str:
        """SHA-256 over all committed samples in order: equal for equal campaigns, bit for bit."""
        commits = self.commits()
        return str(commits[-1]["digest"]) if commits else ""

    def names(self) -> tuple[str, ...]:
        """'kind/name' of every array, in order of first appearance."""
        commits = self.commits()
        return tuple(commits[-1]["lengths"]) if commits else ()

    def read(self, name: str, first: int = 0, last: int | None = None) -> NDArray[Any]:
        """Samples of rounds `first` … `last` (inclusive; None: all), shape (n, …).

        Raises
        ------
        KeyError
            If no array has this 'kind/name'.
        StoreError
            If they are not what was committed.
        """
        commits = self.commits()
        if not commits or name not in commits[-1]["lengths"]:
            raise KeyError(f"{name!r}: the store holds {', '.join(self.names()) or 'nothing yet'}")
        last = len(commits) - 1 if last is None else min(last, len(commits) - 1)
        folder = self.path / name
        rows, damaged = read_rounds(self._array(name), name, commits, first, last, folder)
        if damaged:
            raise StoreError(damaged_text(self.path, damaged))
        return rows

    def verify(self) -> list[Damage]:
        """Read all that was committed; what is not as it was."""
        return verify(self._root, self.path, self.commits())

    def index(self) -> NDArray[np.int64]:
        """Rows (round, array, replica, start, stop), shape (n, 5); `array` counts in `names()`."""
        commits = self.commits()
        rows = int(commits[-1]["index"]) if commits else 0
        if not rows:
            return np.zeros((0, 5), dtype=np.int64)
        return np.asarray(self._array("index")[:rows], dtype=np.int64)

    def _array(self, name: str) -> zarr.Array[Any]:
        # readers open anew each time: the length may have changed
        if not self._writable or name not in self._arrays:
            array = self._root[name]
            if not isinstance(array, zarr.Array):
                raise StoreError(f"{self.path / name} is not an array")
            self._arrays[name] = array
        return self._arrays[name]

    # -- writing ------------------------------------------------------------------------------

    def append(self, rnd: int, segments: Sequence[Segment]) -> dict[str, NDArray[Any]]:
        """Write the samples of a round; they exist once `commit` was called.

        Parameters
        ----------
        rnd : int
            Must be `last_round` + 1.
        segments : sequence of Segment, sorted by key

        Returns
        -------
        dict
            What was added, by 'kind/name', segments in key order.

        Raises
        ------
        StoreError
            For a round out of turn, a name that cannot be a folder, a dtype that is not numeric, or
            a shape or dtype that differs from earlier rounds.
        """
        if rnd != self.last_round + 1:
            raise StoreError(f"round {rnd} cannot follow round {self.last_round}")
        known = self._known[-1] if self._known else _NOTHING
        lengths: dict[str, int] = dict(known["lengths"])
        digest = hashlib.sha256(f"{known['digest']}{rnd}".encode())
        parts: dict[str, list[NDArray[Any]]] = {}
        rows: list[tuple[int, int, int, int, int]] = []
        for segment in segments:
            kind, replica = segment.key[1], segment.key[2]
            for short in sorted(segment.samples):
                name = f"{kind}/{short}"
                data = checked(name, np.asarray(segment.samples[short]))
                start = lengths.setdefault(name, 0)
                lengths[name] = start + len(data)
                rows.append((rnd, list(lengths).index(name), replica, start, lengths[name]))
                parts.setdefault(name, []).append(data)
                digest.update(f"{name}{segment.key}".encode())
                update_hash(digest, data)
        added = {name: joined(name, pieces) for name, pieces in parts.items()}
        writes = [(name, data, lengths[name] - len(data)) for name, data in added.items()]
        if rows:
            writes.append(("index", np.array(rows, dtype=np.int64), int(known["index"])))
        # side by side: most of it is waiting for the disk, which joins the flushes
        with ThreadPoolExecutor(_WRITERS) as pool:
            for _ in pool.map(lambda one: self._write(*one), writes):
                pass
        if rows and list(known["lengths"]) != list(lengths):
            self._describe(list(lengths))
        self._staged = {
            "schema_version": SCHEMA_VERSION,
            "msgen": this_msgen(),
            "round": rnd,
            "lengths": lengths,
            "index": int(known["index"]) + len(rows),
            "digest": digest.hexdigest(),
            DIGESTS: {name: rows_digest(data) for name, data, _ in writes},
        }
        return added

    def commit(self) -> None:
        """Make the appended round exist: one flushed line."""
        if self._staged is None:
            raise StoreError("nothing was appended since the last commit")
        append_line(self.commits_path, self._staged, sync=True)
        if not self._known:
            fsync_path(self.commits_path.parent)
        self._known.append(self._staged)
        self._staged = None

    def truncate(self, rnd: int) -> None:
        """Cut off everything after round `rnd` (−1: everything), and whatever no record names.

        Raises
        ------
        StoreError
            If an array is shorter than its record says.
        """
        self._known = [c for c in self.commits() if int(c["round"]) <= rnd]
        self._staged = None
        text = "".join(json.dumps(c) + "\n" for c in self._known).encode()
        if self.commits_path.exists() and self.commits_path.read_bytes() != text:
            write_atomic(self.commits_path, text)
        last = self._known[-1] if self._known else _NOTHING
        wanted: dict[str, int] = dict(last["lengths"])
        if last["index"]:
            wanted["index"] = last["index"]
        for left in self.path.rglob(f"*{PARTIAL}"):  # of a write that a kill cut short
            left.unlink()
        for found in [file.parent for file in self.path.rglob("zarr.json")]:
            name = found.relative_to(self.path).as_posix()
            if name not in wanted and not any(w.startswith(f"{name}/") for w in wanted):
                if name != ".":
                    shutil.rmtree(found, ignore_errors=True)  # its parent may have gone before it
                self._arrays.pop(name, None)
        for name, length in wanted.items():
            array = self._array(name)
            if array.shape[0] < length:
                raise StoreError(
                    f"{self.path / name} holds {array.shape[0]} rows where {length} were committed"
                )
            if array.shape[0] > length:
                array.resize((length, *array.shape[1:]))
        if last["index"] and self._array("index").attrs["arrays"] != list(last["lengths"]):
            self._describe(list(last["lengths"]))

    def _write(self, name: str, data: NDArray[Any], start: int) -> None:
        folder = self.path / name
        new = name not in self._arrays and not (folder / "zarr.json").exists()
        if new:
            self._arrays[name] = new_array(self._root, name, data)
        array = self._array(name)
        if array.shape[1:] != data.shape[1:] or array.dtype != data.dtype:
            raise StoreError(
                f"{name}: rows of {data.dtype} {data.shape[1:]} where the store has "
                f"{array.dtype} {array.shape[1:]}"
            )
        stop = start + len(data)
        if stop == start:
            return
        array.resize((stop, *array.shape[1:]))
        array[start:stop] = data
        with writing(folder, data.nbytes):
            for path in (folder, folder.parent, self.path) if new else (folder,):
                fsync_path(path)

    def _describe(self, names: list[str]) -> None:
        self._array("index").attrs.update({"columns": _COLUMNS, "arrays": names})
