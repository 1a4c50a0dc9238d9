"""One driver at a time in a run directory."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, writing


class LockedError(RunDirectoryError):
    """Somebody else works in this run directory."""


class RunLock:
    """An flock on ``<folder>/<name>``; the kernel lets go of it when the holder dies, however.

    Parameters
    ----------
    folder : Path
    name : str
        'lock' for the driver, 'writer.lock' for the process that writes the store.
    patience_s : float
        How long to wait for the holder to go: for one who only looks, or for a writer whose driver
        was killed a moment ago.

    Raises
    ------
    LockedError
        On entering, if it is still held; says by whom.
    """

    def __init__(self, folder: Path, name: str = "lock", patience_s: float = 0.5) -> None:
        self.path = folder / name
        self._patience_s = patience_s
        self._fd: int | None = None

    def __enter__(self) -> Self:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take(fd)
            me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}
            with writing(self.path):
                os.ftruncate(fd, 0)
                os.pwrite(fd, json.dumps(me).encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def _take(self, fd: int) -> None:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(fd, 4096, 0).decode(errors="replace")
                    raise LockedError(_describe(self.path.parent, holder)) from None
                time.sleep(0.1)
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                raise LockedError(
                    f"{self.path.parent}: its file system has no locks ({error.strerror}), so that "
                    "two runs in it could not be told apart. Give an --output-dir on another one"
                ) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _describe(folder: Path, holder: str) -> str:
    try:
        who = json.loads(holder)
        by = f"by process {who['pid']} on {who['host']} since {who['since']}"
    except (ValueError, KeyError, TypeError):
        by = "by another process"
    return f"{folder} is in use {by}. Wait for it, stop it, or give another --output-dir"
