"""The section of the transition_paths strategy, and its `shooting:`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.strategies.base import ModelUse
from msgen.orchestrator.strategies.common.exact_first import ExactFirst
from msgen.orchestrator.strategies.common.exploration_schema import Broad
from msgen.orchestrator.strategies.common.local_schema import Langevin, LocalSpec
from msgen.orchestrator.strategies.transition_paths import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System

ADAPT_ROUNDS = 4
"""Rounds of shots before the density is fitted to the paths and frozen."""


class FromDensity(Section):
    """Shooting points are drawn from a model of what lies between the states; rates are told."""

    kind: Literal["density"]
    broad: Broad = 0.05
    """Share of shooting points from a wide Gaussian, which bounds the weights."""


class Aimless(Section):
    """Shooting points are frames near the middle of the present path; the baseline."""

    kind: Literal["aimless"]
    window: int = Field(default=10, ge=1)
    """Frames to either side of the middle."""


ShootingSpec = Annotated[FromDensity | Aimless, Field(discriminator="kind")]


class TransitionPaths(ExactFirst):
    """Paths of fixed length from one state to another by two-way shooting; exact."""

    own_local: ClassVar[str | None] = "langevin"
    kind: Literal["transition_paths"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """overdamped, mala or langevin, whose paths these are, of molecules through OpenMM langevin;
    `steps` is the length of a path, with a frame every `output.stride` steps."""
    start: str = Field(alias="from", min_length=1)
    """State that paths begin in."""
    to: str = Field(min_length=1)
    """State that they end in."""
    shooting: ShootingSpec = Field(default_factory=lambda: FromDensity(kind="density"))
    shots: int = Field(default=10, ge=1)
    """Of each replica in a round; a replica is a chain of paths."""
    rate_error: float = Field(default=0.1, gt=0, lt=1)
    """Relative standard error of both rates with which it is done."""
    rounds: int = Field(default=50, ge=2)
    """Of production, at the most."""

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tree: dict[str, Any] = write(self)
        return {("from" if key == "start" else key): value for key, value in tree.items()}

    @property
    def uses_model(self) -> bool:
        return True

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("configurations", "none")

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        yield from rules.path_problems(campaign, self)
        yield from super().problems(campaign)

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return [
            *super().checks(campaign, base_dir, system, cvs),
            *rules.variable_problems(campaign, system),
        ]

    def frames(self, campaign: Campaign) -> int:
        """Of a path, both ends among them."""
        return 1 + self.local.steps // campaign.stride

    def round_in_words(self, campaign: Campaign) -> str:
        shots = campaign.first_replicas * self.shots
        return f"{self.stretch(campaign):,} energy evaluations of {shots:,} shots"

    def stretch(self, campaign: Campaign) -> int:
        """The shots of a round."""
        steps = (self.frames(campaign) - 1) * campaign.stride
        return campaign.first_replicas * self.shots * (1 + steps)

    def least_adaptation(self, campaign: Campaign) -> int:
        return ADAPT_ROUNDS

    def least_production(self) -> int:
        return 1

    def least_rounds(self, campaign: Campaign) -> int:
        # two of them fit, and shoot nothing
        return self.rounds_before(campaign) + ADAPT_ROUNDS + 2 + self.least_production()
