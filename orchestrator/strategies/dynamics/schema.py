"""The section of the dynamics strategy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.strategies.base import ModelUse, StrategySection, Timed
from msgen.orchestrator.strategies.common.local_schema import Langevin, LocalSpec
from msgen.orchestrator.strategies.dynamics import rules
from msgen.orchestrator.strategies.dynamics.generate_schema import Generate, Temperatures

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.systems.base import CVSet, System


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
    temperatures: Temperatures = ()
    """Temperatures to gather at beside the system's own, with an equal part of the replicas each;
    the model is then conditional on the temperature."""
    generate: Generate = Field(default_factory=Generate)
    cycles: int = Field(default=10, ge=1)
    """Of gathering, fitting, generating and judging, at the most."""

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("trajectories", exact=False)

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.dynamics_problems(campaign, self)

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.length_problems(campaign, self)

    def timed(self) -> Iterator[Timed]:
        yield from super().timed()
        asked = (
            (("strategy", "temperatures"), self.temperatures),
            (("strategy", "generate", "temperature"), self.generate.temperature),
        )
        for where, values in asked:
            for i, value in enumerate(values):
                yield (*where, i), value, "temperature"

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return [
            *rules.shelf_problems(campaign, system.n_dof),
            *rules.path_problems(self, base_dir, len(cvs)),
        ]

    @property
    def begins_with(self) -> tuple[Where, str]:
        return ("strategy", "free_energies"), self.free_energies

    def admit(self, campaign: Campaign, run: FinishedRun, system: System) -> None:
        from msgen.orchestrator.strategies.dynamics.exact_run import exact_of
        from msgen.orchestrator.strategies.dynamics.warmed import warmed

        exact = exact_of(run, campaign, system.n_dof)
        warmed(exact, system, self.own_temperature(campaign), self.others)

    @property
    def others(self) -> tuple[float, ...]:
        """`temperatures`, in K or as the system's kT."""
        return tuple(q.value for q in self.temperatures)

    @staticmethod
    def own_temperature(campaign: Campaign) -> float:
        """Of the system, in the same unit; 1 where it knows none, which has no others."""
        system = campaign.spec_system()
        return next((float(system[key]) for key in rules.THERMAL if key in system), 1.0)

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
