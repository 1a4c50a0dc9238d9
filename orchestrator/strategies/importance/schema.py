"""The `importance` strategy: draws of a trained model, weighted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import AutoNumber, Section, problem
from msgen.orchestrator.strategies.base import ModelUse, StrategySection
from msgen.orchestrator.strategies.common.exploration_schema import Broad, Explorers, ExploreSpec
from msgen.orchestrator.strategies.common.local_schema import HMC, LocalSpec
from msgen.orchestrator.strategies.importance import rules

if TYPE_CHECKING:
    from pathlib import Path

    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System

Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class ReverseKL(Section):
    """On the energy alone: KL(model ‖ target), annealed in temperature."""

    kind: Literal["reverse_kl"]
    updates: int = Field(default=2000, ge=10)
    """Gradient steps."""
    batch: int = Field(default=256, ge=8)
    """Draws per step, each an energy and a force."""
    hot: AutoNumber = "auto"
    """Temperature at the start, in units of the target's; 1 is no annealing; auto: where the first
    draws differ by about kT."""
    cooling: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.9
    """Share of the steps over which the temperature falls to the target's."""
    clip: AutoNumber = "auto"
    """Energies further above the median of their batch, in kT, grow as a logarithm; auto: five
    times what a harmonic energy fluctuates by, and 10 more."""
    data: Share = 0.0
    """Weight of samples of the walkers (forward KL) in the loss."""
    recall: Share = 0.3
    """Weight of what the model drew of late, weighted to the target, in the loss."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.data + self.recall >= 1:
            what = (
                f"data and recall are {self.data + self.recall:g} together and leave no reverse KL"
            )
            raise problem(what, "Let them be less than 1 together")
        if self.hot != "auto" and self.hot < 1:
            raise problem(
                f"hot is {self.hot:g}, colder than the target", "Write 1 or more, or auto"
            )
        return self


class OnSamples(Section):
    """On samples of the walkers: forward KL."""

    kind: Literal["data"]
    rounds: int = Field(default=6, ge=1)
    """Rounds of sampling before the fit."""


class Adaptive(Section):
    """In turns: draws are weighted, and the next model learns from them and from the walkers."""

    kind: Literal["adaptive"]
    rounds: int = Field(default=8, ge=2)
    """Fits at least; more while the effective sample size still rises."""


TrainingSpec = Annotated[ReverseKL | OnSamples | Adaptive, Field(discriminator="kind")]


class Search(ExploreSpec):
    """The search for states nobody has seen, before anything is trained."""

    pushes: int = Field(default=64, ge=0)
    """Short hard pushes to targets spread over the CV range; 0: no search."""


class Importance(StrategySection):
    """Draws of a frozen model of the whole configuration, each with its weight."""

    models_configurations: ClassVar[bool] = True

    kind: Literal["importance"]
    local: LocalSpec = Field(default_factory=lambda: HMC(kind="hmc"))
    """How the walkers move: they give samples to learn from, and in production show what the model
    misses. By default langevin for molecules, hmc for analytic systems."""
    training: TrainingSpec = Field(default_factory=lambda: Adaptive(kind="adaptive"))
    coordinates: Literal["auto", "cartesian", "internal"] = "auto"
    """What the model sees of a configuration; auto: internal for molecules, else cartesian."""
    draws: int = Field(default=4096, ge=256)
    """Draws of a round; more as the rounds go on."""
    broad: Broad = 0.1
    """Share of broad draws."""
    smooth: bool = False
    """Whether the largest weights are replaced by those of their Pareto tail (PSIS)."""
    explore: Search = Field(default_factory=Search)

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("configurations")

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.importance_problems(campaign, self)

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        # torch comes with it
        from msgen.actors.configurations.coordinates import check_alone

        check_alone(self.coordinates, system)
        return []

    @property
    def sends_ahead(self) -> Explorers | None:
        return self.explore.explorers

    def search_evaluations(self, campaign: Campaign) -> int:
        return self.explore.evaluations(self.local.evaluations // self.local.steps)

    def least_adaptation(self, campaign: Campaign) -> int:
        return 1 if isinstance(self.training, ReverseKL) else self.training.rounds

    def round_in_words(self, campaign: Campaign) -> str:
        each = super().round_in_words(campaign)
        return f"{self.draws:,} energy evaluations of draws, and {each}"
