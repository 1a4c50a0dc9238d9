"""Errors that nobody foresaw, in words: what was being done, why it may be, and what to try."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from msgen.systems.errors import first_line

_OPENMM = "OpenMMException"
_REMEDIES: tuple[tuple[str, str, str], ...] = (
    # class of the error or of one of its bases, part of its text, remedy
    (_OPENMM, "NaN", "Write minimize: true, a shorter timestep, or check the structure"),
    (_OPENMM, "periodic box size", "Write a shorter system.cutoff, or take a larger box"),
    (_OPENMM, "constraint", "Write a shorter timestep, or check the structure"),
    (_OPENMM, "memory", "Take fewer workers a GPU, or platform: CPU"),
    (_OPENMM, "", "Try platform: Reference, or run the System with OpenMM itself"),
    ("OutOfMemoryError", "", "Take fewer workers (resources: {workers: …}), replicas or bins"),
    ("MemoryError", "", "Take fewer CVs or bins, fewer replicas, or fewer workers"),
    ("RaySystemError", "", "Look at free memory and at /dev/shm, or take --executor inline"),
    ("RayError", "", "Look at free memory and at /dev/shm, or take --executor inline"),
    ("UnicodeError", "", "Write the file in UTF-8"),
    ("ModuleNotFoundError", "", "Install it beside msgen"),
)


class MachineError(RuntimeError):
    """This machine cannot do what a campaign needs; the text is the whole message for the user."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def remedy(error: BaseException) -> str | None:
    """What helps against an error of a kind that is known; None for any other."""
    for one in chain(error):
        kinds = {cls.__name__ for cls in type(one).__mro__}
        for kind, part, what in _REMEDIES:
            if kind in kinds and part in str(one):
                return what
    return None


def short(error: BaseException) -> str:
    """An error's first line, with its class where the text alone says little."""
    text = first_line(error)[:300]
    if isinstance(error, MachineError):
        return text
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return where + error.strerror
    return text if type(error).__name__ in text else f"{type(error).__name__}: {text}"


def unforeseen(error: BaseException, doing: str) -> str:
    """What to print of an error that ended a command; the traceback goes to a temporary file.

    Parameters
    ----------
    error : BaseException
    doing : str
        What was being done, like 'msgen validate a.yaml'.
    """
    lines = [f"{doing}: {short(error)}"]
    helps = remedy(error)
    if helps is not None:
        lines.append(f"  {helps}.")
    if isinstance(error, MachineError | OSError):
        return "\n".join(lines)
    trace = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="msgen-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(trace)
        kept = f"The traceback is in {Path(file.name)}"
    except OSError:
        kept = "The traceback could not be written to a temporary file"
    if helps is None:
        kept += "; this was not foreseen, please report it with that file"
    return "\n".join([*lines, f"  {kept}."])
