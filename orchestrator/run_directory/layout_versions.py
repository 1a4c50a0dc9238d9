"""Layouts of what a run directory holds, and how one that an older msgen wrote becomes today's.

Every record carries its ``schema_version``. A change of layout raises it by one and adds the step
that leads there from the version before; without such a step the run is refused, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError

Record = dict[str, Any]
Steps = Mapping[int, Callable[[Record], Record]]


class FormatError(RunDirectoryError):
    """Written in a layout that this msgen cannot read."""


@cache
def this_msgen() -> str:
    """The version of msgen that runs, which records carry for whoever cannot read them."""
    try:
        return version("msgen")
    except PackageNotFoundError:
        return "unknown"


def admit(record: Record, current: int, steps: Steps, what: Path) -> int:
    """The layout of `record`, if `steps` lead from there to `current`.

    Parameters
    ----------
    record : dict
        With its ``schema_version``; if it names its writer under 'msgen', so does the refusal.
    current : int
    steps : mapping
        By version: from what was written in that layout to the next.
    what : Path
        For the message.

    Raises
    ------
    FormatError
        If there is no way from there.
    """
    found = record.get("schema_version")
    if (
        not isinstance(found, int)
        or found > current
        or not all(v in steps for v in range(found, current))
    ):
        raise FormatError(_refusal(record, found, current, what))
    return found


def upgraded(content: Record, found: int, current: int, steps: Steps) -> Record:
    """`content`, written in layout `found`, in layout `current`."""
    for v in range(found, current):
        content = steps[v](content)
    return content


def _refusal(record: Record, found: object, current: int, what: Path) -> str:
    writer = record.get("msgen")
    by = f" by msgen {writer}" if isinstance(writer, str) else ""
    newer = isinstance(found, int) and found > current
    remedy = f"Go on with the msgen that wrote it{f' ({writer})' if by else ''}"
    if newer:
        remedy += " or a later one"
    return (
        f"{what}: written{by} in layout {found}; this msgen ({this_msgen()}) reads layout "
        f"{current}{'' if newer else ' and has no way from there'}. {remedy}, or begin anew under "
        "another --output-dir. Nothing was changed"
    )
