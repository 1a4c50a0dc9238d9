"""Walkers too big to pass around: written by who made them, read by who goes on with them.

An order's walkers are one file; what travels with orders and segments, and lies in checkpoints, is
a table of where each walker is. The controller never sees a coordinate.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import OrderKey
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Walkers

Rows = NDArray[np.int64]

NAME = "shelf"
"""Of the table in a tree of walkers; its columns: round, kind, order, row, with its velocities."""
KINDS = (
    "start",
    "explore",
    "sample",
    "walk",
    "watch",
    "target",
    "seed",
    "umbrella",
    "temper",
    "bias",
    "probe",
)
"""Order kinds by their number in a table. Tables of older runs hold these numbers: only append."""
START = np.array([[-1, 0, 0, 0, 0]], dtype=np.int64)
"""The campaign's one structure, which every worker has."""
START_WITHOUT_BOX = np.array([[-1, 0, 1, 0, 0]], dtype=np.int64)
"""The same, its box left out: tables of older runs hold it."""
_START = int(START[0, 1])


class Shelf:
    """The files below one folder, on a disk that all workers see.

    Parameters
    ----------
    folder : Path
        ``walkers/`` of a run directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, key: OrderKey, walkers: Walkers) -> WalkerRows:
        """Write the walkers of one order, durably; the table that finds them again.

        Beside it, 'sound' is NaN where a coordinate is not finite, for who never sees them.
        """
        rnd, kind, order = key
        arrays = {"positions": walkers.positions}
        if walkers.velocities is not None:
            arrays["velocities"] = walkers.velocities
        if walkers.box is not None:
            arrays["box"] = walkers.box
        number = _number(kind)
        path = self._path(rnd, number, order)
        path.parent.mkdir(parents=True, exist_ok=True)
        # an order done twice writes the same twice: whichever comes last, the file is whole
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        with aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        n, moving = len(walkers), int(walkers.velocities is not None)
        table = np.tile(np.array([rnd, number, order, 0, moving]), (n, 1))
        table[:, 3] = np.arange(n)
        sound = all(bool(np.isfinite(a).all()) for a in arrays.values())
        return WalkerRows(shelf=table, sound=np.array([0.0 if sound else np.nan]))

    def get(self, rows: Rows, start: Walkers) -> Walkers:
        """The walkers of a table, in its order.

        Parameters
        ----------
        rows : Rows, shape (n, 5)
        start : Walkers
            The campaign's one structure.

        Raises
        ------
        FileNotFoundError
            For a table of another campaign, or a folder that this worker does not see.
        """
        ones: list[Walkers] = [start] * len(rows)
        files, of = np.unique(rows[:, :3], axis=0, return_inverse=True)
        for i, (rnd, kind, order) in enumerate(files.tolist()):
            mine = np.flatnonzero(of.reshape(-1) == i)
            held = self._read(rnd, kind, order) if kind != _START else start
            if [rnd, kind, order] == START_WITHOUT_BOX[0, :3].tolist():
                held = Walkers(start.positions)
            for k in mine.tolist():
                one = held.take([rows[k, 3]])
                ones[k] = one if rows[k, 4] else Walkers(one.positions, None, one.box)
        velocities = [w.velocities for w in ones if w.velocities is not None]
        boxes = [w.box for w in ones if w.box is not None]
        return Walkers(
            np.concatenate([w.positions for w in ones]),
            # drawn anew for all, if any has none
            np.concatenate(velocities) if len(velocities) == len(ones) else None,
            np.concatenate(boxes) if boxes else None,
        )

    def _read(self, rnd: int, kind: int, order: int) -> Walkers:
        with np.load(self._path(rnd, kind, order), allow_pickle=False) as file:
            return Walkers(**{name: file[name] for name in file.files})

    def prune(self, newest: int, trees: Iterable[Any]) -> None:
        """Delete what no tree mentions, of rounds up to `newest`; later ones are being written."""
        kept = {self._path(*(int(v) for v in row[:3])) for tree in trees for row in tables(tree)}
        for path in self.folder.glob("*/*"):
            if int(path.parent.name) <= newest and path not in kept:
                path.unlink(missing_ok=True)
        for folder in self.folder.glob("*"):
            if int(folder.name) <= newest and not any(folder.iterdir()):
                folder.rmdir()

    def _path(self, rnd: int, kind: int, order: int) -> Path:
        return self.folder / str(rnd) / f"{_name(kind)}-{order}.npz"


def _number(kind: str) -> int:
    """Of an order kind in a table: its place in `KINDS`; of a plug-in's role, a negative digest."""
    if kind in KINDS:
        return KINDS.index(kind)
    # the same in every process and every run, whatever other roles there are
    return -1 - int.from_bytes(hashlib.sha256(kind.encode()).digest()[:7], "big")


def _name(number: int) -> str:
    """What the files of a kind are called; a digest cannot be turned back and names itself."""
    return KINDS[number] if number >= 0 else f"{-number:x}"


def tables(tree: Any) -> Iterator[Rows]:
    """Every row of every table in a tree."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if name == NAME:
                yield from np.asarray(value, dtype=np.int64)
            else:
                yield from tables(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from tables(value)
