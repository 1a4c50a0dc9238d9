"""`results/dynamics.json` and its figure: what trajectories told of dynamics."""

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
SCHEMA_VERSION = 1
_TYPE = TypeAdapter(Judgement)


def write_dynamics(folder: Path, told: Judgement, title: str) -> list[Path]:
    """Write `dynamics.json` and `dynamics.png` in a folder, each as a whole; returns the paths."""
    from msgen.orchestrator.reporting.dynamics_figure import dynamics_figure
    from msgen.orchestrator.reporting.plots import png

    content = {"schema_version": SCHEMA_VERSION, "of": title, **asdict(told)}
    text = json.dumps(jsonable(content), allow_nan=False, ensure_ascii=False)
    write_atomic(folder / DYNAMICS, text + "\n")
    write_atomic(folder / FIGURE, png(dynamics_figure(told, title)))
    return [folder / DYNAMICS, folder / FIGURE]


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
