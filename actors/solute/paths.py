"""Paths of a solute through its solvent: where it is taken, and how the rest is propagated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.solute import Driven
from msgen.systems.base import Array, System, Walkers
from msgen.systems.pause import pause

REFRESH = 10
"""Steps between two refreshments of the solvent's velocities."""


@dataclass(frozen=True)
class Route:
    """How long a path is and how it is run; the same for a path and its reverse.

    Attributes
    ----------
    steps : int
        K, Verlet steps, rounded up to a multiple of `REFRESH`; 0 is no path: the solvent stays
        where it is.
    dt : float
    friction : float
        Of the Ornstein–Uhlenbeck refreshments, in 1/time.
    smooth : float
        1 starts and stops the solute at rest, 0 moves it at one speed, which dissipates less.
    """

    steps: int
    dt: float
    friction: float
    smooth: float = 0.0

    @property
    def legs(self) -> int:
        """Stretches of `REFRESH` steps between two refreshments."""
        return -(-self.steps // REFRESH)

    @property
    def damping(self) -> float:
        """c of v ← c v + √(1−c²) ξ."""
        return float(np.exp(-self.friction * REFRESH * self.dt))

    @property
    def forces(self) -> int:
        """Evaluations of one path."""
        return self.legs * REFRESH + 1 if self.steps else 2

    def stops(self, start: Array, stop: Array) -> Array:
        """Where the solute stands after each leg, shape (…) → (legs + 1, …).

        On the straight line between the two, at fractions that are odd about its middle, so that it
        reads the same backwards. What the solute's own forces are on the way has no part in the
        work but at the ends: its atoms may pass through each other.
        """
        s = np.arange(self.legs + 1) / max(1, self.legs)
        done = s - self.smooth * np.sin(2.0 * np.pi * s) / (2.0 * np.pi)
        return np.asarray(start + np.multiply.outer(done, stop - start))


class ArrayDriver:
    """Velocity Verlet of analytic and Python potentials, all walkers at once.

    Parameters
    ----------
    system : System
        In three dimensions: a configuration is (x₁, y₁, z₁, x₂ …).
    atoms : int array, shape (M,)
    route : Route
    """

    def __init__(self, system: System, atoms: NDArray[np.intp], route: Route) -> None:
        self.system, self.atoms, self.route = system, atoms, route
        mass = system.masses.reshape(-1, 3).copy()
        mass[atoms] = np.inf
        self._inverse = 1.0 / mass
        self._spread = np.sqrt(system.kT * self._inverse)
        self._mass = np.where(np.isinf(mass), 0.0, mass)

    def _forces(self, x: Array) -> tuple[Array, Array]:
        pause()
        energy, force = self.system.energy_and_force(Walkers(x.reshape(len(x), -1)))
        return energy / self.system.kT, force.reshape(x.shape)

    def _kinetic(self, v: Array) -> Array:
        return np.asarray(0.5 * np.einsum("nai,ai->n", v * v, self._mass) / self.system.kT)

    def drive(self, walkers: Walkers, stop: Array, rng: np.random.Generator) -> Driven:
        """See `Driver`; w = ΔH/kT − heat of the refreshments."""
        x = walkers.positions.reshape(len(walkers), -1, 3).copy()
        dt, damping = self.route.dt, self.route.damping
        stops = self.route.stops(x[:, self.atoms], stop)
        with np.errstate(all="ignore"):
            energy, force = self._forces(x)
            v = rng.standard_normal(x.shape) * self._spread
            work = -(energy + self._kinetic(v))
            for leg in range(self.route.legs):
                if leg and damping < 1.0:
                    heat = -self._kinetic(v)
                    noise = rng.standard_normal(x.shape) * self._spread
                    v = damping * v + np.sqrt(1.0 - damping**2) * noise
                    work -= heat + self._kinetic(v)
                for k in range(1, REFRESH + 1):
                    v = v + 0.5 * dt * force * self._inverse
                    x = x + dt * v
                    x[:, self.atoms] = stops[leg] + (stops[leg + 1] - stops[leg]) * (k / REFRESH)
                    energy, force = self._forces(x)
                    v = v + 0.5 * dt * force * self._inverse
            if not self.route.steps:
                x[:, self.atoms] = stop
                energy, _ = self._forces(x)
            work = work + energy + self._kinetic(v)
        ends = x.reshape(len(x), -1)
        lost = ~(np.isfinite(work) & np.isfinite(ends).all(axis=1))
        ends[lost], work[lost] = walkers.positions[lost], np.inf
        return Driven(Walkers(ends, None, walkers.box), work, len(x) * self.route.forces)
