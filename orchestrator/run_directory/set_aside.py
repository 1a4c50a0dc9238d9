"""What a run had sampled before it began anew: kept below ``before/``, out of every estimate."""

from __future__ import annotations

import os
from pathlib import Path

from msgen.orchestrator.run_directory.atomic_files import fsync_path, write_atomic

FOLDER = "before"
PARTS = ("commits.jsonl", "store.zarr", "checkpoints", "unfinished", "walkers", "results",
         "tensorboard", "trajectories")  # fmt: skip
"""All that belongs to samples. The commits go first: without them nothing else counts."""
COMPLETE = "COMPLETE"


def set_aside(run_dir: Path, times: int) -> None:
    """See that what was sampled before each of `times` new beginnings lies in ``before/<n>/``.

    A call that was cut off anywhere is gone on with; one that is done changes nothing. The caller
    holds the run's lock, and has written down that it begins anew.

    Parameters
    ----------
    run_dir : Path
    times : int
        Beginnings so far but the first.
    """
    for n in range(1, times + 1):
        there = run_dir / FOLDER / str(n)
        if (there / COMPLETE).exists():
            continue
        there.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            if (run_dir / part).exists():
                os.replace(run_dir / part, there / part)
        fsync_path(there)
        fsync_path(run_dir)
        write_atomic(there / COMPLETE, "")
