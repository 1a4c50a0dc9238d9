"""The strategy `relay`: local moves, and jumps that a model of the whole configuration proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import StrategyKind
from msgen_relay.section import RelaySection

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen_relay.strategy import Relay  # a campaign file is checked without numpy and torch

    return Relay(problem)


KIND = StrategyKind(
    "relay",
    RelaySection,
    _build,
    samples=("relay",),
    roles={"relay": "msgen_relay.role:relay"},
)
