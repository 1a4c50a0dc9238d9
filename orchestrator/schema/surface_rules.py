"""What surfaces must agree on with the CVs and the strategy, and how large they may be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Path, Problem, choose

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

MOST_CVS = 12
MOST_ALONG = 3
"""CVs of a surface."""
MOST_BINS = 300_000
"""Of a surface; at 1.7 million a round spends ten minutes on it."""


def surface_problems(campaign: Campaign) -> Iterator[Problem]:
    """Every round fills, keeps and writes each surface, of each replica its share."""
    names, cvs = list(campaign.cvs), list(campaign.cvs.values())
    if len(names) > MOST_CVS:
        remedy = f"Name {MOST_CVS} at most; kind: linear_combination joins several into one"
        yield Problem(("cvs",), names, f"{len(names)} CVs are more than {MOST_CVS}", remedy)
        return
    if campaign.surfaces is not None:
        wrong = list(_asked(campaign))
        if wrong:
            yield from wrong
            return
    columns = campaign.surface_columns
    if columns and not campaign.strategy.works_on_points:
        yield _needs_a_grid(campaign)
        return
    for number, mine in enumerate(columns or (tuple(range(len(cvs))),)):
        bins = math.prod(cvs[c].bins for c in mine)
        if bins <= MOST_BINS:
            continue
        size = bins * 8 * campaign.first_replicas / 2**30
        shape = " · ".join(str(cvs[c].bins) for c in mine)
        what = f"{shape} = {bins:,} bins, {size:.3g} GiB for one number a bin and replica"
        each = math.floor(MOST_BINS ** (1 / len(mine)))
        remedy = f"Give each CV fewer bins: {each} or less make {MOST_BINS:,} at most"
        if campaign.surfaces is None:
            yield Problem(("cvs",), names, what, remedy)
        else:
            yield Problem(("surfaces", number), campaign.surfaces[number], what, remedy)


def _asked(campaign: Campaign) -> Iterator[Problem]:
    """`surfaces:`: CVs that there are, each once, few in one."""
    assert campaign.surfaces is not None
    example = f"Name CVs, as [[{', '.join(list(campaign.cvs)[:2])}]]"
    if not campaign.surfaces:
        yield Problem(("surfaces",), [], "none is given", f"{example}, or leave it out")
    seen = list[list[str]]()
    for number, mine in enumerate(campaign.surfaces):
        here: Path = ("surfaces", number)
        unknown = [name for name in mine if name not in campaign.cvs]
        if not mine:
            yield Problem(here, mine, "names no CV", example)
        elif unknown:
            yield Problem(here, unknown[0], "no such CV", choose(unknown[0], campaign.cvs))
        elif len(set(mine)) < len(mine):
            yield Problem(here, mine, "names a CV twice", "Name each once")
        elif len(mine) > MOST_ALONG:
            remedy = f"Name {MOST_ALONG} at most; a surface for each group of CVs may be asked for"
            yield Problem(here, mine, f"is over {len(mine)} CVs", remedy)
        elif sorted(mine) in seen:
            yield Problem(here, mine, "is asked for twice", "Remove one")
        elif hidden := [name for name in mine if not campaign.cvs[name].reported]:
            remedy = f"Leave out reported: false of {hidden[0]}, or this surface"
            yield Problem(here, mine, f"is along {hidden[0]}, which is not reported", remedy)
        seen.append(sorted(mine))


def _needs_a_grid(campaign: Campaign) -> Problem:
    """That the strategy fills a grid of all CVs, and which do not."""
    able = [
        kind
        for kind, section in campaign.strategy_sections().items()
        if section.works_on_points and (campaign.through_openmm or not section.only_openmm)
    ]
    bins = math.prod(float(cv.bins) for cv in campaign.cvs.values())
    what = f"fills a grid of all CVs, here {bins:.3g} bins: not for more than {MOST_ALONG} CVs"
    if len(campaign.cvs) <= MOST_ALONG:
        what = "fills one grid of all CVs, and tells no other surface than that"
    others = f"{', '.join(able[:-1])} or {able[-1]}, which fill none"
    instead = f"name {MOST_ALONG} CVs at most and no surfaces:"
    remedy = f"Take {others}, or {instead}"
    return Problem(("strategy", "kind"), campaign.strategy.kind, what, remedy)
