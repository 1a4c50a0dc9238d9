"""Whether a run directory is whole: all that was committed is there, as it was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, read_lines
from msgen.orchestrator.run_directory.store_files import complete

MOST_TOLD = 3


@dataclass(frozen=True)
class Findings:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    rounds, arrays : int
    damaged : tuple of str
        Empty if all is whole.
    """

    rounds: int
    arrays: int
    damaged: tuple[str, ...] = ()


def verify(run_dir: Path) -> Findings:
    """Read all of a run directory that results and resuming depend on; nothing is changed.

    Raises
    ------
    FormatError
        If it was written in a layout that this msgen cannot read.
    """
    found = _samples(run_dir)
    if not found.rounds:
        return found
    return replace(found, damaged=(*found.damaged, *_states(run_dir, found.rounds - 1)))


def warning(run_dir: Path) -> str | None:
    """What to tell of damaged samples; only where files are missing are they read."""
    commits = read_lines(run_dir / "commits.jsonl")
    if commits and complete(run_dir / "store.zarr", commits):
        return None
    return "; ".join(_samples(run_dir).damaged) or None


def refuse_damaged(run_dir: Path) -> None:
    """Nothing if the samples are whole.

    Raises
    ------
    RunDirectoryError
        Naming what is damaged or missing, and the remedy.
    """
    damaged = _samples(run_dir).damaged
    if not damaged:
        return
    more = f"; and {len(damaged) - MOST_TOLD} more" if len(damaged) > MOST_TOLD else ""
    raise RunDirectoryError(
        f"{'; '.join(damaged[:MOST_TOLD])}{more}. Restore what is damaged from a copy of the run, "
        "or begin anew under another --output-dir. Nothing was changed"
    )


def _samples(run_dir: Path) -> Findings:
    """Of the commits and the store."""
    # zarr is slow to import, and `status` asks only whether files are missing
    from msgen.orchestrator.run_directory.store import Store

    commits, path = run_dir / "commits.jsonl", run_dir / "store.zarr"
    try:
        rounds = len(read_lines(commits, strict=True))
    except ValueError as error:
        return Findings(0, 0, (str(error),))
    if not rounds:
        if _has_committed(run_dir):
            return Findings(0, 0, (f"{commits}, which says what was committed, is lost",))
        return Findings(0, 0)
    if not path.is_dir():
        return Findings(rounds, 0, (f"{path} is missing",))
    try:
        store = Store(path)
    except (OSError, ValueError) as error:
        return Findings(rounds, 0, (f"{path}: cannot be opened ({error})",))
    damaged = tuple(f"{path}: {what}" for what in store.verify())
    return Findings(rounds, len(store.names()), damaged)


def _has_committed(run_dir: Path) -> bool:
    """Whether there must be a commit: the first round's checkpoint alone is older than its own."""
    states = run_dir / "checkpoints"
    later = any(p.name.isdigit() and int(p.name) > 0 for p in states.glob("*"))
    return later or (run_dir / "results" / "free_energy.json").exists()


def _states(run_dir: Path, last: int) -> list[str]:
    """Of the checkpoints, without making their folder where it is lost."""
    from msgen.orchestrator.run_directory.checkpoint import CheckpointError, Checkpoints

    folder = run_dir / "checkpoints"
    if not folder.is_dir():
        return [f"{folder} is missing: the run cannot go on"]
    try:
        return Checkpoints(folder).load(last)[2]
    except CheckpointError as error:
        return [str(error)]
