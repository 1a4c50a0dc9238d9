"""CVs of some atoms: geometry, shape, and deviation from structures."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, StrictStr, model_validator

from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.quantities import AutoNumber, Length, problem
from msgen.orchestrator.schema.units import Dimension

Atom = Annotated[int, Field(strict=True, ge=0)] | StrictStr
"""Index from 0, ``RES:NAME``, or an mdtraj selection that matches exactly one atom."""
Atoms = Annotated[list[Atom], Field(min_length=1)] | StrictStr
"""A list of atoms, or one mdtraj selection for all of them."""


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


class _Few(CVSection):
    """A torsion, an angle or a distance: of so many atoms, or centres of mass of groups."""

    @model_validator(mode="after")
    def _one_of_both(self) -> _Few:
        atoms, groups = getattr(self, "atoms", None), getattr(self, "groups", None)
        if atoms is None and groups is None:
            raise problem("is missing", "Give atoms, or groups for their centres", at=("atoms",))
        if atoms is not None and groups is not None:
            what, remedy = "stands beside atoms", "Keep one: atoms, or groups for their centres"
            raise problem(what, remedy, at=("groups",), value=groups)
        return self


class Dihedral(_Few, _Angle):
    """Torsion over four atoms or centres of mass, IUPAC sign, periodic in [−180°, 180°)."""

    kind: Literal["dihedral"]
    atoms: list[Atom] | None = Field(default=None, min_length=4, max_length=4)
    groups: list[Atoms] | None = Field(default=None, min_length=4, max_length=4)
    """Instead of atoms: four groups of one molecule each, for their centres of mass."""

    @property
    def is_periodic(self) -> bool:
        return True

    @property
    def bounds(self) -> tuple[float, float]:
        return (-math.pi, math.pi)


class Angle(_Few, _Angle):
    """Angle at the second of three atoms or centres of mass, 0 to 180°."""

    kind: Literal["angle"]
    atoms: list[Atom] | None = Field(default=None, min_length=3, max_length=3)
    groups: list[Atoms] | None = Field(default=None, min_length=3, max_length=3)
    """Instead of atoms: three groups of one molecule each, for their centres of mass."""

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, math.pi)


class Distance(_Few, _Length):
    """Distance of two atoms or centres of mass."""

    kind: Literal["distance"]
    atoms: list[Atom] | None = Field(default=None, min_length=2, max_length=2)
    groups: list[Atoms] | None = Field(default=None, min_length=2, max_length=2)
    """Instead of atoms: two groups of one molecule each, for their centres of mass."""


Piece = Atom | Annotated[list[Atom], Field(min_length=1)]
"""An atom, or several that change places together with those of another piece."""


class RMSD(_Length):
    """Root-mean-square deviation from a reference after optimal superposition."""

    kind: Literal["rmsd"]
    atoms: Atoms = "all"
    reference: str | None = None
    """Structure file; by default the starting structure."""
    symmetric: list[Annotated[list[Piece], Field(min_length=2)]] | None = Field(
        default=None, min_length=1
    )
    """Sets of like atoms, or of like lists of atoms, that may change places; the least counts."""


class PathCV(CVSection):
    """Progress s along a path of structures, or the distance z from it, nm²."""

    kind: Literal["path"]
    structures: str | Annotated[list[str], Field(min_length=1)]
    """A file of several structures, or several files, in the order of the path."""
    atoms: Atoms = "all"
    along: Literal["s", "z"] = "s"
    """s runs from 1 to the number of structures."""
    rate: AutoNumber = "auto"
    """λ, 1/nm²; auto is 2.3 over the mean square deviation of neighbours."""

    @property
    def bounds(self) -> tuple[float, float]:
        return (1.0, math.inf) if self.along == "s" else (-math.inf, math.inf)


class RadiusOfGyration(_Length):
    """Mass-weighted radius of gyration."""

    kind: Literal["radius_of_gyration"]
    atoms: Atoms = "all"


class RingPucker(CVSection):
    """A coordinate of Cremer and Pople of a ring of five or six atoms."""

    kind: Literal["ring_pucker"]
    atoms: list[Atom] = Field(min_length=5, max_length=6)
    """In the order of the ring."""
    coordinate: Literal["amplitude", "phase", "theta", "qx", "qy", "qz"] = "amplitude"
    """theta and qz are of six atoms; theta is 0 and 180° of the two chairs."""

    @model_validator(mode="after")
    def _of_six(self) -> RingPucker:
        if len(self.atoms) == 5 and self.coordinate in ("theta", "qz"):
            remedy = "Take amplitude, phase, qx or qy"
            what = "is of a ring of six atoms"
            raise problem(what, remedy, at=("coordinate",), value=self.coordinate)
        return self

    @property
    def dimension(self) -> Dimension:
        return "angle" if self.coordinate in ("phase", "theta") else "length"

    @property
    def is_periodic(self) -> bool:
        return self.coordinate == "phase"

    @property
    def bounds(self) -> tuple[float, float]:
        return {
            "amplitude": (0.0, math.inf),
            "phase": (-math.pi, math.pi),
            "theta": (0.0, math.pi),
        }.get(self.coordinate, (-math.inf, math.inf))


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
