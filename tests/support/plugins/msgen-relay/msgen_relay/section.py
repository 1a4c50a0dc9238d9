"""The section `strategy: {kind: relay}`: its keys, defaults and rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import MISSING, Problem
from msgen.orchestrator.strategies.base import ModelUse, StrategySection

if TYPE_CHECKING:
    from msgen.orchestrator.schema import Campaign


class RelaySection(StrategySection):
    """Local moves, and jumps that a model of the whole configuration proposes."""

    kind: Literal["relay"]
    blocks: int = Field(default=10, ge=1)
    """Stretches of local moves in a round, each followed by jumps."""
    jumps: int = Field(default=5, ge=1)
    """Jumps after each."""
    adapt: int = Field(default=4, ge=1)
    """Rounds after each of which the model is fitted; what comes later counts."""

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("configurations")

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        if not campaign.batched:
            what, remedy = "is for potentials", "Take flow_mcmc"
            yield Problem(("strategy", "kind"), self.kind, what, remedy)
        if campaign.states is None:
            remedy = "Name one, as {right: {theta: [-90 deg, 90 deg]}}"
            yield Problem(("states",), MISSING, "are missing, and relay looks for none", remedy)
        if not isinstance(campaign.replicas, int) or campaign.replicas < 2:
            what = "errors are taken from a fixed number of replicas"
            yield Problem(("replicas",), campaign.first_replicas, what, "Take at least 2")

    def round_in_words(self, campaign: Campaign) -> str:
        jumps = campaign.first_replicas * self.blocks * self.jumps
        each = super().round_in_words(campaign)
        return f"{self.blocks} times {each}, and {jumps:,} of jumps"
