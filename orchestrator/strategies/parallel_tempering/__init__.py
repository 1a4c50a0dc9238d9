"""Replica exchange over temperatures, a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.parallel_tempering.schema import ParallelTempering

if TYPE_CHECKING:
    from msgen.orchestrator.base import Array, Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.orchestrator.strategies.common.reweighting import StoredSamples
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.parallel_tempering import strategy

    return strategy.ParallelTempering(problem, system)


def _reweight(samples: StoredSamples) -> Array:
    from msgen.orchestrator.strategies.parallel_tempering.reweighting import of_all_temperatures

    return of_all_temperatures(samples)


KIND = StrategyKind(
    "parallel_tempering",
    ParallelTempering,
    _build,
    samples=("temper",),
    reweight=_reweight,
    overlap="worst acceptance between temperatures",
)
