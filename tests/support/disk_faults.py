"""Disks that fail on request: every call that changes the disk counts, and one of them is the last.

What is patched lies below the store, checkpoints and zarr: files opened for writing, and `os`.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Fault = Literal["cut", "kill", "full", "read-only"]

CALLS = (
    "mkdir", "replace", "rename", "unlink", "remove", "rmdir", "truncate", "ftruncate", "fsync"
)  # fmt: skip
_NEEDS_SPACE = ("create", "mkdir", "write")


class CutOffError(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing tidies up."""


@dataclass
class FaultyDisk:
    """Fails at its `at`-th call, and at every one after it.

    Attributes
    ----------
    fault : {'cut', 'kill', 'full', 'read-only'}
        'cut' raises `CutOffError` in every thread, 'kill' is a real SIGKILL, after half of what
        was to be written; 'full' lets half of it be written and then refuses what needs space;
        'read-only' refuses everything.
    at : int
    calls : list of str
        What was called, up to the fault and after it.
    broke : str
        The call that failed first.
    """

    fault: Fault
    at: int
    calls: list[str] = field(default_factory=list)
    failed: bool = False
    broke: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def call(self, name: str, work: Callable[[], Any], half: Callable[[], Any]) -> Any:
        """Do `work`, or `half` of it and fail."""
        with self._lock:
            if not self._fails(name):
                self.calls.append(name)
                return None if name == "fsync" else work()  # nothing loses power here
            self.failed, self.broke = True, self.broke or name
            self.calls.append(name)
            if self.fault != "read-only":
                half()
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "cut":
                raise CutOffError
            number = errno.ENOSPC if self.fault == "full" else errno.EROFS
            raise OSError(number, os.strerror(number))

    def _fails(self, name: str) -> bool:
        if len(self.calls) < self.at and not self.failed:
            return False
        if self.fault == "full":
            return name in _NEEDS_SPACE
        return not (self.fault == "read-only" and name == "fsync")


@contextmanager
def faulty(fault: Fault, at: int) -> Iterator[FaultyDisk]:
    """A disk that fails at call `at`, for as long as this lasts."""
    disk = FaultyDisk(fault, at)
    real = {name: getattr(os, name) for name in (*CALLS, "write", "open")}
    real_open = io.open

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            whole = memoryview(data).cast("B")
            up = super().write
            return int(disk.call("write", lambda: up(whole), lambda: up(whole[: len(whole) // 2])))

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if "b" not in mode or "w" not in mode:
            return real_open(file, mode, *args, **kwargs)
        return disk.call("create", lambda: io.BufferedWriter(Raw(file, "w")), lambda: None)

    def os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        def work() -> int:
            return int(real["open"](path, flags, *args, **kwargs))

        if not flags & os.O_CREAT or os.path.exists(path):
            return work()
        return int(disk.call("create", work, lambda: None))

    def os_write(fd: int, data: Any) -> int:
        part = data[: len(data) // 2]
        write = real["write"]
        return int(disk.call("write", lambda: write(fd, data), lambda: write(fd, part)))

    def plain(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            return disk.call(name, lambda: real[name](*args, **kwargs), lambda: None)

        return call

    patched = {name: plain(name) for name in CALLS} | {"open": os_open, "write": os_write}
    for name, function in patched.items():
        setattr(os, name, function)
    io.open = opened  # type: ignore[assignment]
    try:
        yield disk
    finally:
        for name, function in real.items():
            setattr(os, name, function)
        io.open = real_open
