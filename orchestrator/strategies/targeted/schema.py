"""The `targeted` strategy: free energies of states through a model of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.strategies.base import ModelUse, StrategySection
from msgen.orchestrator.strategies.common.exploration_schema import Explorers, ExploreSpec
from msgen.orchestrator.strategies.common.rounds import BLOCKS, MASS_ROUNDS
from msgen.orchestrator.strategies.targeted import rules

if TYPE_CHECKING:
    from pathlib import Path

    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.schema.models import ModelSection
    from msgen.systems.base import CVSet, System

FIT_ROUNDS = tuple(MASS_ROUNDS + r for r in (1, 4, 8, 13, 20))
"""Rounds of the adaptation in which fits begin, each with about twice as much to learn from."""


class AnnealedPath(Section):
    """Short paths between a model's density and the Boltzmann density."""

    steps: int = Field(default=10, ge=2, le=10_000)
    """Changes of λ on a path, with a Metropolis step between two of them: as many energy
    evaluations a draw, and a kept configuration. Worth it where weights do not overlap."""


class Targeted(StrategySection):
    """A model of the full configuration for each state; free energies by Bennett's estimator."""

    models_configurations: ClassVar[bool] = True

    stretches: ClassVar[int] = BLOCKS
    kind: Literal["targeted"]
    estimator: Literal["deep_bar", "bar", "tfep"] = "deep_bar"
    """What the result is: deep_bar sets each state against its own model and knows ln Z; bar and
    tfep map states onto each other, with samples of both ends or of the first state only. All that
    can be known is in the diagnostics."""
    draws: int = Field(default=4, ge=1)
    """Draws of the state's model for each configuration that is kept of a replica."""
    map: Literal["auto", "models", "interpolant", "none"] = "auto"
    """How kept configurations go to other states: through the latent variables of both models, by a
    stochastic interpolant between the samples of the first state and those of each other one, or
    not; auto: models where they are flows, else none."""
    path: AnnealedPath | None = None
    """Annealed paths from draws of a state's model to the state, and from its samples to the model,
    in place of the weights of both, of which deep_bar makes ln Z; left out: the weights."""
    rest: Literal["sample", "leave_out"] = "sample"
    """Whether what no named state holds is a state as well, or left out of everything."""
    coordinates: Literal["auto", "cartesian", "internal"] = "auto"
    """What the models see of a configuration; auto: internal for molecules, else cartesian."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r uses the models fitted on rounds up to r − lag."""
    explore: ExploreSpec = Field(default_factory=ExploreSpec)

    def mapped(self, model: ModelSection) -> Literal["models", "interpolant", "none"]:
        """How configurations are mapped, with such models."""
        if self.map == "auto":
            return "models" if model.bijective else "none"
        return self.map

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("configurations")

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.targeted_problems(campaign, self)

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        # torch comes with it
        from msgen.actors.configurations.coordinates import check_alone

        check_alone(self.coordinates, system)
        return []

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        spec = super().spec(campaign)
        # by another name: the pushes of `explore` are no such paths
        path = spec.pop("path")
        return {**spec, "annealing_steps": path["steps"] if path else 1}

    @property
    def sends_ahead(self) -> Explorers | None:
        return self.explore.explorers

    def search_evaluations(self, campaign: Campaign) -> int:
        return self.explore.evaluations(self.local.evaluations // self.local.steps)

    def least_adaptation(self, campaign: Campaign) -> int:
        return FIT_ROUNDS[0] + 1

    def round_in_words(self, campaign: Campaign) -> str:
        draws = 10 * campaign.first_replicas * self.draws
        return f"10 times {super().round_in_words(campaign)}, and {draws:,} draws of the models"
