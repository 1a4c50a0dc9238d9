"""Coordinates in which a model sees configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.errors import SpecError

if TYPE_CHECKING:
    from msgen.systems.openmm.constraints import RigidBonds

KINDS = ("cartesian", "internal", "aligned", "aligned_heavy")


class Encoding(Protocol):
    """What a model sees of a configuration."""

    @property
    def dim(self) -> int:
        """Variables."""
        ...

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Which of them are angles in [−π, π), length `dim`."""
        ...

    def encode(self, positions: Array) -> Array:
        """Shape (n, D) → (n, dim)."""
        ...


class Representation(Encoding, Protocol):
    """A map between configurations and the variables of a model."""

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """Shape (n, dim) → (n, D); what the variables leave open is drawn."""
        ...


@runtime_checkable
class Exact(Representation, Protocol):
    """A representation that holds all of a configuration but how it lies in space."""

    def log_det(self, y: Array) -> Array:
        """ln of the volume of configurations per volume of y, shape (n,), up to a constant.

        With it ρ*(y) = exp(−U(x(y))/kT + log_det(y)) is the density of y that the system's dynamics
        samples; −inf where no configuration has such y.
        """
        ...


@dataclass(frozen=True)
class Cartesian:
    """The configuration itself; for analytic systems.

    Attributes
    ----------
    dim : int
    angles : tuple of bool, length `dim`
        Coordinates that are angles; empty where none is. On the line such a density has no norm:
        a configuration has one y, however often it has gone round.
    """

    dim: int
    angles: tuple[bool, ...] = ()

    @property
    def periodic(self) -> tuple[bool, ...]:
        """The angles."""
        return self.angles or (False,) * self.dim

    def encode(self, positions: Array) -> Array:
        """As it is, angles in [−π, π)."""
        if not any(self.angles):
            return positions
        turn = 2 * np.pi * np.floor((positions + np.pi) / (2 * np.pi))
        return np.where(self.angles, positions - turn, positions)

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """As it is."""
        return y

    def log_det(self, y: Array) -> Array:
        """0."""
        return np.zeros(len(y))


def build_representation(
    kind: str,
    n_dof: int,
    topology: Any = None,
    reference: Array | None = None,
    rigid: RigidBonds | None = None,
    angles: NDArray[np.bool_] | None = None,
) -> Representation:
    """The representation a campaign asks for.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or 'auto': internal for a molecule, aligned for several, cartesian of what
        has no atoms.
    n_dof : int
    topology : mdtraj.Topology, or None
        None for a system that is no molecule.
    reference : Array, shape (3N,), or None
        A structure to lay others on, and to take hydrogens' places and stiff torsions from.
    rigid : RigidBonds, or None
        Constraints of the molecule: internal coordinates leave them out.
    angles : bool array, shape (n_dof,), or None
        Cartesian coordinates that are angles.

    Raises
    ------
    SpecError
        For an unknown kind, one that needs a molecule, or a molecule it does not suit.
    """
    field = ("strategy", "coordinates")
    if kind not in ("auto", *KINDS):
        raise SpecError(field, kind, "are no coordinates", f"Use one of auto, {', '.join(KINDS)}")
    if kind == "cartesian" or (kind == "auto" and topology is None):
        return Cartesian(n_dof, () if angles is None else tuple(angles.tolist()))
    if topology is None or reference is None:
        raise SpecError(field, kind, "are those of a molecule", "Use cartesian")
    # here: an analytic system needs neither
    from msgen.systems.coordinates.alignment import Aligned
    from msgen.systems.coordinates.internal_coordinates import InternalCoordinates

    if kind == "auto" and len(topology.find_molecules()) > 1:
        kind = "aligned"
    if kind in ("auto", "internal"):
        return InternalCoordinates(topology, reference, rigid)
    return Aligned(topology, reference, "heavy" if kind == "aligned_heavy" else "all")
