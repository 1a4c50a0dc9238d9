"""What a metadynamics campaign must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.dimensions import width_problems
from msgen.orchestrator.schema.problems import MISSING, Path, Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.metadynamics.schema import Metadynamics

MOST_BIASED = 2
"""CVs that one bias holds: its grid grows with their power."""


def metadynamics_problems(campaign: Campaign, strategy: Metadynamics) -> Iterator[Problem]:
    """Everything about its bias, in the order of the file."""
    here: Path = ("strategy", "width")
    if not campaign.through_openmm:
        what = f"runs through OpenMM, and {campaign.system.kind} does not"
        remedy = "Take parallel_tempering, or umbrella, which holds windows along the CVs"
        yield Problem(("strategy", "kind"), strategy.kind, what, remedy)
        return
    named = isinstance(strategy.width, dict)
    biased = list(strategy.width) if isinstance(strategy.width, dict) else list(campaign.cvs)
    yield from width_problems(campaign.cvs, strategy.width, here, [] if named else biased)
    known = [name for name in biased if name in campaign.cvs]
    if len(known) > MOST_BIASED:
        what = f"{len(known)} CVs are too many for one bias"
        yield Problem(here, MISSING, what, "Name one or two of them, as {phi: 20 deg}")
    elif len({campaign.cvs[name].is_periodic for name in known}) > 1:
        what = f"OpenMM's bias is periodic in all its CVs or in none, and {biased} are mixed"
        yield Problem(here, MISSING, what, f"Name one of them, as {{{biased[0]}: 20 deg}}")
