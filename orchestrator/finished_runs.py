"""Reads the run directory that a campaign begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from msgen.orchestrator.run_directory.inputs import RESOLVED
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.source import read_file

if TYPE_CHECKING:
    from msgen.orchestrator.reporting.results import Result
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun


def begun_with(campaign: Campaign, base_dir: Path) -> FinishedRun | None:
    """The run that the strategy names; None where it names none.

    Raises
    ------
    SpecError
        If there is no run, it has no result yet, or its campaign cannot be read here.
    """
    if campaign.strategy.begins_with is None:
        return None
    from msgen.orchestrator.reporting.stored_samples import stored_samples
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun

    field, name = campaign.strategy.begins_with
    folder = (base_dir / name).expanduser()
    source, result = opened(field, name, folder, "an exact campaign first, like steered,")
    return FinishedRun(
        name,
        source.strategy.kind,
        source.to_dict(),
        tuple(cv.name for cv in result.header.sampled),
        result.status,
        result.estimate,
        stored_samples(folder, result, source),
        source.strategy.borrows_free_energies,
    )


def opened(field: Where, name: str, folder: Path, needed: str) -> tuple[Campaign, Result]:
    """The campaign of a run directory and what it has come to.

    Parameters
    ----------
    field : tuple of str or int
        Where the campaign names it.
    name : str
        What it names.
    folder : Path
        Where that is.
    needed : str
        What is to be run where there is nothing.

    Raises
    ------
    SpecError
        If there is no run, it has no result yet, or its campaign cannot be read here.
    """
    from msgen.orchestrator.reporting.results import read_result
    from msgen.systems.errors import SpecError

    if not (folder / RESOLVED).is_file():
        what = "is no run directory" if folder.is_dir() else f"is no folder at {folder.resolve()}"
        raise SpecError(field, name, what, f"Run {needed} and name its run directory")
    try:
        result = read_result(folder)
    except (FileNotFoundError, ValueError) as error:
        raise SpecError(field, name, f"has no result: {error}", "Let it run first") from None
    try:
        source = Campaign.parse(read_file(folder / RESOLVED).tree)
    except ValidationError:
        what = "was made by another version of msgen, whose campaigns this one does not read"
        raise SpecError(field, name, what, "Run it again with this one") from None
    return source, result
