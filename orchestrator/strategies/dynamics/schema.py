"""The section of the dynamics strategy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.strategies.base import ModelUse, StrategySection
from msgen.orchestrator.strategies.common.local_schema import Langevin, LocalSpec
from msgen.orchestrator.strategies.dynamics import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.systems.base import CVSet, System


class Generate(Section):
    """What the model is asked for after each fit."""

    free: int = Field(default=1024, ge=64)
    """Free trajectories, of the longest length that the model learns."""


class Dynamics(StrategySection):
    """Whole trajectories from a diffusion model, told beside the simulator's; never exact."""

    defaults: ClassVar[Mapping[str, object]] = {"model": {"kind": "trajectory_diffusion"}}
    own_local: ClassVar[str | None] = "langevin"
    kind: Literal["dynamics"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """langevin; for analytic systems also overdamped. What is learnt are its trajectories, a frame
    every `output.stride` steps; `steps` is how far one order takes a replica."""
    free_energies: str = Field(min_length=1)
    """Run directory of a finished campaign of the same system, CVs and states: exact samples to
    begin in, and the free energies that weigh them. Relative to this file."""
    frames: int = Field(default=256, ge=8)
    """Of each trajectory that is gathered."""
    generate: Generate = Field(default_factory=Generate)
    cycles: int = Field(default=10, ge=1)
    """Of gathering, fitting, generating and judging, at the most."""

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("trajectories", exact=False)

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.dynamics_problems(campaign, self)

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.length_problems(campaign, self)

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return rules.shelf_problems(campaign, system.n_dof)

    @property
    def begins_with(self) -> tuple[Where, str]:
        return ("strategy", "free_energies"), self.free_energies

    def admit(self, campaign: Campaign, run: FinishedRun, system: System) -> None:
        from msgen.orchestrator.strategies.dynamics.exact_run import exact_of

        exact_of(run, campaign, system.n_dof)

    def parts(self, campaign: Campaign) -> int:
        """Orders that take a replica through one trajectory."""
        return -(-self.frames // frames_of_an_order(campaign.stride, self.local.steps))

    def round_in_words(self, campaign: Campaign) -> str:
        each = super().round_in_words(campaign)
        return f"{each}; {self.parts(campaign)} of them, a fit and a judgement make a cycle"

    def least_adaptation(self, campaign: Campaign) -> int:
        return self.parts(campaign)


def frames_of_an_order(stride: int, steps: int) -> int:
    """Frames that so many local steps are, one at the least."""
    return max(1, steps // stride)
