"""What an importance campaign must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.strategies.common.configuration_rules import (
    angular_coordinate,
    coordinate_problems,
)
from msgen.orchestrator.strategies.common.exploration_schema import explorer_problems

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.importance.schema import Importance


def importance_problems(campaign: Campaign, strategy: Importance) -> Iterator[Problem]:
    """Its system, its training and its walkers, in the order of the file."""
    yield from coordinate_problems(campaign, strategy.coordinates)
    if strategy.training.kind == "reverse_kl" and not campaign.batched:
        what = "needs forces in the model's coordinates, so far of analytic systems only"
        here: Path = ("strategy", "training", "kind")
        yield Problem(here, "reverse_kl", what, "Take adaptive, or data")
    if strategy.training.kind == "reverse_kl" and (angle := angular_coordinate(campaign)):
        what = f"places no model on angles so far, and {angle} is one"
        where: Path = ("strategy", "training", "kind")
        yield Problem(where, "reverse_kl", what, "Take adaptive, or data")
    if strategy.training.kind == "reverse_kl" and not campaign.model.on_energy:
        what = "cannot be trained on an energy"
        remedy = "Take realnvp or spline_flow, or training: {kind: adaptive}"
        yield Problem(("model", "kind"), campaign.model.kind, what, remedy)
    yield from explorer_problems(campaign, strategy.explore)
    if not isinstance(campaign.replicas, int):
        what = "the draws of importance sampling need no more replicas"
        yield Problem(("replicas",), "a range", what, "Write one number, as 16")
