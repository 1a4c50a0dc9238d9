"""Campaigns of transition paths that were run before, or are now."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from places import ROOT

import msgen
from msgen.orchestrator.estimators.dynamics.path_sampling import TransitionPaths
from msgen.orchestrator.reporting.paths_result import PATHS, read_paths

KEPT = ROOT / "runs" / "benchmarks" / "dynamics"


def kept_paths(
    file: Path, name: str, seed: int, settings: Sequence[str] = ()
) -> tuple[TransitionPaths, int]:
    """What a campaign file told, and its evaluations; from the disk where it was run before.

    Parameters
    ----------
    file : Path
    name : str
        Of the folder in runs/benchmarks/dynamics that keeps it.
    seed : int
    settings : sequence of str
        KEY=VALUE, as the command line has them.
    """
    folder = KEPT / name
    cost = folder / "cost.json"
    if not cost.is_file():
        with tempfile.TemporaryDirectory() as where:
            given = (f"seed={seed}", "output.tensorboard=false", "budget.wall=120 min", *settings)
            result = msgen.run(file, output_dir=where, overrides=given, quiet=True)
            (made,) = Path(where).glob(f"*/results/{PATHS}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PATHS).write_bytes(made.read_bytes())
            spent = {"evaluations": result.cost.energy_evaluations, "status": result.status}
            cost.write_text(json.dumps(spent))
    return read_paths(folder), int(json.loads(cost.read_text())["evaluations"])
