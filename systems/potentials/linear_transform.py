"""A system in other linear coordinates, in which its mass matrix is the identity."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from msgen.systems.base import CV, Array, System, Walkers


@dataclass(frozen=True, eq=False)
class LinearForm:
    """ξ = w·x + b, not periodic.

    Attributes
    ----------
    weights : Array, shape (D,)
    offset : float
    """

    name: str
    weights: Array
    offset: float = 0.0
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ(x), shape (n,)."""
        return x @ torch.as_tensor(self.weights) + self.offset


class ShearedCV:
    """ξ(A y) of a CV ξ(x).

    Parameters
    ----------
    cv : CV
    matrix : Array, shape (D, D)
        A.
    """

    def __init__(self, cv: CV, matrix: Array) -> None:
        self.cv, self.matrix = cv, matrix
        self.name: str = cv.name
        self.periodic: bool = cv.periodic
        self.unit: str = cv.unit

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """ξ of what is y here, shape (n,)."""
        return self.cv(x @ torch.as_tensor(self.matrix.T))


class Sheared:
    """U(A y) as a system of y, with unit masses; x = A y.

    With A Aᵀ = M⁻¹ dynamics of unit mass in y is dynamics of mass matrix M in x: its frequencies
    are those of M^{−1/2} ∇∇U M^{−1/2} (Neal, Handbook of MCMC, ch. 5.4, 2011). Volumes differ by a
    constant, so that densities are the same.

    Parameters
    ----------
    system : System
    masses : Array, shape (D, D)
        M, positive definite.
    """

    def __init__(self, system: System, masses: Array) -> None:
        self._system = system
        self._to_y: Array = np.asarray(np.linalg.cholesky(masses).T, dtype=np.float64)
        self.matrix: Array = np.asarray(np.linalg.inv(self._to_y), dtype=np.float64)

    @property
    def n_dof(self) -> int:
        """D."""
        return self._system.n_dof

    @property
    def kT(self) -> float:
        """Thermal energy."""
        return self._system.kT

    @property
    def masses(self) -> Array:
        """Ones, shape (D,)."""
        return np.ones(self.n_dof)

    @property
    def deterministic(self) -> bool:
        """As the system itself."""
        return self._system.deterministic

    @property
    def topology(self) -> None:
        """None: these coordinates are not those of atoms."""
        return None

    @property
    def constraints(self) -> None:
        """None."""
        return None

    @property
    def engine(self) -> str:
        """'batched'."""
        return "batched"

    def inside(self, x: Array) -> Array:
        """y of x, shape (n, D)."""
        return np.asarray(x @ self._to_y.T)

    def outside(self, y: Array) -> Array:
        """x of y, shape (n, D)."""
        return np.asarray(y @ self.matrix.T)

    def initial(self) -> Walkers:
        """The start in these coordinates."""
        return Walkers(self.inside(self._system.initial().positions))

    def energy(self, walkers: Walkers) -> Array:
        """U, shape (n,)."""
        return self._system.energy(Walkers(self.outside(walkers.positions)))

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        """U, shape (n,), and −∂U/∂y, shape (n, D)."""
        u, f = self._system.energy_and_force(Walkers(self.outside(walkers.positions)))
        with np.errstate(invalid="ignore"):  # of a configuration that is lost already
            return u, np.asarray(f @ self.matrix)
