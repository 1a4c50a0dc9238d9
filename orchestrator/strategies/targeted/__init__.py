"""States joined through models of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.targeted.schema import Targeted

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.actors.configurations.coordinates import exact_coordinates
    from msgen.orchestrator.strategies.targeted import strategy

    section = campaign.strategy
    assert isinstance(section, Targeted)
    variables = exact_coordinates(section.coordinates, system, problem.angles)
    return strategy.Targeted(problem, variables.periodic, section.mapped(campaign.model))


KIND = StrategyKind("targeted", Targeted, _build, samples=("target",))
