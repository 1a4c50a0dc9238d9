"""The `cvs:` section: collective variables, in the order in which they span the surface."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StrictStr,
    field_serializer,
    field_validator,
    model_validator,
)

from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.quantities import Length, Section, problem
from msgen.orchestrator.schema.units import Dimension
from msgen.systems.kinds import CV_KINDS

Atom = Annotated[int, Field(strict=True, ge=0)] | StrictStr
"""Index from 0, ``RES:NAME``, or an mdtraj selection that matches exactly one atom."""
Atoms = Annotated[list[Atom], Field(min_length=1)] | StrictStr
"""A list of atoms, or one mdtraj selection for all of them."""


AXIS = ("range", "bins", "reported")
"""What is said of a CV as an axis of the surface."""
_DIMENSIONS: dict[str, Dimension] = {"rad": "angle", "nm": "length", "1": "number"}


class _Angle(CVSection):
    @property
    def dimension(self) -> Dimension:
        return "angle"


class _Length(CVSection):
    @property
    def dimension(self) -> Dimension:
        return "length"

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, math.inf)


class Dihedral(_Angle):
    """Torsion over four atoms, IUPAC sign, periodic in [−180°, 180°)."""

    kind: Literal["dihedral"]
    atoms: list[Atom] = Field(min_length=4, max_length=4)

    @property
    def is_periodic(self) -> bool:
        return True

    @property
    def bounds(self) -> tuple[float, float]:
        return (-math.pi, math.pi)


class Angle(_Angle):
    """Angle at the second of three atoms, 0 to 180°."""

    kind: Literal["angle"]
    atoms: list[Atom] = Field(min_length=3, max_length=3)

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, math.pi)


class Distance(_Length):
    """Distance of two atoms."""

    kind: Literal["distance"]
    atoms: list[Atom] = Field(min_length=2, max_length=2)


class RMSD(_Length):
    """Root-mean-square deviation from a reference after optimal superposition."""

    kind: Literal["rmsd"]
    atoms: Atoms = "all"
    reference: str | None = None
    """Structure file; by default the starting structure."""


class RadiusOfGyration(_Length):
    """Mass-weighted radius of gyration."""

    kind: Literal["radius_of_gyration"]
    atoms: Atoms = "all"


class Coordination(CVSection):
    """Σᵢⱼ (1 − (rᵢⱼ/r₀)ⁿ)/(1 − (rᵢⱼ/r₀)ᵐ) over pairs of two groups."""

    kind: Literal["coordination"]
    groups: list[Atoms] = Field(min_length=2, max_length=2)
    """Two groups, each a list of atoms or a selection."""
    r0: Length
    n: int = Field(default=6, ge=1)
    m: int = Field(default=12, ge=2)

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, math.inf)


class PrincipalRadius(_Length):
    """Root of an eigenvalue of the gyration tensor; the smallest is 0 of what is planar."""

    kind: Literal["principal_radius"]
    atoms: Atoms = "all"
    axis: Literal["smallest", "middle", "largest"] = "smallest"
    """Which eigenvalue."""


class SortedDistance(_Length):
    """The shortest of all distances between some atoms, or the one of another rank."""

    kind: Literal["sorted_distance"]
    atoms: Atoms = "all"
    rank: int = Field(default=1, ge=1)
    """1 is the shortest."""


class Steinhardt(CVSection):
    """Global bond-orientational order Q_l of Steinhardt, Nelson and Ronchetti, 0 to 1."""

    kind: Literal["steinhardt"]
    atoms: Atoms = "all"
    degree: Literal[2, 4, 6, 8, 10, 12] = 6
    """l."""
    r0: Length
    """Pairs count as bonds below it, with the weight 1/(1 + (r/r₀)¹²)."""

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, 1.0)


class Coordinate(CVSection):
    """One Cartesian coordinate of an analytic system."""

    kind: Literal["coordinate"]
    index: int = Field(ge=0)
    periodic: bool = False
    """Whether it is an angle in [−π, π), written without a unit."""

    @property
    def is_periodic(self) -> bool:
        return self.periodic

    @property
    def bounds(self) -> tuple[float, float]:
        return (-math.pi, math.pi) if self.periodic else (-math.inf, math.inf)


class MeanCoordinate(CVSection):
    """Mean of the Cartesian coordinates of an analytic system."""

    kind: Literal["mean_coordinate"]
    indices: list[Annotated[int, Field(ge=0)]] | None = Field(default=None, min_length=1)
    """Which coordinates; by default all."""
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """What the mean is multiplied by: √N makes it the first Haar coefficient."""


class PairDistances(CVSection):
    """One number of all distances between the particles of dw4 or lj13."""

    kind: Literal["pair_distances"]
    statistic: Literal["mean", "rms", "smallest", "largest", "short"] = "mean"
    """short: the number of pairs closer than r0, smoothly, Σ 1/(1 + (r/r₀)¹²)."""
    r0: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Below it a pair is short."""

    @model_validator(mode="after")
    def _r0_of_short(self) -> PairDistances:
        if self.statistic == "short" and self.r0 is None:
            raise problem("is missing", "Give r0, below which a pair is short", at=("r0",))
        if self.statistic != "short" and self.r0 is not None:
            remedy = "Remove it, or take statistic: short"
            raise problem("is not used", remedy, at=("r0",), value=self.r0)
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, math.inf)


