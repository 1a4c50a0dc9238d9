"""Replicas that walk by an energy learnt on the way, and are tested by the system's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.delayed_acceptance.schema import DelayedAcceptance

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.delayed_acceptance import strategy

    return strategy.DelayedAcceptance(problem, system)


KIND = StrategyKind("delayed_acceptance", DelayedAcceptance, _build, samples=("delayed",))
