"""Local moves, and independence moves of a model of the whole configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import Mend, StrategyKind
from msgen.orchestrator.strategies.flow_mcmc.schema import FlowMCMC

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.flow_mcmc import strategy

    return strategy.FlowMcmc(problem, system)


def _solute(campaign: Campaign, platform: str | None) -> bool:
    strategy = campaign.strategy
    return campaign.has_atoms and isinstance(strategy, FlowMCMC) and strategy.solute is not None


def _whole_molecule(campaign: Campaign, platform: str | None) -> bool:
    return campaign.has_atoms and not _solute(campaign, platform)


KIND = StrategyKind(
    "flow_mcmc",
    FlowMCMC,
    _build,
    samples=("walk",),
    mends=(
        Mend("box", "walkers of a solute were begun without the box of their system", _solute),
        Mend(
            "isomers",
            "independence moves of a molecule reached other isomers of it",
            _whole_molecule,
        ),
    ),
)
