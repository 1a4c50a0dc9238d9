"""The `strategy:` section: how the campaign moves through configuration space."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from msgen.orchestrator.schema.baselines import Metadynamics, ParallelTempering
from msgen.orchestrator.schema.quantities import (
    AutoCount,
    FreeEnergyOrZero,
    Section,
    Width,
    WindowsSpec,
)
from msgen.orchestrator.strategies.common.exploration_schema import Broad, ExploreSpec
from msgen.orchestrator.strategies.common.local_schema import GHMC, HMC, Langevin, LocalSpec
from msgen.orchestrator.strategies.flow_mcmc.solute_schema import SolutePath
from msgen.orchestrator.strategies.importance.schema import Importance
from msgen.orchestrator.strategies.steered.path_schema import PathSpec
from msgen.orchestrator.strategies.targeted.schema import Targeted

__all__ = [
    "GHMC",
    "HMC",
    "FlowMCMC",
    "Importance",
    "Langevin",
    "Local",
    "LocalSpec",
    "Metadynamics",
    "ParallelTempering",
    "Steered",
    "StrategySpec",
    "Targeted",
    "Umbrella",
]


class Steered(Section):
    """CV flow and steered (Jarzynski–Crooks) moves between the states."""

    kind: Literal["steered"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """By default langevin for molecules, hmc for analytic systems."""
    path: PathSpec = Field(default_factory=PathSpec)
    broad: Broad = 0.1
    """Share of broad proposals."""
    stratify: bool = True
    """Replicas spread over the states and bridged by BAR; off: one Metropolis chain over all."""
    flatten: FreeEnergyOrZero = 8.0
    """Height up to which the frozen model bias flattens the local sampling; 0 kT is off."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r proposes with the model fitted on rounds up to r − lag."""
    explore: ExploreSpec = Field(default_factory=ExploreSpec)


class FlowMCMC(Section):
    """Local moves and independence moves of the whole configuration."""

    kind: Literal["flow_mcmc"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """By default langevin for molecules, hmc for analytic systems."""
    global_steps: int = Field(default=10, ge=1)
    """Global proposals of one replica after each stretch of local steps."""
    broad: Broad = 0.1
    """Share of broad proposals."""
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


class SeedTraining(Section):
    """What the first model of the windows learns from."""

    steps: int = Field(default=20_000, ge=0)
    """Free steps of each walker, held by no window."""
    file: str | None = Field(default=None, min_length=1)
    """Configurations to learn from as well: an .npz file with `positions`, shape (n, D) or
    (n, atoms, 3) in nm."""


class Umbrella(Section):
    """Windows along the CVs, seeded by a conditional model, joined by MBAR."""

    kind: Literal["umbrella"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """By default langevin for molecules, hmc for analytic systems."""
    windows: WindowsSpec = "auto"
    """auto: evenly over the range of every CV, more where neighbours do not overlap."""
    width: Width = "auto"
    """σ of a window, its restraint being kT (ξ−λ)²/2σ²; auto: half the spacing."""
    seeds: Literal["model", "neighbour"] = "model"
    """Where a window's walkers start: the model's samples at the window, or its neighbour's end."""
    exchange: bool = True
    """Whether neighbouring windows exchange configurations (Metropolis)."""
    global_steps: AutoCount = "auto"
    """Moves of the model inside a window after each stretch of local steps; auto: 1 where the model
    has the whole configuration of an analytic system, else 0."""
    broad: Broad = 0.1
    """Share of broad proposals in these moves."""
    turns: int = Field(default=4, ge=0, le=100)
    """Times that all walkers start again from a better model before production."""
    training: SeedTraining = Field(default_factory=SeedTraining)
    coordinates: Literal["auto", "cartesian", "internal", "aligned", "aligned_heavy"] = "auto"
    """What the model sees of a configuration; auto: internal for molecules, else cartesian."""
    minimise: int = Field(default=50, ge=0)
    """Steps of minimisation of a molecule's seed."""
    relax: int = Field(default=1000, ge=1)
    """Steps of a seed in its window before it counts as one."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r uses the model fitted on rounds up to r − lag."""


class Local(Section):
    """Local sampling only, the honest baseline."""

    kind: Literal["local"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """By default langevin for molecules, hmc for analytic systems."""


StrategySpec = Annotated[
    Steered
    | FlowMCMC
    | Importance
    | Targeted
    | Umbrella
    | ParallelTempering
    | Metadynamics
    | Local,
    Field(discriminator="kind"),
]
