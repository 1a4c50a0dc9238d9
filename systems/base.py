"""The protocols every system and every collective variable meets, and the walkers they act on.

Units. Molecular systems: energies kJ/mol, lengths nm, times ps, masses g/mol, angles rad.
Analytic systems: energies in units of their own kT scale (``kT`` is given by the system),
unit mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from msgen.systems.openmm.constraints import RigidBonds

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Walkers:
    """A batch of configurations.

    Attributes
    ----------
    positions : Array, shape (n, D)
        Flattened coordinates; for molecules D = 3 × number of atoms, in nm.
    velocities : Array, shape (n, D), or None
        None where the dynamics has no inertia or they are to be redrawn.
    box : Array, shape (n, 3, 3), or None
        Periodic box vectors in nm; None for systems that are not periodic.
    """

    positions: Array
    velocities: Array | None = None
    box: Array | None = None

    def __len__(self) -> int:
        return int(self.positions.shape[0])

    def take(self, index: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> Walkers:
        """The walkers at `index`, in that order."""
        i = np.asarray(index)
        return Walkers(
            self.positions[i],
            None if self.velocities is None else self.velocities[i],
            None if self.box is None else self.box[i],
        )

    def with_positions(self, positions: Array, velocities: Array | None = None) -> Walkers:
        """The same boxes with other coordinates."""
        return replace(self, positions=positions, velocities=velocities)


@runtime_checkable
class System(Protocol):
    """An energy and its thermodynamic state: density ρ*(x) ∝ exp(−U(x)/kT)."""

    @property
    def n_dof(self) -> int:
        """D, the length of a flattened configuration."""
        ...

    @property
    def kT(self) -> float:
        """Thermal energy, in the unit of `energy`."""
        ...

    @property
    def masses(self) -> Array:
        """Mass of every degree of freedom, shape (D,)."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the same seed gives the same numbers bit for bit."""
        ...

    @property
    def topology(self) -> Any:
        """The mdtraj Topology of its atoms; None for a system without atoms."""
        ...

    @property
    def constraints(self) -> RigidBonds | None:
        """Bonds of its atoms that are held; None for a system without atoms."""
        ...

    @property
    def engine(self) -> str:
        """What steps it, a name of `msgen.actors.engines.registry.ENGINES`.

        'batched' for what takes many configurations at once, 'openmm' for an `OpenMMSystem`.
        """
        ...

    def initial(self) -> Walkers:
        """The one structure the campaign starts from, n = 1."""
        ...

    def energy(self, walkers: Walkers) -> Array:
        """U(x), shape (n,); NaN or inf where it cannot be evaluated, never an exception."""
        ...

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        """U(x), shape (n,), and −∇U(x), shape (n, D)."""
        ...


@runtime_checkable
class CV(Protocol):
    """One collective variable ξ(x), as a batched torch function.

    Molecular CVs can also be expressed as an OpenMM force (see `msgen.systems.cvs.openmm_forces`).
    """

    @property
    def name(self) -> str: ...

    @property
    def periodic(self) -> bool:
        """Periodic variables live in [−π, π)."""
        ...

    @property
    def unit(self) -> str:
        """'rad', 'nm' or '1'."""
        ...

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ for flattened configurations (n, D) → (n,), float64, differentiable."""
        ...


@runtime_checkable
class Linear(Protocol):
    """A CV whose gradient is the same everywhere, and need not be derived."""

    def values(self, positions: Array) -> Array:
        """ξ, shape (n,), bit for bit what the torch function gives, without its overhead."""
        ...

    def gradient(self, n_dof: int) -> Array:
        """∂ξ/∂x, shape (n_dof,)."""
        ...


@dataclass(frozen=True)
class CVSet:
    """The ordered CVs of a campaign: ξ(x) ∈ R^C.

    Whoever wants ξ has it from here, as each CV itself spells it: an angle has one value, in
    [−π, π), however often its coordinate has gone round.
    """

    cvs: tuple[CV, ...]

    def __len__(self) -> int:
        return len(self.cvs)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(cv.name for cv in self.cvs)

    @property
    def periodic(self) -> NDArray[np.bool_]:
        return np.array([cv.periodic for cv in self.cvs], dtype=bool)

    def torch(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n, C), differentiable."""
        return torch.stack([cv(x) for cv in self.cvs], dim=-1)

    @cached_property
    def _linear(self) -> tuple[Linear, ...] | None:
        """The CVs where all are linear."""
        linear = tuple(cv for cv in self.cvs if isinstance(cv, Linear))
        return linear if linear and len(linear) == len(self.cvs) else None

    def __call__(self, positions: Array) -> Array:
        """ξ of flattened configurations, shape (n, C)."""
        if self._linear is not None:
            given = np.asarray(positions, dtype=np.float64)
            return np.stack([cv.values(given) for cv in self._linear], axis=-1)
        with torch.no_grad():
            x = torch.as_tensor(np.array(positions, dtype=np.float64))
            return np.asarray(self.torch(x).numpy(), dtype=np.float64)

    def value_and_gradient(self, positions: Array) -> tuple[Array, Array]:
        """ξ, shape (n, C), and ∂ξ/∂x, shape (n, C, D); linear CVs are not differentiated."""
        if self._linear is not None:
            n, n_dof = positions.shape
            rows = np.array([cv.gradient(n_dof) for cv in self._linear])
            return self(positions), np.repeat(rows[None], n, axis=0)
        x = torch.tensor(np.array(positions, dtype=np.float64), requires_grad=True)
        values = self.torch(x)
        grads = [
            torch.autograd.grad(values[:, c].sum(), x, retain_graph=True)[0]
            for c in range(len(self.cvs))
        ]
        return (
            np.asarray(values.detach().numpy(), dtype=np.float64),
            np.asarray(torch.stack(grads, dim=1).numpy(), dtype=np.float64),
        )
