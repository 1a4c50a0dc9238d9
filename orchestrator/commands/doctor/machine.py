"""The machine: versions, cores, memory, disk and file locks."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgen.orchestrator.commands.doctor.base import Finding
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
from msgen.orchestrator.run_directory.lock import LockedError, RunLock
from msgen.orchestrator.version import __version__

PACKAGES = ("openmm", "torch", "numpy", "ray", "mdtraj", "pymbar", "zarr")
LEAST_DISK = 2.0
"""GiB; a campaign of a small molecule writes some hundred MiB."""
LEAST_MEMORY = 2.0
"""GiB free: a worker takes about half of one."""
SLOW_SYNC = 0.5
"""Seconds to bring a small file to the disk; a round does it a few times."""
_TRY = """
import sys
from pathlib import Path
from msgen.orchestrator.run_directory.lock import LockedError, RunLock
try:
    with RunLock(Path(sys.argv[1]), "doctor.lock", patience_s=0.0):
        print("taken")
except LockedError:
    print("held")
"""


def versions() -> Iterator[Finding]:
    """Of what numbers depend on."""
    found, missing = [f"msgen {__version__}", f"Python {platform.python_version()}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("versions", "fine", ", ".join(found))
    if missing:
        remedy = "Install msgen with its dependencies: pip install msgen"
        yield Finding("packages", "wrong", f"missing: {', '.join(missing)}", remedy)


def cores() -> Iterator[Finding]:
    """Cores that this process may use, and threads that libraries will take."""
    mine, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    said = f"{mine} of {all_of_them} may be used"
    yield Finding("cores", "fine", f"{said}; workers take one each, unless resources: says else")
    load = os.getloadavg()[0]
    if load > mine + 1:
        remedy = "Campaigns run, but share the cores: wall budgets end sooner"
        yield Finding("load", "note", f"{load:.3g} processes want {mine} cores", remedy)


def memory() -> Iterator[Finding]:
    """What is free of it."""
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    if pages < LEAST_MEMORY:
        remedy = "Take fewer workers (resources: {workers: 1}), or end other programs"
        yield Finding("memory", "note", f"{pages:.3g} GiB free", remedy)
    else:
        yield Finding("memory", "fine", f"{pages:.3g} GiB free")


def disk(folder: Path) -> Iterator[Finding]:
    """Whether runs can be written below a folder, and how fast they reach the disk."""
    here = folder.absolute()
    existing = next(p for p in (here, *here.parents) if p.exists())
    try:
        with tempfile.TemporaryDirectory(dir=existing, prefix=".msgen-doctor-") as scratch:
            yield from _written(Path(scratch), here)
            yield _locked(Path(scratch))
    except OSError as error:
        remedy = "Give a folder that you may write to: --output-dir DIR"
        yield Finding("disk", "wrong", f"{here}: {error.strerror or error}", remedy)


def _written(scratch: Path, told: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(scratch).free / 2**30
    began = time.perf_counter()
    with (scratch / "a").open("wb") as file:
        file.write(b"x" * 65536)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch / "a", scratch / "b")
    took = time.perf_counter() - began
    said = f"{told}: {free:,.3g} GiB free, a file is safe in {1000 * took:.3g} ms"
    if free < LEAST_DISK:
        yield Finding("disk", "note", said, "Make room, or give --output-dir on another disk")
    elif took > SLOW_SYNC:
        yield Finding("disk", "note", said, "Slow for what a round writes: try a local disk")
    else:
        yield Finding("disk", "fine", said)


def _locked(scratch: Path) -> Finding:
    """Whether a lock that one process holds is seen by another."""
    remedy = "Give --output-dir on a file system with flock, or see that no two runs share one"
    try:
        with RunLock(scratch, "doctor.lock"):
            command = [sys.executable, "-c", _TRY, str(scratch)]
            seen = subprocess.run(command, capture_output=True, text=True, check=False)
    except (LockedError, RunDirectoryError) as error:
        return Finding("file locks", "wrong", str(error), remedy)
    if seen.stdout.strip() == "held":
        return Finding("file locks", "fine", "one process sees what another holds")
    if seen.stdout.strip() == "taken":
        return Finding("file locks", "wrong", "two processes took the same lock", remedy)
    said = (seen.stderr.strip().splitlines() or ["no cause given"])[-1]
    return Finding("file locks", "wrong", f"could not be tried: {said}", remedy)
