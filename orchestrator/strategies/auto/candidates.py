"""Which strategies can be tried on a campaign, each as a campaign of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.problems import Problem, choose

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.auto.schema import Auto
    from msgen.orchestrator.strategies.base import StrategySection
    from msgen.systems.base import CVSet, System

FIELD = ("strategy", "strategies")
OWN = ("replicas", "model")
"""Sections of the campaign that a strategy may have of its own."""


def parsed(
    campaign: Campaign, section: Auto
) -> tuple[dict[str, Campaign], dict[str, ValidationError]]:
    """Campaigns of the strategies that may be tried, and why the others may not, by their kinds."""
    kinds = _kinds(campaign)
    asked: Mapping[str, Mapping[str, Any]] = section.named or {name: {} for name in kinds}
    found, wrong = dict[str, "Campaign"](), dict[str, ValidationError]()
    for name, own in asked.items():
        if name not in kinds:
            continue
        try:
            found[name] = type(campaign).parse(_tree(campaign, kinds[name], name, own))
        except ValidationError as error:
            wrong[name] = error
    return found, wrong


def able(
    campaign: Campaign, section: Auto, base_dir: Path, system: System, cvs: CVSet
) -> tuple[str, ...]:
    """Those that the system and the CVs allow as well, the one that takes the least first."""
    from msgen.orchestrator.forecast import Least

    found = parsed(campaign, section)[0]
    kept = [n for n, one in found.items() if not checked(one, base_dir, system, cvs)]
    return tuple(sorted(kept, key=lambda name: Least.of(found[name]).converged))


def checked(campaign: Campaign, base_dir: Path, system: System, cvs: CVSet) -> list[Problem]:
    """What the system and the CVs say against a strategy."""
    from msgen.systems.errors import SpecError  # torch comes with it

    try:
        return campaign.strategy.checks(campaign, base_dir, system, cvs)
    except SpecError as error:
        return [Problem(error.field, error.value, error.problem, error.remedy)]


def problems(campaign: Campaign, section: Auto) -> Iterator[Problem]:
    """What is wrong with the replicas, and with the names of what is to be tried."""
    if not isinstance(campaign.replicas, int):
        what = "is for a strategy that is named, as replicas are another thing for each"
        yield Problem(("replicas",), "a range", what, "Write one number, as 16")
        return
    kinds = _kinds(campaign)
    for name, own in (section.named or {}).items():
        if name not in kinds:
            what = "is no strategy that can be tried"
            yield Problem((*FIELD, name), name, what, choose(name, kinds))
        elif (own.get("explore") or {}).get("explorers"):
            what = "go ahead of the one strategy that is named, and here several share a search"
            where = (*FIELD, name, "explore", "explorers")
            yield Problem(where, "explorers", what, f"Take strategy: {{kind: {name}}}")


def placed(name: str, against: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of a strategy's campaign, where they stand in the file."""
    for one in against:
        path: Where = (*FIELD, name)
        if one.path[:1] == ("strategy",):
            path = (*path, *one.path[1:])
        elif one.path[:1] in [(key,) for key in OWN]:
            path = (*path, *one.path)
        else:
            path = one.path
        yield replace(one, path=path)


def _kinds(campaign: Campaign) -> Mapping[str, type[StrategySection]]:
    """Strategies that tell free energies of their own, in the order in which messages list them."""
    every = campaign.strategy_sections().items()
    return {
        name: section
        for name, section in every
        if not section.borrows_free_energies and section is not type(campaign.strategy)
    }


def _tree(
    campaign: Campaign, kind: type[StrategySection], name: str, own: Mapping[str, Any]
) -> dict[str, Any]:
    """The campaign of one strategy, as a file would have it."""
    tree = campaign.to_dict()
    strategy = {"kind": name, **{key: value for key, value in own.items() if key not in OWN}}
    if kind.own_local is None and "local" not in strategy:
        strategy["local"] = tree["strategy"]["local"]
    # what replicas are, and what a model learns, is another thing for each
    sections = {**kind.defaults, **{key: own[key] for key in OWN if key in own}}
    return {**tree, **sections, "strategy": strategy}
