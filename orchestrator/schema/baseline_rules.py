"""What campaigns of the baselines must agree on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.baselines import Metadynamics, ParallelTempering
from msgen.orchestrator.schema.dimensions import plain, width_problems, wrong_dimension
from msgen.orchestrator.schema.problems import MISSING, Path, Problem
from msgen.orchestrator.schema.units import Dimension, Quantity

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

HIGHEST_OF_MOLECULES, HIGHEST = 2.5, 8.0
"""Highest temperature in units of the lowest, where the campaign names none."""

MOST_BIASED = 2
"""CVs that one bias holds: its grid grows with their power."""

_CLOSE = 1e-9


def tempering_problems(campaign: Campaign, strategy: ParallelTempering) -> Iterator[Problem]:
    """Everything about its temperatures and ladders, in the order of the file."""
    if not isinstance(campaign.replicas, int):
        what = "each replica is a ladder of temperatures, whose number is fixed"
        yield Problem(("replicas",), "a range", what, "Write one number, as 8")
    elif campaign.replicas < 2:
        what = "one ladder of temperatures leaves nothing to take an error from"
        yield Problem(("replicas",), campaign.replicas, what, "Take at least 2, better 8")
    lowest = own_temperature(campaign) or 1.0
    unit = " K" if campaign.is_molecular else ""
    needed: Dimension = "temperature" if campaign.is_molecular else "number"
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


def metadynamics_problems(campaign: Campaign, strategy: Metadynamics) -> Iterator[Problem]:
    """Everything about its bias, in the order of the file."""
    here: Path = ("strategy", "width")
    if not campaign.is_molecular:
        what = f"runs through OpenMM, and {campaign.system.kind} has no atoms"
        remedy = "Take parallel_tempering, or umbrella, which holds windows along the CVs"
        yield Problem(("strategy", "kind"), strategy.kind, what, remedy)
        return
    named = isinstance(strategy.width, dict)
    biased = list(strategy.width) if isinstance(strategy.width, dict) else list(campaign.cvs)
    yield from width_problems(campaign.cvs, strategy.width, here, [] if named else biased)
    known = [name for name in biased if name in campaign.cvs]
    for name in known:
        if campaign.cvs[name].kind == "python":
            what = "is a Python function, which no OpenMM force can be made of"
            yield Problem(("cvs", name, "kind"), "python", what, "Bias other CVs by strategy.width")
    if len(known) > MOST_BIASED:
        what = f"{len(known)} CVs are too many for one bias"
        yield Problem(here, MISSING, what, "Name one or two of them, as {phi: 20 deg}")
    elif len({campaign.cvs[name].is_periodic for name in known}) > 1:
        what = f"OpenMM's bias is periodic in all its CVs or in none, and {biased} are mixed"
        yield Problem(here, MISSING, what, f"Name one of them, as {{{biased[0]}: 20 deg}}")


def own_temperature(campaign: Campaign) -> float | None:
    """K; None for a system without units."""
    value = getattr(campaign.system, "temperature", None)
    return float(value) if campaign.is_molecular and value is not None else None


def tempering_spec(campaign: Campaign, strategy: ParallelTempering) -> dict[str, object]:
    """Temperatures in units of the system's own; 'kelvin' is that one, None without units."""
    kelvin = own_temperature(campaign)
    lowest = kelvin or 1.0
    asked, highest = strategy.temperatures, strategy.highest
    default = HIGHEST_OF_MOLECULES if campaign.is_molecular else HIGHEST
    return {
        "temperatures": [q.value / lowest for q in asked] if isinstance(asked, tuple) else asked,
        "highest": highest.value / lowest if isinstance(highest, Quantity) else default,
        "kelvin": kelvin,
    }
