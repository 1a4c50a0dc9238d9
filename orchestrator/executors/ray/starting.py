"""Why Ray does not start, in words."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgen.orchestrator.causes import MachineError

SHARED_MEMORY = Path("/dev/shm")
LEAST = 100 * 2**20
"""Bytes that Ray's object store wants at least."""
_INLINE = "or take --executor inline, which needs no Ray"


@contextmanager
def starting(address: str) -> Iterator[None]:
    """What Ray raises when it starts, or is looked for, as a `MachineError`.

    Raises
    ------
    MachineError
        Also before, where its object store would find no room.
    """
    if address == "local":
        check_room()
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise MachineError(in_words(error, address)) from error


def check_room(memory: Path = SHARED_MEMORY) -> None:
    """See that Ray's object store has room.

    Raises
    ------
    MachineError
    """
    try:
        free = shutil.disk_usage(memory).free
    except OSError:
        return  # without it Ray takes another place
    if free < LEAST:
        raise MachineError(
            f"{memory} has {free / 2**20:.0f} MiB free, and Ray needs {LEAST / 2**20:.0f}: free "
            f"some (in a container --shm-size=1g), {_INLINE}"
        )


def in_words(error: Exception, address: str) -> str:
    """What to tell of what Ray raised."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    if "AF_UNIX" in text:
        place = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
        return (
            f"the temporary directory {place!r} is too long for Ray's sockets: write "
            f"TMPDIR=/tmp before the command, {_INLINE}"
        )
    if address == "local":
        return f"Ray did not start ({text}): look at free memory and at {SHARED_MEMORY}, {_INLINE}"
    return (
        f"no Ray cluster answers at {address!r} ({text}): start one there (ray start --head), take "
        f"--address local, {_INLINE}"
    )
