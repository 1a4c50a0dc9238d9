"""`results/transition_paths.json`: what transition paths told."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from msgen.orchestrator.estimators.dynamics.path_sampling import Committor, TransitionPaths
from msgen.orchestrator.reporting.dynamics_words import number, value_of
from msgen.orchestrator.reporting.told_files import read_told, write_told

PATHS = "transition_paths.json"
SCHEMA_VERSION = 1
_TYPE = TypeAdapter(TransitionPaths)


def write_paths(folder: Path, told: TransitionPaths) -> Path:
    """Write it as a whole; returns the path."""
    return write_told(folder / PATHS, asdict(told), SCHEMA_VERSION)


def read_paths(folder: Path) -> TransitionPaths:
    """What `write_paths` wrote; raises as `read_told` does."""
    return read_told(folder / PATHS, _TYPE, SCHEMA_VERSION)


def path_rows(told: TransitionPaths) -> list[tuple[str, str]]:
    """What and how much, for a table."""
    per = f"1/{told.unit}"
    effective = "–" if told.effective is None else f"{told.effective:.0f}"
    return [
        ("paths", f"{told.start} to {told.end}, {told.length:g} {told.unit}"),
        ("a frame every", f"{told.stride:g} {told.unit}"),
        ("shots; accepted; effective", f"{told.shots:,}; {told.accepted:,}; {effective}"),
        (f"rate from {told.start} to {told.end} / {per}", value_of(told.rate)),
        (f"rate from {told.end} to {told.start} / {per}", value_of(told.rate_back)),
        (f"passages there in equilibrium / {per}", value_of(told.flux)),
        (f"mean duration of a passage / {told.unit}", value_of(told.duration)),
        ("shots that came to neither end", f"{told.undecided:.2%}"),
    ]


def committor_rows(one: Committor) -> list[tuple[str, str]]:
    """Bins where it is known, for a table."""
    curve = one.curve
    rows = zip(curve.x, curve.value, curve.stderr, strict=True)
    return [(f"{x:g}", number(value, stderr)) for x, value, stderr in rows if value is not None]
