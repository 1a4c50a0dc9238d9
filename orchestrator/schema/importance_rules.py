"""What an importance campaign must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.importance import Importance
from msgen.orchestrator.schema.problems import Path, Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


def importance_problems(campaign: Campaign, strategy: Importance) -> Iterator[Problem]:
    """Its system, its training and its walkers, in the order of the file."""
    here: Path = ("strategy",)
    if campaign.is_molecular:
        what = "draws whole configurations, so far of analytic systems only"
        remedy = "Take kind: steered, whose model lives on the CVs"
        yield Problem((*here, "kind"), strategy.kind, what, remedy)
    if strategy.training.kind == "reverse_kl" and not campaign.model.on_energy:
        what = "cannot be trained on an energy"
        remedy = "Take realnvp or spline_flow, or training: {kind: adaptive}"
        yield Problem(("model", "kind"), campaign.model.kind, what, remedy)
    if not isinstance(campaign.replicas, int):
        what = "the draws of importance sampling need no more replicas"
        yield Problem(("replicas",), "a range", what, "Write one number, as 16")
