"""The `system:` section: what is simulated, and at which thermodynamic state."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from msgen.orchestrator.schema.quantities import (
    Length,
    Mass,
    Rate,
    Section,
    Temperature,
    Time,
    problem,
)

PLATFORMS = ("auto", "Reference", "CPU", "OpenCL", "CUDA", "HIP")


class OpenMMSystem(Section):
    """A molecule through OpenMM, from one of `forcefield`, `topology` and `system_xml`."""

    kind: Literal["openmm"]
    structure: str
    """Starting coordinates: PDB, mmCIF, Amber inpcrd or Gromacs gro."""
    forcefield: list[str] = Field(default_factory=list)
    """OpenMM force-field files, shipped with OpenMM or beside the campaign file."""
    topology: str | None = None
    """Amber prmtop or Gromacs top, instead of `forcefield`."""
    system_xml: str | None = None
    """A serialised OpenMM System, instead of `forcefield`."""
    temperature: Temperature
    timestep: Time = 0.002
    friction: Rate = 1.0
    constraints: Literal["none", "HBonds", "AllBonds", "HAngles"] = "HBonds"
    nonbonded: Literal[
        "auto", "NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "Ewald", "PME"
    ] = "auto"
    """auto: PME where the structure has a periodic box, NoCutoff elsewhere."""
    cutoff: Length = 1.0
    implicit: Literal["none", "OBC2"] = "none"
    """Implicit solvent for `topology`; with `forcefield` add implicit/obc2.xml there."""
    hydrogen_mass: Mass | None = None
    platform: Literal["auto", "Reference", "CPU", "OpenCL", "CUDA", "HIP"] = "auto"
    """auto: the fastest in a short measurement, once a campaign."""

    @model_validator(mode="before")
    @classmethod
    def _no_barostat(cls, data: Any) -> Any:
        for key in ("barostat", "pressure"):
            if isinstance(data, dict) and key in data:
                raise problem(
                    "constant pressure is not supported yet",
                    "Remove it and run at the volume of the starting structure",
                    at=(key,),
                    value=data[key],
                )
        return data

    @field_validator("constraints", "implicit", mode="before")
    @classmethod
    def _none_word(cls, value: Any) -> Any:
        return "none" if value is None or value == "None" else value

    @model_validator(mode="after")
    def _one_source(self) -> OpenMMSystem:
        given = [k for k in ("forcefield", "topology", "system_xml") if getattr(self, k)]
        if len(given) != 1:
            raise problem(
                "no force field is given"
                if not given
                else f"{' and '.join(given)} exclude each other",
                "Give exactly one of forcefield (a list of XML files), topology (prmtop or top), "
                "system_xml",
                at=("forcefield",) if not given else (given[-1],),
            )
        if self.implicit != "none" and not self.topology:
            raise problem(
                "implicit is for an Amber topology",
                "Add 'implicit/obc2.xml' to system.forcefield instead",
                at=("implicit",),
                value=self.implicit,
            )
        return self


class _Analytic(Section):
    start: list[float] | None = None
    """Starting point, one number per degree of freedom; by default in the first basin."""

    @field_validator("start")
    @classmethod
    def _finite(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not all(math.isfinite(v) for v in value):
            raise problem("the starting point is not finite", "Write finite numbers")
        return value


class DoubleWell(_Analytic):
    """U = −9x² + x³ + 4.5x⁴ + 3y²."""

    kind: Literal["double_well"]
    kT: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Thermal energy in the unit of the potential (no unit)."""


class MuellerBrown(_Analytic):
    """The Müller–Brown surface (x, y)."""

    kind: Literal["mueller_brown"]
    kT: float = Field(default=15.0, gt=0, allow_inf_nan=False)
    """Thermal energy in the unit of the potential (no unit)."""


class GaussianTunnel(_Analytic):
    """20-D: z bimodal, 19 further coordinates ~ N(5cos(πz/10), σᵢ)."""

    kind: Literal["gaussian_tunnel"]


class GaussianMixture(_Analytic):
    """p(x) = Σ wₖ N(x; μₖ, σₖ²), kT = 1."""

    kind: Literal["gaussian_mixture"]
    means: list[list[float]] = Field(min_length=1)
    """One point per component."""
    sigmas: list[float] = Field(default_factory=lambda: [1.0])
    """Standard deviation of each component, or one for all."""
    weights: list[float] | None = None
    """Populations, any positive numbers; equal by default."""

    @model_validator(mode="after")
    def _shapes(self) -> GaussianMixture:
        k, dim = len(self.means), len(self.means[0])
        if dim == 0 or any(len(m) != dim for m in self.means):
            raise problem(
                "the means differ in length", f"Give {max(dim, 1)} numbers each", at=("means",)
            )
        for name, values in (("sigmas", self.sigmas), ("weights", self.weights)):
            if values is None:
                continue
            if len(values) not in ((1, k) if name == "sigmas" else (k,)):
                raise problem(
                    f"{len(values)} numbers for {k} components",
                    f"Give one per component ({k})",
                    at=(name,),
                    value=values,
                )
            if not all(v > 0 and math.isfinite(v) for v in values):
                raise problem("must be greater than zero", "", at=(name,), value=values)
        return self


class PythonSystem(_Analytic):
    """A potential of your own, as a batched torch function."""

    kind: Literal["python"]
    factory: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function``; called with `options`, see docs/systems.md."""
    options: dict[str, Any] = Field(default_factory=dict)


SystemSpec = Annotated[
    OpenMMSystem | DoubleWell | MuellerBrown | GaussianTunnel | GaussianMixture | PythonSystem,
    Field(discriminator="kind"),
]
