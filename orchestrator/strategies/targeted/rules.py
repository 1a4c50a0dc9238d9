"""What a targeted campaign must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.model_kinds import SECTIONS
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.strategies.common.configuration_rules import coordinate_problems
from msgen.orchestrator.strategies.common.exploration_schema import explore_problems

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.targeted.schema import Targeted

_BIJECTIVE = [name for name, section in SECTIONS.items() if section.bijective]
_FLOWS = f"{', '.join(_BIJECTIVE[:-1])} or {_BIJECTIVE[-1]}"


def targeted_problems(campaign: Campaign, strategy: Targeted) -> Iterator[Problem]:
    """Its search, its states, its estimator and its models, in the order in which they are told."""
    yield from explore_problems(campaign, strategy.explore, chain=False)
    model = campaign.model.kind
    if strategy.map == "models" and not campaign.model.bijective:
        what = f"needs bijections, and {model} is none"
        yield Problem(("strategy", "map"), "models", what, f"Take interpolant, or {_FLOWS}")
    elif strategy.estimator != "deep_bar" and strategy.mapped(campaign.model) == "none":
        what = f"rests on maps, and {model} is no bijection"
        remedy = f"Take map: interpolant, or {_FLOWS}, or estimator: deep_bar"
        if strategy.map == "none":
            what, remedy = "rests on maps, and map is none", "Leave map out"
        yield Problem(("strategy", "estimator"), strategy.estimator, what, remedy)
    if strategy.rest == "leave_out" and campaign.states is None:
        what = "has no meaning where the states are found: they fill all of CV space"
        yield Problem(("strategy", "rest"), "leave_out", what, "Name the states, or leave it out")
    if strategy.rest == "leave_out" and campaign.states is not None and len(campaign.states) < 2:
        what = "leaves one state, which differs from nothing"
        yield Problem(("strategy", "rest"), "leave_out", what, "Name another state")
    yield from coordinate_problems(campaign, strategy.coordinates)
    if campaign.states is not None:
        n = len(campaign.states) + (strategy.rest == "sample")
        if campaign.first_replicas < 2 * n:
            what = f"too few for {n} states, two in each (errors rest on independent replicas)"
            yield Problem(("replicas",), campaign.first_replicas, what, f"Take at least {2 * n}")
