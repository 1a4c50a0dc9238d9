"""What is wrong with a campaign file, on one screen."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]

MISSING = object()
"""Stands for the value of a field that is not there."""

_MOST = 20
_LONGEST = 60


def dotted(path: Sequence[str | int]) -> str:
    """``('a', 'b', 0)`` → ``a.b[0]``."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if text else key
    return text or "the file"


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that `word` is most likely a typo of, if any."""
    lower = {k.lower(): k for k in known}
    match = difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=0.6)
    return lower[match[0]] if match else None


def choose(word: object, known: Iterable[str]) -> str:
    """A remedy for a name that is not among `known`: the nearest one and the whole list."""
    names = list(known)
    near = nearest(word, names)
    listing = "Allowed: " + ", ".join(names)
    return f"Did you mean {near!r}? {listing}" if near else listing


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    path : tuple of (str or int)
        Keys from the campaign's top level.
    value : object
        What stands there; `MISSING` where nothing does.
    problem, remedy : str
        Without a final full stop.
    """

    path: Path
    value: object
    problem: str
    remedy: str

    def text(self, lines: Mapping[Path, int]) -> str:
        """One or two lines: where, field, value, what is wrong, what to write instead."""
        line = next(
            (lines[self.path[:n]] for n in range(len(self.path), 0, -1) if self.path[:n] in lines),
            0,
        )
        where = f"line {line}: " if line > 0 else "--set: " if line < 0 else ""
        value = ""
        if self.value is not MISSING:
            value = repr(self.value)
            if len(value) > _LONGEST:
                value = value[: _LONGEST - 1] + "…"
            value = f" {value} —"
        return (
            f"{where}{dotted(self.path)}:{value} {self.problem.rstrip('. ')}."
            + (f" {self.remedy.rstrip('. ')}." if self.remedy else "")
        ).replace("?.", "?")


class CampaignError(ValueError):
    """A campaign cannot be run as written; the text is the whole message for the user.

    Parameters
    ----------
    source : str
        The file's name.
    problems : sequence of Problem
    lines : mapping of path to line number (from 1), optional
    """

    def __init__(
        self,
        source: str,
        problems: Sequence[Problem],
        lines: Mapping[Path, int] | None = None,
    ) -> None:
        self.source, self.problems = source, tuple(problems)
        n = len(self.problems)
        head = f"{source}: {n} problem{'s' if n != 1 else ''}"
        rows = ["  " + p.text(lines or {}) for p in self.problems[:_MOST]]
        if n > _MOST:
            rows.append(f"  … and {n - _MOST} more")
        super().__init__("\n".join([head, *rows]))