class PotentialEnergy(CVSection):
    """U itself of an analytic system, in its own unit."""

    kind: Literal["potential_energy"]


class DiffusionMap(CVSection):
    """A diffusion coordinate of a data set, in a file that ``msgen cv diffusion-map`` made."""

    kind: Literal["diffusion_map"]
    file: str = Field(min_length=1)
    component: int = Field(default=1, ge=1)
    """Which coordinate; 1 is the slowest."""


class PythonCV(CVSection):
    """A batched torch function of your own."""

    kind: Literal["python"]
    factory: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function``; called with `arguments`, see docs/systems.md."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    periodic: bool = False
    """Periodic CVs live in [−π, π) and are angles."""
    unit: Literal["rad", "nm", "1"] | None = None
    """By default rad where periodic, 1 elsewhere."""

    @property
    def dimension(self) -> Dimension:
        unit = self.unit or ("rad" if self.periodic else "1")
        return _DIMENSIONS[unit]

    @property
    def is_periodic(self) -> bool:
        return self.periodic

    @property
    def bounds(self) -> tuple[float, float]:
        return (-math.pi, math.pi) if self.periodic else (-math.inf, math.inf)


class Term(Section):
    """One summand of a linear combination."""

    coefficient: float = Field(allow_inf_nan=False)
    cv: SimpleCV

    @field_validator("cv")
    @classmethod
    def _no_axis(cls, cv: CVSection) -> CVSection:
        for key in AXIS:
            if key in cv.model_fields_set:
                raise problem(
                    "a term is no axis of the surface",
                    f"Move {key} to the linear_combination itself",
                    at=(key,),
                    value=getattr(cv, key),
                )
        return cv

    @field_serializer("cv", mode="wrap")
    def _without_axis(
        self, cv: CVSection, handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        return {k: v for k, v in handler(cv).items() if k not in AXIS}


class LinearCombination(CVSection):
    """Σ cₖ ξₖ(x) + offset, in the terms' unit if they share one; an angle if all are periodic."""

    kind: Literal["linear_combination"]
    terms: list[Term] = Field(min_length=1)
    offset: float = Field(default=0.0, allow_inf_nan=False)

    @property
    def dimension(self) -> Dimension:
        dimensions = {t.cv.dimension for t in self.terms}
        return dimensions.pop() if len(dimensions) == 1 else "number"

    @property
    def is_periodic(self) -> bool:
        return all(t.cv.is_periodic for t in self.terms)

    @property
    def bounds(self) -> tuple[float, float]:
        return (-math.pi, math.pi) if self.is_periodic else (-math.inf, math.inf)


SimpleCV = Annotated[
    Dihedral
    | Angle
    | Distance
    | RMSD
    | RadiusOfGyration
    | Coordination
    | PrincipalRadius
    | SortedDistance
    | Steinhardt
    | Coordinate
    | PythonCV,
    Field(discriminator="kind"),
]
SECTIONS: Mapping[str, type[CVSection]] = {
    "dihedral": Dihedral,
    "angle": Angle,
    "distance": Distance,
    "rmsd": RMSD,
    "radius_of_gyration": RadiusOfGyration,
    "coordination": Coordination,
    "principal_radius": PrincipalRadius,
    "sorted_distance": SortedDistance,
    "steinhardt": Steinhardt,
    "linear_combination": LinearCombination,
    "coordinate": Coordinate,
    "mean_coordinate": MeanCoordinate,
    "pair_distances": PairDistances,
    "potential_energy": PotentialEnergy,
    "diffusion_map": DiffusionMap,
    "python": PythonCV,
}
"""Those of our own kinds, by their ``kind:``."""

CVSpec = Annotated[CVSection, KindOf(CV_KINDS, CVSection, SECTIONS)]
"""The section of any kind, those of plug-ins included."""
