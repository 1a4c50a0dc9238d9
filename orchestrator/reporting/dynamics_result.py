"""`results/dynamics.json` and its figures: what trajectories told of dynamics."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from msgen.orchestrator.estimators.dynamics.judgement import Judgement
from msgen.orchestrator.reporting.told_files import read_told, write_told
from msgen.orchestrator.run_directory.atomic_files import write_atomic

DYNAMICS = "dynamics.json"
FIGURE = "dynamics.png"
MADE_FIGURE = "dynamics_made.png"
"""Of what a model was asked for beside free trajectories; there where it was."""
SCHEMA_VERSION = 1
_TYPE = TypeAdapter(Judgement)


def write_dynamics(folder: Path, told: Judgement, title: str) -> list[Path]:
    """Write `dynamics.json` and its figures in a folder, each as a whole; returns the paths."""
    from msgen.orchestrator.reporting.dynamics_figure import dynamics_figure, made_figure
    from msgen.orchestrator.reporting.plots import png

    write_told(folder / DYNAMICS, {"of": title, **asdict(told)}, SCHEMA_VERSION)
    write_atomic(folder / FIGURE, png(dynamics_figure(told, title)))
    paths = [folder / DYNAMICS, folder / FIGURE]
    made = made_figure(told, title)
    if made is None:
        # of an earlier answer, which this one replaces
        (folder / MADE_FIGURE).unlink(missing_ok=True)
        return paths
    write_atomic(folder / MADE_FIGURE, png(made))
    return [*paths, folder / MADE_FIGURE]


def read_dynamics(folder: Path) -> Judgement:
    """What `write_dynamics` wrote; raises as `read_told` does."""
    return read_told(folder / DYNAMICS, _TYPE, SCHEMA_VERSION, "run msgen dynamics again", "of")
