"""The section of the local strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgen.orchestrator.strategies.base import ModelUse, StrategySection

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


class Local(StrategySection):
    """Local sampling only, the honest baseline."""

    kind: Literal["local"]

    @property
    def uses_model(self) -> bool:
        return False

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse(exact=False)
