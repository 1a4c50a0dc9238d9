"""Disks that are full, read-only or broken: what to tell, in one line."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from msgen.orchestrator.causes import chain
from msgen.orchestrator.run_directory.atomic_files import WriteError, read_lines

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "Free some space"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or have the quota raised"),
    errno.EFBIG: ("a file may not grow any further", "Raise the limit (ulimit -f)"),
    errno.EROFS: ("the file system is read-only", "Have it mounted for writing"),
    errno.EACCES: ("there is no permission to write", "Have it given"),
    errno.EPERM: ("there is no permission to write", "Have it given"),
    errno.EIO: ("the disk reports an error", "Have the disk looked at"),
    errno.ESTALE: ("the network file system went away", "Have it mounted again"),
}


def trouble(error: BaseException, run_dir: Path) -> str | None:
    """What to tell of an error that the disk under `run_dir` caused; None for any other."""
    for one in chain(error):
        if isinstance(one, OSError) and one.errno in _CAUSES and _is_inside(one, run_dir):
            return _told(one, run_dir)
    return None


def _is_inside(error: OSError, run_dir: Path) -> bool:
    """Whether it is about a file of the run; one that names no file came from a write."""
    if error.filename is None:
        return True
    return Path(os.fsdecode(error.filename)).absolute().is_relative_to(run_dir.absolute())


def _told(error: OSError, run_dir: Path) -> str:
    what, remedy = _CAUSES[error.errno or 0]
    path = run_dir if error.filename is None else Path(os.fsdecode(error.filename))
    text = f"{what}: {path} could not be written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text += f" ({_room(error, run_dir)})"
    return f"{text}. {_safe(run_dir)} {remedy}; then the same command goes on from there"


def _room(error: OSError, run_dir: Path) -> str:
    needed = ""
    if isinstance(error, WriteError) and error.needed:
        needed = f"{_size(error.needed)} to write, "
    try:
        inside = next(p for p in (run_dir, *run_dir.absolute().parents) if p.exists())
        usage, files = shutil.disk_usage(inside), os.statvfs(inside)
    except OSError:
        return f"{needed}free space not known"
    text = f"{needed}{_size(usage.free)} of {_size(usage.total)} free"
    if files.f_files and not files.f_favail:
        text += ", and no inode is left"
    return text


def _safe(run_dir: Path) -> str:
    try:
        commits = read_lines(run_dir / "commits.jsonl")
    except OSError:
        return "What was committed is not touched."
    if not commits:
        return "No round had been committed yet."
    return f"Every round up to {commits[-1]['round']} is committed and safe."


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
