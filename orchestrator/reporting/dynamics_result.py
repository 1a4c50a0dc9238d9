"""`results/dynamics.json` and its figures: what trajectories told of dynamics."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from msgen.orchestrator.estimators.dynamics.judgement import Judgement
from msgen.orchestrator.reporting.results import jsonable
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, write_atomic

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

    content = {"schema_version": SCHEMA_VERSION, "of": title, **asdict(told)}
    text = json.dumps(jsonable(content), allow_nan=False, ensure_ascii=False)
    write_atomic(folder / DYNAMICS, text + "\n")
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
    """What `write_dynamics` wrote.

    Raises
    ------
    FileNotFoundError
        If nothing was written there.
    RunDirectoryError
        If it is damaged, or another version of msgen wrote it in another layout.
    """
    path = folder / DYNAMICS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("schema_version")
        content.pop("of")
        if version != SCHEMA_VERSION:
            what = f"{path} has layout {version}; this msgen reads {SCHEMA_VERSION}"
            raise RunDirectoryError(f"{what}: run msgen dynamics again")
        return _TYPE.validate_python(content)
    except (ValueError, KeyError, AttributeError, ValidationError) as error:
        raise RunDirectoryError(f"{path} is damaged: run msgen dynamics again") from error
