"""Reads the run directory that a campaign begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from msgen.orchestrator.run_directory.inputs import RESOLVED
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.source import read_file

if TYPE_CHECKING:
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
    from msgen.orchestrator.reporting.results import read_result
    from msgen.orchestrator.reporting.stored_samples import stored_samples
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.systems.errors import SpecError

    field, name = campaign.strategy.begins_with
    folder = (base_dir / name).expanduser()
    if not (folder / RESOLVED).is_file():
        what = "is no run directory" if folder.is_dir() else f"is no folder at {folder.resolve()}"
        remedy = "Run an exact campaign first, like steered, and name its run directory"
        raise SpecError(field, name, what, remedy)
    try:
        result = read_result(folder)
    except (FileNotFoundError, ValueError) as error:
        raise SpecError(field, name, f"has no result: {error}", "Let it run first") from None
    try:
        source = Campaign.parse(read_file(folder / RESOLVED).tree)
    except ValidationError:
        what = "was made by another version of msgen, whose campaigns this one does not read"
        raise SpecError(field, name, what, "Run it again with this one") from None
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
