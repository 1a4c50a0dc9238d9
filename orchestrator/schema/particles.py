"""Sections of the `system:` kinds in reduced units: σ = 1 nm, ε = 1 kJ/mol, σ√(m/ε) = 1 ps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.quantities import Rate, Time
from msgen.orchestrator.schema.system_section import SystemSection

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_Platform = Literal["auto", "Reference", "CPU", "OpenCL", "CUDA", "HIP"]


class Particles(SystemSection):
    """What both have; lengths, energies and parameters are bare numbers in σ and ε."""

    kT: Positive
    start: Literal["compact", "stretched"] = "compact"
    """The state to start from."""
    timestep: Time = 0.005
    """In σ√(m/ε), written as ps."""
    friction: Rate = 1.0
    platform: _Platform = "auto"
    """auto: the fastest in a short measurement, once a campaign."""

    @property
    def temperature_K(self) -> float | None:
        """kT/R."""
        return self.kT / units.GAS_CONSTANT

    @property
    def own_step(self) -> tuple[float, float]:
        """The system's own."""
        return self.timestep, self.friction

    @classmethod
    def kT_of(cls, given: Mapping[str, Any]) -> float | None:
        """Its `kT`: ε is 1 kJ/mol."""
        value = given.get("kT", cls.model_fields["kT"].default)
        return float(value) if isinstance(value, int | float) and value > 0 else None


class Dimer(Particles):
    """Discs that repel each other, two of them bonded by h [1 − (r − r₀ − w)²/w²]²."""

    kind: Literal["dimer"]
    particles: int = Field(default=100, ge=2, le=100_000)
    """Discs, those of the dimer (atoms 0 and 1) among them."""
    box: Positive = 15.0
    """Side of the periodic square."""
    h: Positive = 2.0
    """Barrier of the bond."""
    w: Positive = 2.0
    """The bond's minima are r₀ = 2^(1/6) and r₀ + 2w."""
    kT: Positive = 1.0


class Polymer(Particles):
    """Nine Lennard-Jones beads in a Lennard-Jones fluid, the ends held in a double well."""

    kind: Literal["polymer"]
    solvent: int = Field(default=200, ge=0, le=100_000)
    """Solvent particles; the beads are atoms 0 to 8."""
    box: Positive | None = None
    """Side of the periodic cube; by default that of the density of 200 in 7.469."""
    k: Positive = 9.1
    """Barrier of the ends."""
    alpha: Positive = 0.8
    """The minima of the ends are 4.62 ± √2 alpha."""
    kT: Positive = 1.3
