"""Local moves, and independence moves of a model of the whole configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.flow_mcmc.schema import FlowMCMC

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.flow_mcmc import strategy

    return strategy.FlowMcmc(problem, system)


KIND = StrategyKind("flow_mcmc", FlowMCMC, _build, samples=("walk",))
