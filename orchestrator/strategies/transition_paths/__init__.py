"""Transition paths between two states by two-way shooting, with rates and committors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.transition_paths.schema import TransitionPaths

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.common.exact_run import exact_of
    from msgen.orchestrator.strategies.transition_paths.strategy import strategy_of

    if problem.begun_with is None:
        raise ValueError("there is no exact run to begin with")
    exact = exact_of(problem.begun_with, campaign, system.n_dof)
    return strategy_of(problem, system, campaign, exact)


# what it stores are paths and shooting points, and no samples of equilibrium
KIND = StrategyKind("transition_paths", TransitionPaths, _build, samples=())
