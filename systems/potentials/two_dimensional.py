"""Systems given by a formula: the batched base class, and the two-dimensional landscapes.

Energies are in the unit of the landscape itself, masses are 1.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from msgen.systems.base import Array, Walkers


class TorchSystem:
    """A system whose energy is a batched torch function.

    A subclass gives `torch_energy`; one that is called millions of times on small batches also
    overrides `value_and_gradient` in numpy, where a call costs microseconds instead of hundreds.

    Parameters
    ----------
    start : array_like, shape (D,)
        The one configuration a campaign starts from.
    kT : float
        Thermal energy in the unit of the energy.
    masses : array_like, shape (D,), optional
        Mass of every degree of freedom, 1 by default.

    Attributes
    ----------
    log_z : float or None
        ln ∫ exp(−U/kT) dx where it is known.
    """

    log_z: float | None = None

    def __init__(self, start: Array, kT: float, masses: Array | None = None) -> None:
        self._start = np.array(start, dtype=np.float64).reshape(-1)
        self._kT = float(kT)
        self._masses = (
            np.ones_like(self._start)
            if masses is None
            else np.broadcast_to(np.asarray(masses, dtype=np.float64), self._start.shape).copy()
        )

    @property
    def n_dof(self) -> int:
        """D, the number of coordinates."""
        return int(self._start.size)

    @property
    def kT(self) -> float:
        """Thermal energy, in the unit of `energy`."""
        return self._kT

    @property
    def masses(self) -> Array:
        """Mass of every degree of freedom, shape (D,)."""
        return self._masses

    @property
    def deterministic(self) -> bool:
        """True: the same seed gives the same numbers bit for bit."""
        return True

    @property
    def topology(self) -> Any:
        """None: there are no atoms, unless a subclass has some."""
        return None

    @property
    def constraints(self) -> None:
        """None."""
        return None

    @property
    def engine(self) -> str:
        """'batched'."""
        return "batched"

    def initial(self) -> Walkers:
        """The start, n = 1."""
        return Walkers(self._start[None].copy())

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x) of configurations (n, D), shape (n,), differentiable."""
        raise NotImplementedError

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, D), of configurations (n, D); here by autograd."""
        t = torch.tensor(np.array(x, dtype=np.float64), requires_grad=True)
        with torch.enable_grad():
            u = self.torch_energy(t)
            (g,) = torch.autograd.grad(u.sum(), t)
        return u.detach().numpy().astype(np.float64), g.numpy().astype(np.float64)

    def value(self, x: Array) -> Array:
        """U, shape (n,), of configurations (n, D)."""
        with torch.no_grad():
            u = self.torch_energy(torch.tensor(np.array(x, dtype=np.float64)))
        return u.numpy().astype(np.float64)

    def energy(self, walkers: Walkers) -> Array:
        """U(x), shape (n,); NaN or inf where it cannot be evaluated."""
        with np.errstate(all="ignore"):
            return self.value(walkers.positions)

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        """U(x), shape (n,), and −∇U(x), shape (n, D)."""
        with np.errstate(all="ignore"):
            u, g = self.value_and_gradient(walkers.positions)
            return u, -g


class DoubleWell(TorchSystem):
    """The asymmetric double well U = −9x² + x³ + 4.5x⁴ + 3y².

    The minima lie at x = −1.087 (the deeper) and x = 0.920, the barrier at x = 0.

    Parameters
    ----------
    kT : float
        Thermal energy, default 1.
    start : {'left', 'right'}
        The minimum a campaign starts in.
    """

    bounds = ((-3.0, 3.0), (-5.0, 5.0))
    """Box outside of which the density at kT = 1 is below 1e-30."""

    def __init__(self, kT: float = 1.0, start: Literal["left", "right"] = "left") -> None:
        root = np.sqrt(9.0 + 4 * 18.0 * 18.0)
        x = (-3.0 - root) / 36.0 if start == "left" else (-3.0 + root) / 36.0
        super().__init__(np.array([x, 0.0]), kT)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        a, b = x[:, 0], x[:, 1]
        return -9 * a**2 + a**3 + 4.5 * a**4 + 3 * b**2

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        a, b = x[:, 0], x[:, 1]
        return np.asarray(a * a * (a * (1.0 + 4.5 * a) - 9.0) + 3.0 * b * b)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, 2)."""
        a, b = x[:, 0], x[:, 1]
        g = np.empty_like(x, dtype=np.float64)
        g[:, 0] = a * (a * (3.0 + 18.0 * a) - 18.0)
        g[:, 1] = 6.0 * b
        return self.value(x), g


class MuellerBrown(TorchSystem):
    """The Müller–Brown surface, U = Σ A_k exp(a_k Δx² + b_k ΔxΔy + c_k Δy²).

    Parameters from K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979).

    Parameters
    ----------
    kT : float
        Thermal energy, default 15 in the surface's own unit.
    start : array_like, shape (2,)
        Default the deepest minimum, (−0.558, 1.442).
    """

    bounds = ((-2.5, 2.0), (-1.5, 3.0))
    """Box outside of which the density at kT = 15 is below 1e-12 of its maximum."""

    _A = np.array([-200.0, -100.0, -170.0, 15.0])
    _a = np.array([-1.0, -1.0, -6.5, 0.7])
    _b = np.array([0.0, 0.0, 11.0, 0.6])
    _c = np.array([-10.0, -10.0, -6.5, 0.7])
    _x = np.array([1.0, 0.0, -0.5, -1.0])
    _y = np.array([0.0, 0.5, 1.5, 1.0])

    def __init__(
        self, kT: float = 15.0, start: tuple[float, float] = (-0.558224, 1.441726)
    ) -> None:
        super().__init__(np.array(start, dtype=np.float64), kT)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        A, a, b, c, x0, y0 = (
            torch.as_tensor(v) for v in (self._A, self._a, self._b, self._c, self._x, self._y)
        )
        dx, dy = x[:, :1] - x0, x[:, 1:2] - y0
        return (A * torch.exp(a * dx**2 + b * dx * dy + c * dy**2)).sum(-1)

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        dx, dy = x[:, :1] - self._x, x[:, 1:2] - self._y
        terms = self._A * np.exp(self._a * dx * dx + self._b * dx * dy + self._c * dy * dy)
        return np.asarray(terms.sum(-1))

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, 2)."""
        dx, dy = x[:, :1] - self._x, x[:, 1:2] - self._y
        terms = self._A * np.exp(self._a * dx * dx + self._b * dx * dy + self._c * dy * dy)
        g = np.empty_like(x, dtype=np.float64)
        g[:, 0] = (terms * (2 * self._a * dx + self._b * dy)).sum(-1)
        g[:, 1] = (terms * (self._b * dx + 2 * self._c * dy)).sum(-1)
        return np.asarray(terms.sum(-1)), g
