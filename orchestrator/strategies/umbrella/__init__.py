"""Windows along the CVs, joined by MBAR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import Mend, StrategyKind
from msgen.orchestrator.strategies.umbrella.schema import Umbrella

if TYPE_CHECKING:
    from msgen.orchestrator.base import Array, Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.orchestrator.strategies.common.reweighting import StoredSamples
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.umbrella import strategy

    return strategy.Umbrella(problem)


def _reweight(samples: StoredSamples) -> Array:
    from msgen.orchestrator.strategies.umbrella.reweighting import of_all_windows

    return of_all_windows(samples)


KIND = StrategyKind(
    "umbrella",
    Umbrella,
    _build,
    samples=("umbrella",),
    reweight=_reweight,
    overlap="worst overlap of windows",
    mends=(
        Mend(
            "labels", "a window's conditional model was fitted on CVs of a later block of walkers"
        ),
        Mend("burn-in", "how much of a window's start is left out was chosen by its data"),
    ),
)
