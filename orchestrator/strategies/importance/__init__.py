"""Weighted draws of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.importance.schema import Importance

if TYPE_CHECKING:
    from msgen.orchestrator.base import Array, Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.orchestrator.strategies.common.reweighting import StoredSamples
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.importance import strategy

    return strategy.Importance(problem, system)


def _reweight(samples: StoredSamples) -> Array:
    """Of draws by their own weights: one density for all, that of the frozen model."""
    from msgen.orchestrator.strategies.common.reweighting import by_cells, of_one_density

    if samples.kind != "draw":
        return by_cells(samples)
    return of_one_density(samples, -samples.read("log_weight"), samples.counted())


KIND = StrategyKind("importance", Importance, _build, samples=("draw", "walk"), reweight=_reweight)
