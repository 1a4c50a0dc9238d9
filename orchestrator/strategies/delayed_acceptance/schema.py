"""The section of the delayed_acceptance strategy, and its `surrogate:`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Length, Section
from msgen.orchestrator.strategies.base import ModelUse, StrategySection
from msgen.orchestrator.strategies.common.configuration_rules import coordinate_problems
from msgen.orchestrator.strategies.common.exploration_schema import Broad
from msgen.orchestrator.strategies.common.local_schema import HMC
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.delayed_acceptance import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System

ADAPT_ROUNDS = 6
"""Rounds in which the surrogate is refitted, at the least."""
MOST_ATOMS = 24
"""Of which all triples are looked at."""


class _Surrogate(Section):
    members: int = Field(default=4, ge=1, le=32)
    """Nets of the committee; its energy is their mean."""
    width: int = Field(default=24, ge=1)
    """Of each of a net's two hidden layers."""
    updates: int = Field(default=400, ge=1)
    """Steps of Adam in a fit, which begins afresh."""
    keep: int = Field(default=1000, ge=50)
    """Configurations that are learnt from: of more, half where the committee disagrees."""


class SymmetryFunctions(_Surrogate):
    """Nets of each atom's surroundings: no rotation or exchange of like atoms changes them."""

    kind: Literal["symmetry_functions"]
    cutoff: Length = 0.6
    """Beyond it an atom is not seen by another."""
    radial: int = Field(default=12, ge=2, le=64)
    """Number of radial functions."""


class Coordinates(_Surrogate):
    """Nets of the coordinates of a potential as they are."""

    kind: Literal["coordinates"]


SurrogateSpec = Annotated[SymmetryFunctions | Coordinates, Field(discriminator="kind")]


class FlowProposals(Section):
    """Walks from state to state: proposals of a flow, which the surrogate tests first."""

    walks: int = Field(default=5, ge=1)
    """Walks of proposals in each stretch, after those of trajectories."""
    moves: int = Field(default=10, ge=1)
    """Proposals, each tested by the surrogate, between two tests by the system."""
    broad: Broad = 0.1
    """Share of broad proposals."""
    draws: int = Field(default=1, ge=0)
    """Draws of the frozen flow for each replica and stretch of production, with the system's energy
    at each: Bennett's estimator between them and the chain, beside what is counted; 0: none."""


class DelayedAcceptance(StrategySection):
    """Walks by a learnt energy, each tested as a whole by the system's: for what is dear."""

    arrives: ClassVar[bool] = True
    stretches: ClassVar[int] = BLOCKS
    own_local: ClassVar[str | None] = "hmc"

    works_on_points: ClassVar[bool] = True

    kind: Literal["delayed_acceptance"]
    surrogate: SurrogateSpec
    moves: int = Field(default=10, ge=1)
    """Trajectories by the surrogate between two tests by the system."""
    flow: FlowProposals | None = None
    """Walks whose proposals are those of `model`, a flow of whole configurations which learns from
    the replicas and is frozen with the surrogate; left out: trajectories only."""
    reweight: bool = False
    """Whether as many walkers go by the surrogate alone in production, weighed by an evaluation a
    stretch: what reweighting would have given, beside what the tests give."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r walks by the surrogate, and the flow, fitted on rounds up to r − lag."""

    @property
    def uses_model(self) -> bool:
        return self.flow is not None

    def model_use(self, campaign: Campaign) -> ModelUse:
        if self.flow is None:
            return ModelUse(exact=False)
        return ModelUse("particles" if _of_atoms(campaign) else "configurations")

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        here = ("strategy", "local", "kind")
        if not isinstance(self.local, HMC):
            what = "is not how walks by a surrogate are made"
            yield Problem(here, self.local.kind, what, "Write local: {kind: hmc}")
        if not campaign.batched:
            what = "takes what our own kernels step, and OpenMM steps this"
            yield Problem(("strategy", "kind"), self.kind, what, "Take steered or local")
        seen, atoms = self.surrogate.kind, campaign.has_atoms
        if (seen == "symmetry_functions") != atoms:
            remedy = f"Take {'symmetry_functions' if atoms else 'coordinates'}"
            what = "is for atoms" if not atoms else "would change as the atoms turn"
            yield Problem(("strategy", "surrogate", "kind"), seen, what, remedy)
        if self.flow is not None and not _of_atoms(campaign):
            yield from coordinate_problems(campaign, "auto")

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        atoms = 0 if system.topology is None else system.topology.n_atoms
        if atoms <= MOST_ATOMS:
            return [] if self.flow is None else rules.flow_problems(campaign, system)
        what = f"looks at all triples of atoms, and these are {atoms}"
        remedy = f"Take another strategy: {MOST_ATOMS} are the most"
        return [Problem(("strategy", "surrogate"), self.surrogate.kind, what, remedy)]

    def round_in_words(self, campaign: Campaign) -> str:
        what = "one for each walk by the surrogate"
        if self.flow is not None and self.flow.draws:
            what += ", each draw of the flow"
        if self.reweight:
            what += ", each stretch of those that go by the surrogate alone"
        return f"{self.stretch(campaign):,} energy evaluations, {what}"

    def stretch(self, campaign: Campaign) -> int:
        walks = self.local.steps
        if self.flow is not None:
            walks += self.flow.walks + self.flow.draws
        walks += int(self.reweight)
        return campaign.first_replicas * walks

    def least_adaptation(self, campaign: Campaign) -> int:
        return ADAPT_ROUNDS


def _of_atoms(campaign: Campaign) -> bool:
    """Whether the model takes atoms for like particles."""
    return campaign.has_atoms and campaign.model.particles
