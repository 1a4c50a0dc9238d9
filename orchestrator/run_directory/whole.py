"""Whether a run directory is whole: all that was committed is there, as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, read_lines
from msgen.orchestrator.run_directory.store_files import complete


@dataclass(frozen=True)
class Findings:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    rounds, arrays : int
    checkpoint : int or None
        The round that the run would go on from.
    damaged : tuple of str
        Empty if all is whole.
    """

    rounds: int
    arrays: int
    checkpoint: int | None
    damaged: tuple[str, ...]


def verify(run_dir: Path) -> Findings:
    """Read all of a run directory that results and resuming depend on; nothing is changed.

    Raises
    ------
    FormatError
        If it was written in a layout that this msgen cannot read.
    """
    # zarr is slow to import, and `status` asks only whether files are missing
    from msgen.orchestrator.run_directory.checkpoint import CheckpointError, Checkpoints
    from msgen.orchestrator.run_directory.store import Store

    commits = run_dir / "commits.jsonl"
    try:
        rounds = len(read_lines(commits, strict=True))
    except ValueError as error:
        return Findings(0, 0, None, (str(error),))
    if not rounds:
        return Findings(0, 0, None, ())
    path = run_dir / "store.zarr"
    try:
        store = Store(path)
    except (OSError, ValueError) as error:
        return Findings(rounds, 0, None, (f"{path}: cannot be opened ({error})",))
    damaged = [f"{path}: {what}" for what in store.verify()]
    checkpoint, states = None, run_dir / "checkpoints"
    if not states.is_dir():
        damaged.append(f"{states} is missing: the run cannot go on")
        return Findings(rounds, len(store.names()), None, tuple(damaged))
    try:
        checkpoint, _, passed_over = Checkpoints(states).load(store.last_round)
        damaged += passed_over
    except CheckpointError as error:
        damaged.append(str(error))
    return Findings(rounds, len(store.names()), checkpoint, tuple(damaged))


def warning(run_dir: Path) -> str | None:
    """What to tell of damaged samples; only where files are missing are they read."""
    path = run_dir / "store.zarr"
    if complete(path, read_lines(run_dir / "commits.jsonl")):
        return None
    found = verify(run_dir).damaged
    return "; ".join(found) if found else None


def refuse_damaged(run_dir: Path) -> None:
    """Nothing if the samples are whole.

    Raises
    ------
    RunDirectoryError
        Naming what is damaged or missing, and the remedy.
    """
    from msgen.orchestrator.run_directory.store import Store
    from msgen.orchestrator.run_directory.store_check import damaged_text

    path = run_dir / "store.zarr"
    if not (run_dir / "commits.jsonl").exists():
        return
    if not path.is_dir():
        raise RunDirectoryError(
            f"{path} is missing, and {run_dir} has committed rounds. Restore it from a copy of the "
            "run, or begin anew under another --output-dir. Nothing was changed"
        )
    damaged = Store(path).verify()
    if damaged:
        raise RunDirectoryError(damaged_text(path, damaged))
