"""A campaign that another one runs before itself, in a folder of its run directory.

It has a store, checkpoints and results of its own there. While it goes on, a call that was stopped
goes on with it; once the other one has committed a round it stays as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgen.orchestrator.base import Cost, Ended
from msgen.orchestrator.finished_runs import begun_with
from msgen.orchestrator.reporting.results import read_result
from msgen.orchestrator.run_directory.atomic_files import read_lines
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.inputs import FIRST
from msgen.orchestrator.schema import CampaignError, Problem
from msgen.systems.errors import SpecError

if TYPE_CHECKING:
    from msgen.orchestrator.validate import Checked

Run = Callable[["Checked", Path], Ended]
"""Runs a campaign in a run directory, or goes on with it."""


@dataclass(frozen=True)
class Done:
    """The campaign as it goes on after it, and what that had cost."""

    checked: Checked
    cost: Cost


def first_phase(checked: Checked, run_dir: Path, run: Run) -> Done | Ended:
    """See that the campaign which runs before is done; how it ended where it is not.

    Raises
    ------
    CampaignError
        If there is nothing in it to go on with.
    """
    from msgen.orchestrator.validate import check

    campaign, began = checked.campaign, time.perf_counter()
    first = campaign.strategy.first(campaign)
    if first is None:
        return Done(checked, Cost())
    folder, events = run_dir / FIRST, EventLog(run_dir / "events.jsonl")
    if not read_lines(run_dir / "commits.jsonl"):
        events.write("first", strategy=first.strategy.kind, where=str(folder))
        ended = run(check(first, checked.base_dir, run_dir=folder), folder)
        wall = campaign.budget.wall
        if ended not in ("converged", "exhausted"):
            return ended
        if wall is not None and time.perf_counter() - began >= wall:
            return "exhausted"  # the next call goes on with it
        events.write("first_done", status=ended)
    after = campaign.strategy.after_first(campaign, folder.absolute())
    try:
        found = begun_with(after, checked.base_dir)
        assert found is not None
        after.strategy.admit(after, found, checked.system)
    except SpecError as error:
        problem = Problem(error.field, error.value, error.problem, error.remedy)
        raise CampaignError(campaign.name, [problem]) from error
    return Done(replace(checked, campaign=after), read_result(folder).cost)
