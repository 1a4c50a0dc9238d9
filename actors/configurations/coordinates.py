"""The coordinates in which a campaign's model sees configurations, and their density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import Density
from msgen.systems.base import Array, System
from msgen.systems.coordinates.representation import Exact, Representation, build_representation
from msgen.systems.errors import SpecError
from msgen.systems.external_field import field_felt

Bools = NDArray[np.bool_]


def coordinates(context: WorkerContext) -> Representation:
    """What the campaign asks for, made once per worker."""
    if "coordinates" not in context.cache:
        kind = context.setup["strategy"].get("coordinates", "auto")
        context.cache["coordinates"] = coordinates_of(kind, context.system, _angles(context))
    found: Representation = context.cache["coordinates"]
    return found


def _angles(context: WorkerContext) -> Bools:
    """Coordinates that the campaign's CVs know as angles."""
    # here: orders without CVs of torch need none
    from msgen.systems.cvs.torch_cvs import coordinate_angles

    return coordinate_angles(context.cvs, context.system.n_dof)


def coordinates_of(kind: str, system: System, angles: Bools | None = None) -> Representation:
    """The representation of this kind of a system's configurations.

    Parameters
    ----------
    kind : str
    system : System
    angles : bool array, shape (D,), or None
        Which coordinates of an analytic system are angles.

    Raises
    ------
    SpecError
        For an unknown kind, one that needs a molecule, or a molecule it does not suit.
    """
    topology = system.topology
    if topology is None:
        return build_representation(kind, system.n_dof, angles=angles)
    start = system.initial().positions[0]
    return build_representation(kind, system.n_dof, topology, start, system.constraints)


def exact_coordinates(kind: str, system: System, angles: Bools | None = None) -> Exact:
    """As `coordinates_of`, for those whose density follows from the energy.

    Raises
    ------
    SpecError
        For others, and for a molecule whose energy depends on how it lies: one in a box.
    """
    if kind == "auto" and system.topology is not None:
        kind = "internal"  # of several molecules it says why it cannot hold them
    made = coordinates_of(kind, system, angles)
    if not isinstance(made, Exact):
        raise SpecError(
            ("strategy", "coordinates"),
            kind,
            "leave part of a configuration open, so that its density is not known",
            "Use internal",
        )
    if system.initial().box is not None:
        raise SpecError(
            ("strategy", "coordinates"),
            kind,
            "describe a molecule by itself, and this one is in a periodic box",
            "Strip the solvent and use an implicit one",
        )
    return made


def check_alone(kind: str, system: System) -> None:
    """Whether a model of whole configurations has all that the energy depends on.

    Raises
    ------
    SpecError
        As `exact_coordinates`, and for a molecule in an external field: its internal coordinates
        leave open where it is and how it lies, and ρ* of them is not known then.
    """
    exact_coordinates(kind, system)
    if system.topology is None:
        return
    felt = field_felt(system)
    if felt:
        raise SpecError(
            ("strategy", "coordinates"),
            kind,
            "leave open where the molecule is and how it lies, and its energy depends on that: "
            f"moved as a whole it changes by {felt:.3g} kT",
            "Take the external field or the tether out of the system, or take kind: steered, whose "
            "model lives on the CVs",
        )


def exact(context: WorkerContext) -> Exact:
    """What `exact_coordinates` makes of the campaign, once per worker."""
    if "exact_coordinates" not in context.cache:
        kind = context.setup["strategy"].get("coordinates", "auto")
        made = exact_coordinates(kind, context.system, _angles(context))
        context.cache["exact_coordinates"] = made
    found: Exact = context.cache["exact_coordinates"]
    return found


class IsomerWatch(Protocol):
    """Which configurations have become another molecule."""

    def __call__(self, positions: Array) -> Bools:
        """Shape (n, D) → (n,)."""
        ...


@dataclass(frozen=True)
class InCoordinates:
    """ln ρ(y) = ln ρ(x(y)) + ln|∂x/∂y| of a density of configurations; a `Target` of moves.

    Attributes
    ----------
    density : Density
        On configurations; it does not depend on how a molecule lies.
    coordinates : Exact
    isomers : IsomerWatch or None
        What has no density, since it is another molecule.
    """

    density: Density
    coordinates: Exact
    isomers: IsomerWatch | None = None

    def log_density(self, y: Array) -> Array:
        """ln ρ(y), shape (n,); −inf where it cannot be evaluated."""
        y = np.asarray(y, dtype=np.float64)
        volume = self.coordinates.log_det(y)
        value = np.full(len(y), -np.inf)
        possible = np.isfinite(y).all(axis=1) & np.isfinite(volume)
        if possible.any():
            with np.errstate(all="ignore"):
                x = self.placed(y[possible])
                told = self.density.log_density(x)
            if self.isomers is not None:
                told = np.where(self.isomers(x), -np.inf, told)
            value[possible] = np.where(np.isfinite(told), volume[possible] + told, -np.inf)
        return value

    def placed(self, y: Array) -> Array:
        """Configurations (n, D) of y, each turned as it comes."""
        return self.coordinates.decode(y, np.random.default_rng(0))
