"""Writing files so that they are there after a crash, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class RunDirectoryError(RuntimeError):
    """What a run directory holds cannot be used; one line says why, and what to do."""


class WriteError(OSError):
    """A file could not be written; `needed` is how many bytes were to be written.

    Unlike the error that the system raised, it always knows the file.
    """

    def __init__(self, number: int, text: str, path: Path, needed: int = 0) -> None:
        super().__init__(number, text, str(path))
        self.needed = needed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.strerror, Path(str(self.filename)), self.needed)


@contextmanager
def writing(path: Path, needed: int = 0) -> Iterator[None]:
    """What the system refuses in here is raised as a `WriteError` that names `path`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise WriteError(error.errno, os.strerror(error.errno), path, needed) from error


def fsync_path(path: Path) -> None:
    """Flush a file, or a directory's entries, to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replace `path` as a whole: readers see the old content or the new, also after power loss."""
    data = content.encode() if isinstance(content, str) else content
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path, len(data)):
        try:
            write_synced(aside, data)
            os.replace(aside, path)
        except OSError:
            aside.unlink(missing_ok=True)  # half a file would keep a full disk full
            raise
        fsync_path(path.parent)


def write_synced(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Write a file and flush it; not atomic."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def append_line(path: Path, record: dict[str, Any], *, sync: bool) -> None:
    """Append one JSON line; where it cannot be written as a whole, nothing of it stays."""
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    with writing(path, len(line)):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            before = os.fstat(fd).st_size
            try:
                _write_all(fd, line)
                if sync:
                    os.fsync(fd)
            except OSError:
                os.ftruncate(fd, before)
                raise
        finally:
            os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    # a disk that fills up takes a part and says so only when asked again
    while data:
        data = data[os.write(fd, data) :]


def read_lines(path: Path, *, strict: bool = False) -> list[dict[str, Any]]:
    """The JSON lines of a file, up to the first one that a crash tore; [] without a file.

    Raises
    ------
    ValueError
        If `strict` and a line before the last is damaged: no crash does that.
    """
    if not path.exists():
        return []
    records = []
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("it has no end")
            records.append(json.loads(line))
        except ValueError as error:
            if strict and number < len(lines):
                raise ValueError(f"{path}: line {number} is damaged ({error})") from error
            break
    return records


def cut_torn_line(path: Path) -> None:
    """Drop what a crash left of a last line, if it left any."""
    if not path.exists():
        return
    with path.open("rb") as file:
        whole = file.read()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        with writing(path):
            os.truncate(path, end)
