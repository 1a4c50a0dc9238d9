"""The `cvs:` section: collective variables, in the order in which they span the surface."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_validator,
)

from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.cvs_of_atoms import (
    RMSD,
    Angle,
    Atoms,
    Dihedral,
    Distance,
    PathCV,
    PrincipalRadius,
    RadiusOfGyration,
    RingPucker,
    SortedDistance,
    Steinhardt,
)
from msgen.orchestrator.schema.cvs_of_pairs import ContactMap, Coordination, NativeContacts
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.quantities import Section, problem
from msgen.orchestrator.schema.units import Dimension
from msgen.systems.cvs.expressions import ExpressionError, parse
from msgen.systems.kinds import CV_KINDS

AXIS = ("range", "bins", "reported")
"""What is said of a CV as an axis of the surface."""
_DIMENSIONS: dict[str, Dimension] = {"rad": "angle", "nm": "length", "1": "number"}


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


class _OfYours(CVSection):
    """What only its author knows the unit of."""

    periodic: bool = False
    """Periodic CVs live in [−π, π) and are angles."""
    unit: Literal["rad", "nm", "1"] | None = None
    """By default rad where periodic, 1 elsewhere."""

    @model_validator(mode="after")
    def _periodic_is_no_length(self) -> _OfYours:
        if self.periodic and self.unit == "nm":
            what, remedy = "is of a length, and what is periodic is an angle", "Remove one of them"
            raise problem(what, remedy, at=("unit",), value=self.unit)
        return self

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


class PythonCV(_OfYours):
    """A batched torch function of your own."""

    kind: Literal["python"]
    factory: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function``; called with `arguments`, see docs/systems.md."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    atoms: Atoms | None = None
    """Whose coordinates the function is given, x, y, z of each; by default of all."""


def _refuse_axis(cv: CVSection, whole: str, *at: str) -> None:
    """A part of a CV has neither range nor bins; `at` leads to it from where it is checked."""
    for key in AXIS:
        if key in cv.model_fields_set:
            raise problem(
                "a term is no axis of the surface",
                f"Move {key} to the {whole} itself",
                at=(*at, key),
                value=getattr(cv, key),
            )


class Term(Section):
    """One summand of a linear combination."""

    coefficient: float = Field(allow_inf_nan=False)
    cv: SimpleCV

    @field_validator("cv")
    @classmethod
    def _no_axis(cls, cv: CVSection) -> CVSection:
        _refuse_axis(cv, "linear_combination")
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


class FunctionCV(_OfYours):
    """A formula of other CVs."""

    kind: Literal["function"]
    expression: str = Field(min_length=1)
    """Of the names in `of`: numbers, + − * / ^, pi and functions like sqrt, exp, cos, min."""
    of: dict[str, SimpleCV] = Field(min_length=1)
    """CVs by the names that the formula has for them."""

    @model_validator(mode="after")
    def _formula(self) -> FunctionCV:
        for name, cv in self.of.items():
            if not name.isidentifier():
                raise problem("is no name", "Use letters, digits and _", at=("of", name))
            _refuse_axis(cv, "function", "of", name)
        try:
            parse(self.expression, self.of)
        except ExpressionError as error:
            at, value = ("expression",), self.expression
            raise problem(error.problem, error.remedy, at=at, value=value) from None
        return self

    @field_serializer("of", mode="wrap")
    def _no_axes(
        self, of: dict[str, CVSection], handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        return {
            name: {k: v for k, v in cv.items() if k not in AXIS} for name, cv in handler(of).items()
        }


SimpleCV = Annotated[
    Dihedral
    | Angle
    | Distance
    | RMSD
    | RadiusOfGyration
    | Coordination
    | ContactMap
    | NativeContacts
    | PathCV
    | RingPucker
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
    "contact_map": ContactMap,
    "native_contacts": NativeContacts,
    "path": PathCV,
    "ring_pucker": RingPucker,
    "principal_radius": PrincipalRadius,
    "sorted_distance": SortedDistance,
    "steinhardt": Steinhardt,
    "linear_combination": LinearCombination,
    "function": FunctionCV,
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
