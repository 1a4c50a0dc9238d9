"""What a model must agree on with the rest of the campaign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


_WHAT = {
    "density": "a density",
    "trajectories": "whole trajectories",
    "steps": "steps of a molecule",
}


def model_problems(campaign: Campaign) -> Iterator[Problem]:
    """Its angles, what the strategy asks of it, and what its kind has of its own."""
    model, use = campaign.model, campaign.strategy.model_use(campaign)
    if (model.learns != "density") != (use.variables == "trajectories"):
        lacks = "a model of dynamics" if use.variables == "trajectories" else "a density"
        what = f"learns {_WHAT[model.learns]}, and {campaign.strategy.kind} needs {lacks}"
        remedy = "trajectory_diffusion" if use.variables == "trajectories" else "spline_flow"
        yield Problem(("model", "kind"), model.kind, what, f"Take {remedy}")
        return
    circular = [name for name, cv in campaign.cvs.items() if cv.is_periodic]
    if not model.angles and use.variables == "cvs" and circular:
        what = f"cannot model the periodic CV {circular[0]}"
        yield Problem(("model", "kind"), model.kind, what, "Take spline_flow or kde")
    yield from campaign.strategy.model_problems(campaign)
    yield from model.problems(campaign, use)
