"""Local sampling inside the states, switching paths between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgen.orchestrator.strategies.base import Mend, StrategyKind
from msgen.orchestrator.strategies.steered.schema import Steered

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.orchestrator.strategies.common.reweighting import Array, StoredSamples
    from msgen.orchestrator.strategies.steered.state import SteeredState
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[SteeredState]:
    from msgen.orchestrator.strategies.steered import strategy

    return strategy.Steered(problem)


def _reweight(samples: StoredSamples) -> Array:
    from msgen.orchestrator.strategies.steered.reweighting import after_burn_in

    return after_burn_in(samples)


def _angles(campaign: Campaign, platform: str | None) -> bool:
    return any(cv.is_periodic for cv in campaign.cvs.values())


def _always(campaign: Campaign, platform: str | None) -> bool:
    return True


KIND = StrategyKind(
    "steered",
    Steered,
    _build,
    reweight=_reweight,
    mends=(
        Mend("narrow-angles", "the mass of a narrow restraint on an angle was off", _angles),
        Mend("tuning-price", "paths were tuned whatever that cost, longer ones by luck", _always),
    ),
)
