"""What a campaign of parallel tempering must agree on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.dimensions import plain, wrong_dimension
from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.schema.units import Dimension, Quantity

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.parallel_tempering.schema import ParallelTempering

_CLOSE = 1e-9


def tempering_problems(campaign: Campaign, strategy: ParallelTempering) -> Iterator[Problem]:
    """Everything about its temperatures and ladders, in the order of the file."""
    if not isinstance(campaign.replicas, int):
        what = "each replica is a ladder of temperatures, whose number is fixed"
        yield Problem(("replicas",), "a range", what, "Write one number, as 8")
    elif campaign.replicas < 2:
        what = "one ladder of temperatures leaves nothing to take an error from"
        yield Problem(("replicas",), campaign.replicas, what, "Take at least 2, better 8")
    lowest = campaign.temperature_K or 1.0
    unit = " K" if campaign.has_units else ""
    needed: Dimension = "temperature" if campaign.has_units else "number"
    here: Path = ("strategy", "highest")
    if isinstance(strategy.highest, Quantity):
        wrong = wrong_dimension(here, strategy.highest, needed)
        if wrong:
            yield wrong
        elif isinstance(strategy.temperatures, tuple):
            what = "says again what the last of strategy.temperatures says"
            yield Problem(here, plain(strategy.highest), what, "Remove it")
        elif strategy.highest.value <= lowest * (1 + _CLOSE):
            what = f"is not above the lowest temperature, {lowest:g}{unit}"
            yield Problem(here, plain(strategy.highest), what, "Take about 2 to 10 times that")
    if isinstance(strategy.temperatures, tuple):
        yield from _listed(strategy.temperatures, needed, lowest, unit)


def _listed(
    given: tuple[Quantity, ...], needed: Dimension, lowest: float, unit: str
) -> Iterator[Problem]:
    here: Path = ("strategy", "temperatures")
    wrong = [p for i, q in enumerate(given) if (p := wrong_dimension((*here, i), q, needed))]
    if wrong:
        yield wrong[0]
        return
    values, shown = [q.value for q in given], [plain(q) for q in given]
    if abs(values[0] - lowest) > _CLOSE * lowest:
        what = f"the first is not that of the system, {lowest:g}{unit}"
        yield Problem(here, shown, what, f"Begin with {lowest:g}{unit}")
    if any(b <= a for a, b in itertools.pairwise(values)):
        yield Problem(here, shown, "do not rise", "Write them from the lowest to the highest")
