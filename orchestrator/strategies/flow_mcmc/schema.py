"""The section of the flow_mcmc strategy, and the `path:` of a solute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import AutoQuantity, Section
from msgen.orchestrator.strategies.base import ModelUse, StrategySection, or_own
from msgen.orchestrator.strategies.common.exploration_schema import Broad, Explorers, ExploreSpec
from msgen.orchestrator.strategies.flow_mcmc import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System

ADAPT_ROUNDS = 7
"""Rounds in which the flow is refitted, at the least."""


class SolutePath(Section):
    """How a solute is driven to where the model proposes."""

    steps: int = Field(default=1000, ge=0, le=1_000_000)
    """Steps of every path; 0: the solute is put there and the solvent stays where it is."""
    friction: AutoQuantity = "auto"
    """Friction of the solvent on the path; auto: that of the local sampling."""
    timestep: AutoQuantity = "auto"
    """auto: that of the local sampling. Its error is part of the work."""
    orientation: Literal["kept", "random"] = "kept"
    """kept: a new shape is laid on the old one as well as it can; random: turned anyhow."""
    screen: bool = True
    """Whether draws are thinned by the energy of the solute alone before a path is begun; for
    molecules."""


class Independent(Section):
    """Configurations of a density, wherever the walker is."""

    kind: Literal["independence"]


class Propagated(Section):
    """Steps of a learnt dynamics, each held against its way back."""

    kind: Literal["propagator"]
    lags: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    """Local steps that a step of the model stands for; one of them is drawn for each, evenly."""


ProposalSpec = Annotated[Independent | Propagated, Field(discriminator="kind")]


class FlowMCMC(StrategySection):
    """Local moves and independence moves of the whole configuration."""

    arrives: ClassVar[bool] = True
    models_configurations: ClassVar[bool] = True

    works_on_points: ClassVar[bool] = True

    kind: Literal["flow_mcmc"]
    global_steps: int = Field(default=10, ge=1)
    """Global proposals of one replica after each stretch of local steps."""
    broad: Broad = 0.1
    """Share of broad proposals."""
    proposal: ProposalSpec = Field(default_factory=lambda: Independent(kind="independence"))
    """independence: the model is a density of configurations. propagator: a density of where one is
    a lag later, learnt from the local moves; for `model.kind` with a label."""
    coordinates: Literal["auto", "cartesian", "internal", "torsions", "distances"] = "auto"
    """What the model sees of a configuration; auto: internal for molecules, else cartesian. Of a
    solute torsions or distances beside those of neighbours and next ones in it; auto: torsions."""
    solute: list[int | str] | str | None = None
    """Atoms of a solute, in the order of a chain: the model proposes their coordinates alone, and
    the rest is driven after them."""
    path: SolutePath | None = None
    """How a solute is driven to where the model proposes."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r proposes with the model fitted on rounds up to r − lag."""
    explore: ExploreSpec = Field(default_factory=ExploreSpec)

    @model_validator(mode="before")
    @classmethod
    def _driven(cls, data: Any) -> Any:
        """A solute has a path."""
        if isinstance(data, dict) and data.get("solute") is not None:
            return {"path": {}, **data}
        return data

    def model_use(self, campaign: Campaign) -> ModelUse:
        if isinstance(self.proposal, Propagated):
            # of each configuration one density, conditional on it
            return ModelUse("configurations", "window")
        return ModelUse("configurations" if self.solute is None else "solute", "none")

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.flow_problems(campaign, self)

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.label_problems(campaign, self)

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return rules.variable_problems(campaign, self, system)

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        spec = super().spec(campaign)
        # by another name: the pushes of `explore` are no such paths
        path = spec["solute_path"] = spec.pop("path")
        if path:
            for key, own in zip(("timestep", "friction"), campaign.own_step, strict=True):
                path[key] = or_own(path[key], spec["local"].get(key, own))
        return spec

    @property
    def sends_ahead(self) -> Explorers | None:
        return self.explore.explorers

    def search_evaluations(self, campaign: Campaign) -> int:
        return self.explore.evaluations(self.local.evaluations // self.local.steps)

    def least_adaptation(self, campaign: Campaign) -> int:
        return ADAPT_ROUNDS

    def round_in_words(self, campaign: Campaign) -> str:
        each = 1 + (self.path.steps if self.path else 0)
        moves = campaign.first_replicas * self.global_steps * each
        return f"{super().round_in_words(campaign)} and {moves:,} of global moves"
