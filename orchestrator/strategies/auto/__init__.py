"""Whatever strategy is projected to converge at the fewest energy evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.auto.schema import Auto
from msgen.orchestrator.strategies.base import StrategyKind

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.auto.strategy import auto_of

    return auto_of(problem, system, campaign)


KIND = StrategyKind("auto", Auto, _build, samples=(), probes_inside=True)
