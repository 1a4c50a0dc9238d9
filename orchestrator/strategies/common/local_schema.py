"""The `local:` part of a strategy: how walkers move between two global moves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from msgen.orchestrator.schema.quantities import AutoNumber, AutoQuantity, Section


class _Local(Section):
    kind: str
    steps: int

    @property
    def evaluations(self) -> int:
        """Energy evaluations of one replica between two global moves."""
        return self.steps


class Langevin(_Local):
    """Inertial Langevin dynamics (LFMiddle); approximate to order timestep²."""

    kind: Literal["langevin"]
    steps: int = Field(default=500, ge=1)
    """Steps of one replica between two global (or steered) moves."""
    timestep: AutoQuantity = "auto"
    """auto: the system's own; for an analytic system 0.02, without a unit."""
    friction: AutoQuantity = "auto"
    """auto: the system's own; for an analytic system 1, without a unit."""


class GHMC(_Local):
    """Langevin dynamics with a Metropolis test for every step; exact."""

    kind: Literal["ghmc"]
    steps: int = Field(default=500, ge=1)
    """Steps of one replica between two global (or steered) moves."""
    timestep: AutoQuantity = "auto"
    """auto: the system's own; for an analytic system 0.02, without a unit."""
    friction: AutoQuantity = "auto"
    """auto: the system's own; for an analytic system 1, without a unit."""


class MALA(_Local):
    """Metropolis-adjusted overdamped Langevin; exact; all systems but OpenMM's."""

    kind: Literal["mala"]
    steps: int = Field(default=200, ge=1)
    """Steps of one replica between two global (or steered) moves."""
    step_size: AutoNumber = "auto"
    """auto: tuned for acceptance during explore and adapt."""


class HMC(_Local):
    """Hamiltonian Monte Carlo; exact; all systems but OpenMM's."""

    kind: Literal["hmc"]
    steps: int = Field(default=50, ge=1)
    """Trajectories of one replica between two global (or steered) moves."""
    step_size: AutoNumber = "auto"
    """auto: tuned for acceptance during explore and adapt."""
    leapfrog: int = Field(default=10, ge=1)
    """Leapfrog steps of one trajectory."""
    metric: Literal["diagonal", "dense"] = "diagonal"
    """Masses of trajectories and steered paths, tuned during adapt: diagonal, from variances;
    dense, from the curvature of U, where stiff directions lie along no axis. steered only."""

    @property
    def evaluations(self) -> int:
        """Energy evaluations of one replica between two global moves."""
        return self.steps * self.leapfrog


class Overdamped(_Local):
    """Euler–Maruyama overdamped Langevin; approximate; all systems but OpenMM's."""

    kind: Literal["overdamped"]
    steps: int = Field(default=500, ge=1)
    """Steps of one replica between two global (or steered) moves."""
    step_size: float = Field(default=0.001, gt=0, allow_inf_nan=False)
    """Time step; the error in the density is of this order."""


LocalSpec = Annotated[Langevin | GHMC | MALA | HMC | Overdamped, Field(discriminator="kind")]
