"""Sections of the `system:` kinds with known answers, which models and methods are tried on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from msgen.orchestrator.schema.quantities import problem
from msgen.orchestrator.schema.system_section import SystemSection

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ManyWell(SystemSection):
    """U = Σₖ [aₖ⁴ − 6aₖ² − ½aₖ + ½bₖ²] over pairs of coordinates; 2^(dim/2) modes."""

    kind: Literal["many_well"]
    dim: int = Field(default=32, ge=2)
    """Even."""
    kT: Positive = 1.0
    """Thermal energy in the unit of the potential, a bare number."""
    start: Literal["left", "right"] = "left"
    """The well that every pair starts in; the right one is the deeper."""

    @field_validator("dim")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise problem("is odd", "Give an even number: two coordinates for every well")
        return value


class Phi4(SystemSection):
    """Lattice φ⁴, U = Σ(1−xᵢ²)²/(4aN) + (aN/2)Σ(xᵢ₊₁−xᵢ)² − (h/N)Σxᵢ, zero ends."""

    kind: Literal["phi4"]
    n: int = Field(default=64, ge=2, le=10_000)
    """N, the number of free sites."""
    a: Positive = 0.1
    """Coupling, about the width of a domain wall."""
    beta: Positive = 20.0
    """β = 1/kT, a bare number."""
    field: Finite = 0.0
    """h; where positive it favours the positive state."""
    start: Literal["positive", "negative"] = "positive"
    """The state to start from."""


class _Cluster(SystemSection):
    """What clusters of identical particles have."""

    spring: Positive = 1.0
    """Stiffness k of the spring (k/2) n |x̄|² on the centre of mass."""
    kT: Positive = 1.0
    """Thermal energy in the unit of the potential, a bare number."""


class DW4(_Cluster):
    """Particles with double wells a(r−d₀) + b(r−d₀)² + c(r−d₀)⁴ between them; four in 2-D."""

    kind: Literal["dw4"]
    n_particles: int = Field(default=4, ge=2)
    spatial_dim: int = Field(default=2, ge=1, le=3)
    a: Finite = 0.0
    b: Finite = -4.0
    c: Positive = 0.9
    d0: Positive = 4.0
    trap: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Stiffness of a harmonic trap about the centre of mass."""


class LJ13(_Cluster):
    """Lennard-Jones particles ε[(r_m/r)¹² − 2(r_m/r)⁶] in a harmonic trap; 13 in 3-D."""

    kind: Literal["lj13"]
    n_particles: int = Field(default=13, ge=2)
    spatial_dim: int = Field(default=3, ge=1, le=3)
    eps: Positive = 1.0
    """ε, the depth."""
    rm: Positive = 1.0
    """r_m, the distance of the minimum."""
    trap: Positive = 1.0
    """Stiffness of the harmonic trap about the centre of mass."""


class HarmonicPair(SystemSection):
    """U = −kT ln(e^(−U_A/kT) + e^(−U_B/kT)), each U_s = E_s + ½ Σ k_s (x − μ_s)²."""

    kind: Literal["harmonic_pair"]
    means: list[list[Finite]] = Field(min_length=2, max_length=2)
    """μ of A and of B."""
    stiffness: Positive | list[Positive] | list[list[Positive]] = 1.0
    """k: one, one for each state, or one row each."""
    offsets: list[Finite] = Field(default=[0.0, 0.0], min_length=2, max_length=2)
    """E of A and of B."""
    kT: Positive = 1.0
    """Thermal energy in the unit of the potential, a bare number."""
    start: Literal[0, 1] = 0
    """The state to start from: 0 is A, 1 is B."""

    @model_validator(mode="after")
    def _shapes(self) -> HarmonicPair:
        dim = len(self.means[0])
        if dim == 0 or len(self.means[1]) != dim:
            remedy = f"Give both means {dim or 'their'} numbers"
            raise problem("differ in length", remedy, at=("means",), value=self.means)
        if isinstance(self.stiffness, list):
            sized = [len(k) for k in self.stiffness if isinstance(k, list)]
            if len(self.stiffness) != 2 or any(n != dim for n in sized):
                remedy = "Give one number, one for each state, or one row each"
                raise problem(
                    "does not fit the means", remedy, at=("stiffness",), value=self.stiffness
                )
        return self
