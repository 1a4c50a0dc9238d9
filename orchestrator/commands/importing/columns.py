"""Columns of the files that other programs write: PLUMED's, Gromacs' .xvg, and plain tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from msgen.orchestrator.schema.problems import CampaignError, Problem, choose
from msgen.systems.base import Array

_NOT_WATCHED = ("time", "bias", ".bias", "rct", "rbias", "height", "work", "force", "kappa", "cntr")
"""Endings of PLUMED's columns that follow from others, or are no coordinate."""


@dataclass(frozen=True)
class Table:
    """A file of numbers.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Of PLUMED's FIELDS; () where the file does not say.
    rows : Array, shape (n, columns)
    constants : Mapping of str
        What PLUMED's file SETs.
    """

    path: Path
    names: tuple[str, ...]
    rows: Array
    constants: Mapping[str, str] = field(default_factory=dict)

    def column(self, asked: int | str) -> Array:
        """By its number from 1, or by its name.

        Raises
        ------
        CampaignError
        """
        if isinstance(asked, str):
            if asked in self.names:
                return np.asarray(self.rows[:, self.names.index(asked)])
            what = f"{self.path.name} has no column of that name"
            known = choose(asked, self.names) if self.names else "Give its number, from 1"
            raise _wrong(self.path, asked, what, known)
        if asked > self.rows.shape[1]:
            what = f"{self.path.name} has {self.rows.shape[1]} columns"
            raise _wrong(self.path, asked, what, "Count from 1")
        return np.asarray(self.rows[:, asked - 1])

    def watchable(self, without: Sequence[str]) -> tuple[str, ...]:
        """Names of what else a file of PLUMED's has."""
        return tuple(n for n in self.names if n not in without and not n.endswith(_NOT_WATCHED))


def read_table(path: Path) -> Table:
    """Read a file; lines beginning with #, @ or & are about it, a repeated FIELDS line is the same.

    A line cut short, as of a run that was killed, is left out if it is the last.

    Raises
    ------
    CampaignError
        Naming the file, and the line.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        remedy = "Files are found relative to the file that names them"
        raise _wrong(path, str(path), f"cannot be read ({error.strerror})", remedy) from None
    names: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    rows: list[list[float]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words[:2] == ["#!", "FIELDS"]:
            names = tuple(words[2:])
        if words[:2] == ["#!", "SET"] and len(words) == 4:
            constants[words[2]] = words[3]
        if not words or words[0][0] in "#@&":
            continue
        try:
            row = [float(w) for w in words]
        except ValueError:
            row = []
        if not row or (rows and len(row) != len(rows[0])):
            if number == len(lines):
                break
            what = f"line {number} of {path.name} is no row of numbers like those before"
            raise _wrong(path, line.strip(), what, "Write # before what is about the file")
        rows.append(row)
    if not rows:
        raise _wrong(path, path.name, "holds no numbers", "Give a file with a row for each sample")
    if names and len(names) != len(rows[0]):
        what = f"{path.name} names {len(names)} fields and has {len(rows[0])} columns"
        raise _wrong(path, path.name, what, "Give the file as PLUMED wrote it")
    return Table(path, names, np.array(rows), constants)


def _wrong(path: Path, value: object, what: str, remedy: str) -> CampaignError:
    return CampaignError(str(path), [Problem(("file",), value, what, remedy)])
