"""The section of the local strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from msgen.orchestrator.strategies.base import ModelUse, StrategySection
from msgen.orchestrator.strategies.common.rounds import BLOCKS

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

ADAPT_ROUNDS = 4
"""Rounds before production, in which the step size is tuned."""


class Local(StrategySection):
    """Local sampling only, the honest baseline."""

    arrives: ClassVar[bool] = True
    stretches: ClassVar[int] = BLOCKS
    works_on_points: ClassVar[bool] = True
    resizes: ClassVar[bool] = True

    kind: Literal["local"]

    @property
    def uses_model(self) -> bool:
        return False

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse(exact=False)

    def least_adaptation(self, campaign: Campaign) -> int:
        return ADAPT_ROUNDS
