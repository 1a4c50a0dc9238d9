"""The section of the dynamics strategy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, ValidationError

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion
from msgen.orchestrator.strategies.base import ModelUse, Timed
from msgen.orchestrator.strategies.common.exact_first import ExactFirst
from msgen.orchestrator.strategies.common.local_schema import Langevin, LocalSpec
from msgen.orchestrator.strategies.dynamics import rules
from msgen.orchestrator.strategies.dynamics.generate_schema import Generate, Temperatures
from msgen.orchestrator.strategies.dynamics.hot_schema import Hot
from msgen.orchestrator.strategies.dynamics.molecules import (
    Molecule,
    campaigns,
    molecule_problems,
    placed,
    unknown_atoms,
)
from msgen.orchestrator.strategies.dynamics.step_rules import hot_checks, step_checks, step_problems

if TYPE_CHECKING:
    from msgen.orchestrator.base import Tree
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.orchestrator.strategies.common.learnt_run import LearntRun
    from msgen.systems.base import CVSet, System


class Dynamics(ExactFirst):
    """Trajectories from a diffusion model, told beside the simulator's; never exact."""

    defaults: ClassVar[Mapping[str, object]] = {"model": {"kind": "trajectory_diffusion"}}
    own_local: ClassVar[str | None] = "langevin"
    kind: Literal["dynamics"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """langevin; for analytic systems also overdamped. What is learnt are its trajectories, a frame
    every `output.stride` steps; `steps` is how far one order takes a replica."""
    frames: int = Field(default=256, ge=8)
    """Of each trajectory that is gathered."""
    temperatures: Temperatures = ()
    """Temperatures to gather at beside the system's own, with an equal part of the replicas each;
    the model is then conditional on the temperature."""
    hot: Hot | None = None
    """Short runs from heated or scrambled structures beside the trajectories, relaxed first: a
    model of steps learns them, and nothing counts or is judged by them."""
    molecules: dict[str, Molecule] = Field(default_factory=dict)
    """Other molecules for one model of steps, by name: each is gathered, learnt, rolled out and
    judged by itself, with as many replicas as the campaign's own."""
    learn: bool = True
    """Whether the model learns the campaign's own molecule; false: it learns `molecules` alone."""
    generate: Generate = Field(default_factory=Generate)
    begin: list[str] | None = None
    """States that the first trajectories begin in; by default all. A state without any is looked at
    next, as the model is worst where nothing is known."""
    cycles: int = Field(default=10, ge=1)
    """Of gathering, fitting, generating and judging, at the most."""

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse("trajectories", exact=False)

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        yield from rules.dynamics_problems(campaign, self)
        yield from super().problems(campaign)

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        yield from rules.length_problems(campaign, self)
        yield from step_problems(campaign, self)
        yield from molecule_problems(campaign, self)

    def beside(self, campaign: Campaign) -> Mapping[str, Campaign]:
        return campaigns(campaign, self)[0]

    def unreadable(self, campaign: Campaign) -> Mapping[str, ValidationError]:
        return campaigns(campaign, self)[1]

    def placed_inside(self, name: str, problems: Iterable[Problem]) -> list[Problem]:
        return list(placed(name, problems))

    def timed(self) -> Iterator[Timed]:
        yield from super().timed()
        asked = (
            (("strategy", "temperatures"), self.temperatures),
            (("strategy", "generate", "temperature"), self.generate.temperature),
        )
        if self.hot is not None:
            yield ("strategy", "hot", "temperature"), self.hot.temperature, "temperature"
        for where, values in asked:
            for i, value in enumerate(values):
                yield (*where, i), value, "temperature"

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return [
            *super().checks(campaign, base_dir, system, cvs),
            *rules.shelf_problems(campaign, system.n_dof),
            *rules.path_problems(self, base_dir, len(cvs)),
            *step_checks(campaign, system, cvs),
            *hot_checks(campaign, self, system),
        ]

    def checks_together(self, campaign: Campaign, systems: Mapping[str, System]) -> list[Problem]:
        return list(unknown_atoms(campaign, self, systems))

    def admit(self, campaign: Campaign, run: FinishedRun, system: System) -> None:
        from msgen.orchestrator.strategies.common.exact_run import exact_of
        from msgen.orchestrator.strategies.dynamics.warmed import warmed

        exact = exact_of(run, campaign, system.n_dof)
        warmed(exact, system, self.own_temperature(campaign), self.others)

    def learnt_run(self, campaign: Campaign, kept: Tree) -> LearntRun | None:
        from msgen.orchestrator.strategies.dynamics.state import learnt_run  # numpy comes with it

        model = campaign.model
        own = (self.own_temperature(campaign), *self.others) if self.others else ()
        # a plug-in's model may have no longest snippet
        snippet = model.length[1] if isinstance(model, TrajectoryDiffusion) else self.frames
        return learnt_run(kept, model.learns == "steps", self.frames, snippet, own)

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
        each = frames_of_an_order(campaign.stride, self.local.steps) * campaign.stride
        steps = f"{campaign.first_replicas * each:,} energy evaluations of local sampling"
        parts = f"{self.parts(campaign)} of them, a fit and a judgement make a cycle"
        beside = self._hot_evaluations(campaign)
        also = f"; {beside:,} of hot runs at its beginning" if beside else ""
        told = f"{steps}; {parts}{also}"
        return f"{told}; the same of {', '.join(self.molecules)}" if self.molecules else told

    def stretch(self, campaign: Campaign) -> int:
        """The trajectories of a cycle, which end in a judgement: a fit costs no energy."""
        gathered = self.walkers(campaign) * self.frames * campaign.stride
        return (1 + len(self.molecules)) * (gathered + self._hot_evaluations(campaign))

    def _hot_evaluations(self, campaign: Campaign) -> int:
        return 0 if self.hot is None else self.hot.evaluations(campaign.stride)

    def least_adaptation(self, campaign: Campaign) -> int:
        return 0

    def least_production(self) -> int:
        """Cycles, before it can be seen that they improve nothing."""
        from msgen.orchestrator.strategies.dynamics.allotment import PATIENCE

        return min(PATIENCE + 1, self.cycles)

    def least_rounds(self, campaign: Campaign) -> int:
        return self.rounds_before(campaign) + self.least_production() * (self.parts(campaign) + 2)


def frames_of_an_order(stride: int, steps: int) -> int:
    """Frames that so many local steps are, one at the least."""
    return max(1, steps // stride)
