"""Ends what a test started, whatever became of its parents: found by a variable of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TAG = "MSGEN_TEST_TAG"


@contextmanager
def tagged() -> Iterator[dict[str, str]]:
    """An environment; every process that inherited it is killed at the end."""
    env = {**os.environ, TAG: uuid4().hex}
    try:
        yield env
    finally:
        deadline = time.monotonic() + 60.0
        while left := with_tag(env[TAG]):
            assert time.monotonic() < deadline, f"still there: {left}"
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.1)


def with_tag(tag: str) -> list[int]:
    """The processes with that tag, this one left out."""
    wanted = f"{TAG}={tag}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            env = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # gone meanwhile, or another user's
            continue
        if wanted in env and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
