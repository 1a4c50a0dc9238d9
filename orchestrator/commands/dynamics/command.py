"""``msgen dynamics``: read, judge, print a table, write the result and its figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from msgen.orchestrator.commands.dynamics.settings import Settings, time_of, wrong
from msgen.orchestrator.commands.dynamics.sources import read_sources, with_ranges
from msgen.orchestrator.estimators.diagnostics import slowest_autocorrelation_time
from msgen.orchestrator.estimators.dynamics.judge import Asked, judge
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories, same_lag
from msgen.orchestrator.estimators.units import ENOUGH
from msgen.orchestrator.reporting.dynamics_result import write_dynamics
from msgen.orchestrator.reporting.dynamics_words import dynamics_lines
from msgen.orchestrator.schema.units import Dimension

_UNITS: Mapping[Dimension, str] = {"angle": "rad", "length": "nm", "number": "1"}
DEFAULT_LAG = 10
"""Strides, where trajectories are long enough."""
DEFAULT_WINDOW = 64
"""Frames of the longer stride."""
LEAST_MEMORIES = 10.0
"""Statistical inefficiencies that a piece should be long to count as independent."""


def tell_dynamics(settings: Settings) -> str:
    """What the trajectories tell, in words; `dynamics.json` and `dynamics.png` are written.

    Raises
    ------
    CampaignError
        If something given cannot be used.
    """
    if settings.pieces < 1:
        raise wrong("--pieces", settings.pieces, "is not 1 or more", "Write how many pieces")
    folder = _folder(settings)
    sources = read_sources(settings)
    sides = [one.data for one in (sources.here, sources.reference) if one is not None]
    asked = Asked(
        tuple(sources.cores),
        _lag(settings, sides),
        _window(settings, sides),
        with_ranges(sources),
        tuple(_UNITS[section.dimension] for section in sources.sections.values()),
    )
    told = judge(
        sources.here, asked, sources.reference, (*sources.notes, *_doubts(settings, sides))
    )
    written = write_dynamics(folder, told, _title(settings))
    return "\n".join([*dynamics_lines(told), *(f"wrote {path}" for path in written)])


def _title(settings: Settings) -> str:
    names = [
        " ".join(p.name for p in side[:3]) for side in (settings.data, settings.reference) if side
    ]
    return " beside ".join(names)


def _folder(settings: Settings) -> Path:
    if settings.output is not None:
        if not settings.output.is_dir():
            raise wrong("-o", str(settings.output), "is no folder", "Make it first")
        return settings.output
    first = settings.data[0]
    return first / "results" if (first / "results").is_dir() else Path.cwd()


def _lag(settings: Settings, sides: list[Trajectories]) -> float:
    """The lag asked for, else about `DEFAULT_LAG` strides of the longer stride."""
    unit, stride = sides[0].unit, max(one.stride for one in sides)
    longest = min(one.stride * (int(one.lengths.max()) - 1) for one in sides)
    if settings.lag is not None:
        lag = time_of("--lag", settings.lag, unit)
        if same_lag(lag, *sides) is None:
            told = " and ".join(f"{one.stride:g} {unit}" for one in sides)
            remedy = f"Write a multiple of the time between frames: {told}"
            raise wrong("--lag", settings.lag, "is no whole number of strides", remedy)
        if lag > longest:
            remedy = f"Write at most {stride * max(1, longest // (4 * stride)):g} {unit}"
            raise wrong("--lag", settings.lag, "is longer than any trajectory", remedy)
        return lag
    most = max(1, min(DEFAULT_LAG, int(longest / stride / 4)))
    for strides in [*range(most, 0, -1), *range(most + 1, 1001)]:
        if same_lag(strides * stride, *sides) is not None:
            return float(strides * stride)
    told = " and ".join(f"{one.stride:g} {unit}" for one in sides)
    raise wrong("--stride", told, "have no common multiple", "Give trajectories that share times")


def _window(settings: Settings, sides: list[Trajectories]) -> float:
    """The length that windows are compared at: `DEFAULT_WINDOW`, or a usual trajectory's."""
    unit = sides[0].unit
    if settings.window is not None:
        return time_of("--window", settings.window, unit)
    coarse = max(one.stride for one in sides)
    usual = [one.stride * (float(np.median(one.lengths)) - 1) for one in sides]
    return float(min((DEFAULT_WINDOW - 1) * coarse, *usual))


def _doubts(settings: Settings, sides: list[Trajectories]) -> list[str]:
    """What to know before the errors are used, and how to have some."""
    out = []
    for name, one in zip(("trajectories", "reference"), sides, strict=False):
        alone = len(np.unique(one.member)) < 2
        if not alone and settings.pieces == 1:
            continue
        memory = slowest_autocorrelation_time(one.paths, one.periodic)
        usual = float(np.median(one.lengths))
        told = f"{memory * one.stride:.3g} {one.unit} that the CVs remember"
        if not alone:
            if not usual >= LEAST_MEMORIES * memory:
                length = f"pieces of {usual * one.stride:g} {one.unit}"
                out.append(f"{name}: {length} are short against the {told}: errors are too small")
            continue
        most = min(ENOUGH, int(one.lengths.sum() / (LEAST_MEMORIES * max(memory, 1.0))))
        remedy = f"or cut it with --pieces {most}" if most > 1 else "it is too short to be cut"
        out.append(f"{name}: one alone tells no error; give several; {remedy} ({told})")
    return out
