"""The `system:` section: what is simulated, and at which thermodynamic state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from msgen.orchestrator.schema.alkanes import Alkane
from msgen.orchestrator.schema.ase import ASESystem
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.molecules import OpenMMSystem
from msgen.orchestrator.schema.particles import Dimer, Polymer
from msgen.orchestrator.schema.quantities import problem
from msgen.orchestrator.schema.system_section import SystemSection
from msgen.orchestrator.schema.targets import DW4, LJ13, HarmonicPair, ManyWell, Phi4
from msgen.systems.kinds import SYSTEM_KINDS
from msgen.systems.plugins import PluginError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class DoubleWell(SystemSection):
    """U = −9x² + x³ + 4.5x⁴ + 3y²."""

    kind: Literal["double_well"]
    kT: Positive = 1.0
    """Thermal energy in the unit of the potential, a bare number."""
    start: Literal["left", "right"] = "left"
    """The minimum to start from."""


class MuellerBrown(SystemSection):
    """The Müller–Brown surface over (x, y)."""

    kind: Literal["mueller_brown"]
    kT: Positive = 15.0
    """Thermal energy in the unit of the potential, a bare number."""
    start: list[Finite] | None = Field(default=None, min_length=2, max_length=2)
    """Starting point [x, y]; by default the deepest minimum."""


class GaussianTunnel(SystemSection):
    """20-D: z bimodal, 19 further coordinates ~ N(5cos(πz/10), σᵢ); kT = 1."""

    kind: Literal["gaussian_tunnel"]
    start: Literal[0, 10] = 0
    """The mode of z to start from."""


class GaussianMixture(SystemSection):
    """p(x) = Σₖ wₖ N(x; μₖ, diag σₖ²), in any dimension."""

    kind: Literal["gaussian_mixture"]
    dim: int | None = Field(default=None, ge=1)
    """Needed where a mean is one number, the same in every dimension."""
    means: list[list[Finite]] | list[Finite] = Field(min_length=1)
    """One point, or one number, per component."""
    scales: Positive | list[Positive] | list[list[Positive]] = 1.0
    """Standard deviations: one, one per component, or one row each."""
    weights: list[Positive] | None = None
    """Populations, any positive numbers; equal by default."""
    kT: Positive = 1.0
    """Only scales the energy."""
    start: int = Field(default=0, ge=0)
    """The component whose mean the campaign starts from."""

    @model_validator(mode="after")
    def _shapes(self) -> GaussianMixture:
        k, rows = len(self.means), [m for m in self.means if isinstance(m, list)]
        if not rows and self.dim is None:
            remedy = "Write dim: 16, or every mean in full"
            raise problem("is missing where each mean is one number", remedy, at=("dim",))
        dim = self.dim or len(rows[0])
        if any(len(row) != dim for row in rows) or dim == 0:
            remedy = f"Give every mean {dim or 'its'} numbers"
            raise problem("differ in length", remedy, at=("means",), value=self.means)
        if self.weights is not None and len(self.weights) != k:
            remedy = f"Give one number for each of the {k} components"
            raise problem("do not fit the means", remedy, at=("weights",), value=self.weights)
        if isinstance(self.scales, list):
            sized = [len(s) for s in self.scales if isinstance(s, list)]
            if len(self.scales) != k or any(n != dim for n in sized):
                remedy = f"Give one number for each of the {k} components, or one row each"
                raise problem("do not fit the means", remedy, at=("scales",), value=self.scales)
        if self.start >= k:
            raise problem(
                "no such component", f"Allowed: 0 to {k - 1}", at=("start",), value=self.start
            )
        return self


class SlowFast(SystemSection):
    """What both slow–fast systems have: U/kT = 2V(x₁, x₂)/a₃², soft walls in x₁; kT = 1."""

    a3: Positive = 1.0
    """Noise of the fast variable x₂; barriers go with 1/a₃²."""
    range: list[Finite] = Field(default=[0.0, 10.0], min_length=2, max_length=2)
    """Where the slow variable x₁ is free: [low, high]."""
    wall: Positive = 100.0
    """Stiffness of the harmonic walls beyond the range, in kT."""
    slow_mass: Positive = 2000.0
    """Mass of x₁; that of x₂ is 1."""
    start: Literal["left", "right"] = "left"
    """The well of x₂ to start from, at the middle of the range."""

    @field_validator("range")
    @classmethod
    def _ascending(cls, value: list[float]) -> list[float]:
        if not value[0] < value[1]:
            raise problem("is no range of x1", "Give [low, high], low < high")
        return value


class EvolvingDoubleWell(SlowFast):
    """V = (x₂² − 1)² + (0.2 x₁ − 1) x₂; the barrier at x₁ = 5 is 2/a₃² in kT."""

    kind: Literal["evolving_double_well"]


class VariableBarrier(SlowFast):
    """V = (1+x)²[x⁴ + (¾k−2)x³ + (h−k+1)x² − 2hx + h], x = x₂, k = 0.2 x₁ − 1."""

    kind: Literal["variable_barrier"]
    h: Positive = 4.0
    """The barrier between the wells x₂ = ±1 is 2h/a₃² in kT; the paper's label is 2h."""


class PythonSystem(SystemSection):
    """A potential of your own, as a batched torch function."""

    kind: Literal["python"]
    factory: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function``; called with `arguments`, see docs/systems.md."""
    arguments: dict[str, Any] = Field(default_factory=dict)


SECTIONS: Mapping[str, type[SystemSection]] = {
    "openmm": OpenMMSystem,
    "alkane": Alkane,
    "dimer": Dimer,
    "polymer": Polymer,
    "double_well": DoubleWell,
    "mueller_brown": MuellerBrown,
    "gaussian_tunnel": GaussianTunnel,
    "gaussian_mixture": GaussianMixture,
    "evolving_double_well": EvolvingDoubleWell,
    "variable_barrier": VariableBarrier,
    "many_well": ManyWell,
    "phi4": Phi4,
    "dw4": DW4,
    "lj13": LJ13,
    "harmonic_pair": HarmonicPair,
    "python": PythonSystem,
    "ase": ASESystem,
}
"""Those of our own kinds, by their ``kind:``."""

_ANY = KindOf(SYSTEM_KINDS, SystemSection, SECTIONS)

SystemSpec = Annotated[SystemSection, _ANY]
"""The section of any kind, those of plug-ins included."""


def kT_of(given: object) -> float | None:
    """kJ/mol per kT of a section that is not validated yet; None where it cannot be told."""
    if not isinstance(given, dict) or not isinstance(given.get("kind"), str):
        return None
    try:
        section = _ANY.section(given["kind"])
    except (KeyError, PluginError):  # told where the section is read
        return None
    assert issubclass(section, SystemSection)
    return section.kT_of(given)
