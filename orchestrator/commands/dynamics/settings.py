"""What ``msgen dynamics`` was asked for, and what it answers to what it cannot use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.problems import CampaignError, Problem

COMMAND = "msgen dynamics"


@dataclass(frozen=True)
class Settings:
    """Arguments of the command.

    Attributes
    ----------
    data : sequence of Path
        One run directory, or trajectory files, each a trajectory of its own.
    reference : sequence of Path
        The same; empty for none.
    topology : Path or None
        Of trajectory files that do not hold their atoms.
    cvs, states : str or None
        A YAML file or the YAML itself: a `cvs:` and a `states:` section of a campaign; a file may
        be a whole campaign.
    stride, reference_stride : str or None
        Time between frames of the files.
    lag, window : str or None
        See `msgen.orchestrator.estimators.dynamics.judge.Asked`.
    pieces : int
        Into how many pieces, taken as independent, each trajectory is cut.
    output : Path or None
        Folder for what is written; of a run its ``results`` by default, else here.
    """

    data: Sequence[Path]
    reference: Sequence[Path] = ()
    topology: Path | None = None
    cvs: str | None = None
    states: str | None = None
    stride: str | None = None
    reference_stride: str | None = None
    lag: str | None = None
    window: str | None = None
    pieces: int = 1
    output: Path | None = None


def wrong(what: str, value: object, problem: str, remedy: str) -> CampaignError:
    """A message about one argument of the command."""
    return CampaignError(COMMAND, [Problem((what,), value, problem, remedy)])


def time_of(what: str, text: str, unit: str) -> float:
    """A time given on the command line, in the unit of the trajectories.

    Raises
    ------
    CampaignError
        For what is no time, or 0; where no time is known a bare number of frames or steps is asked.
    """
    try:
        value = units.parse(text, "time") if unit == "ps" else float(text)
    except units.UnitError as error:
        raise wrong(what, text, error.problem, error.remedy) from None
    except ValueError:
        remedy = f"Write a number of {unit}, or tell the time between frames with --stride"
        raise wrong(what, text, f"is no number, and times are in {unit} here", remedy) from None
    if not 0 < value < float("inf"):
        raise wrong(what, text, "is not above 0", "Write a longer time")
    return value
