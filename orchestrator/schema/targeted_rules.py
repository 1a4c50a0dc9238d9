"""What a targeted campaign must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.model_rules import coordinate_problems
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.targeted import BIJECTIVE, Targeted

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


def targeted_problems(campaign: Campaign, strategy: Targeted) -> Iterator[Problem]:
    """Its states, its estimator and its models, in the order of the file."""
    model = campaign.model.kind
    wants_map = strategy.estimator != "deep_bar" or strategy.maps is True
    if wants_map and model not in BIJECTIVE:
        where, given = (
            ("maps", "on") if strategy.maps is True else ("estimator", strategy.estimator)
        )
        what = f"maps states onto each other, and {model} is no bijection"
        remedy = f"Take {' or '.join(BIJECTIVE)}, or estimator: deep_bar without maps"
        yield Problem(("strategy", where), given, what, remedy)
    elif strategy.estimator != "deep_bar" and strategy.maps is False:
        what = f"leaves estimator: {strategy.estimator} nothing to work on"
        yield Problem(("strategy", "maps"), "off", what, "Leave it out")
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
