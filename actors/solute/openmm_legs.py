"""A solute driven through its solvent by OpenMM, which takes all steps of a leg by itself."""

from __future__ import annotations

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.actors.kernels.solute import Driven
from msgen.actors.solute.paths import REFRESH, Route
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.errors import SpecError
from msgen.systems.openmm.integrators import CONSTRAINT_TOLERANCE
from msgen.systems.openmm.system import OpenMMSystem

HEAVY = 1e30
"""Mass of the solute's atoms on a path: no force changes the velocity that they are given, so that
OpenMM moves them along straight lines with no call from Python at each step."""


class MoleculeDriver:
    """Leapfrog Verlet of OpenMM, one walker after another.

    Leapfrog's velocities stand half a kick before its positions; half a kick is added wherever they
    are looked at, which makes it velocity Verlet: a map that preserves volume and reads the same
    backwards.

    Parameters
    ----------
    system : OpenMMSystem
    cvs : CVSet
    atoms : int array, shape (M,)
    route : Route

    Raises
    ------
    SpecError
        See `check_free`.
    """

    def __init__(
        self, system: OpenMMSystem, cvs: CVSet, atoms: NDArray[np.intp], route: Route
    ) -> None:
        self.system, self.atoms, self.route = system, atoms, route
        check_free(system, atoms)
        copy = mm.XmlSerializer.clone(system.openmm_system)
        mass = system.masses.reshape(-1, 3).copy()
        for i in atoms.tolist():
            copy.setParticleMass(i, HEAVY)
        for k in reversed(range(copy.getNumForces())):
            if isinstance(copy.getForce(k), mm.CMMotionRemover):
                copy.removeForce(k)
        integrator = mm.VerletIntegrator(route.dt)
        integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
        self._path = system.context_of(copy, integrator, cvs)
        self._constrained = copy.getNumConstraints() > 0
        mass[atoms] = 0.0
        self._mass = mass
        self._inverse = np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)
        self._spread = np.sqrt(system.kT * self._inverse)

    def drive(self, walkers: Walkers, stop: Array, rng: np.random.Generator) -> Driven:
        """See `Driver`; w = ΔH/kT − heat of the refreshments."""
        x = np.array(walkers.positions, dtype=np.float64)
        work = np.full(len(x), np.inf)
        for i in range(len(x)):
            self._path.load(walkers.take([i]))
            try:
                w = self._one(x[i].reshape(-1, 3), stop[i], rng)
            except mm.OpenMMException:
                continue  # a broken path is infinite work
            end = self._path.store()[0]
            if np.isfinite(w) and np.isfinite(end).all():
                x[i], work[i] = end, w
        # where a leg ends its last force is asked for once more
        forces = self.route.forces + max(0, self.route.legs - 1)
        return Driven(Walkers(x, None, walkers.box), work, len(x) * forces)

    def _one(self, x: Array, stop: Array, rng: np.random.Generator) -> float:
        path, atoms = self._path, self.atoms
        if not self.route.steps:
            before = path.potential_energy()
            new = x.copy()
            new[atoms] = stop
            path.place(new)
            return (path.potential_energy() - before) / self.system.kT
        stops = self.route.stops(x[atoms], stop)
        speeds = np.diff(stops, axis=0) / (REFRESH * self.route.dt)
        half, damping = 0.5 * self.route.dt, self.route.damping
        energy, force = path.energy_and_force_at(x)
        v = self._draw(rng)
        work = -(energy + self._kinetic(v))
        for leg, speed in enumerate(speeds):
            if leg:
                _, force = self._look()
                kick = half * force * self._inverse
                v = self._projected(path.velocities() + kick)
                if damping < 1.0:
                    work += self._kinetic(v)
                    v = damping * v + np.sqrt(1.0 - damping**2) * self._draw(rng)
                    work -= self._kinetic(v)
            v = v - half * force * self._inverse
            v[atoms] = speed
            path.context.setVelocities(v)
            path.step(REFRESH)
        energy, force = self._look()
        v = self._projected(path.velocities() + half * force * self._inverse)
        return (work + energy + self._kinetic(v)) / self.system.kT

    def _look(self) -> tuple[float, Array]:
        """U and forces where the path stands."""
        state = self._path.context.getState(energy=True, forces=True)
        force = np.asarray(state.getForces(asNumpy=True)._value, dtype=np.float64)
        return float(state.getPotentialEnergy()._value), force

    def _kinetic(self, v: Array) -> float:
        return float(0.5 * (self._mass * v * v).sum())

    def _draw(self, rng: np.random.Generator) -> Array:
        """Velocities of the solvent, on its constraints."""
        return self._projected(rng.standard_normal(self._mass.shape) * self._spread)

    def _projected(self, v: Array) -> Array:
        """The solvent's velocities without their constrained part."""
        v[self.atoms] = 0.0
        if not self._constrained:
            return v
        self._path.context.setVelocities(v)
        self._path.context.applyVelocityConstraints(1e-8)
        return self._path.velocities()


def check_free(system: OpenMMSystem, atoms: NDArray[np.intp]) -> None:
    """Whether every coordinate of the atoms may be moved.

    Raises
    ------
    SpecError
        If one of them is constrained or a virtual site.
    """
    model, mine = system.openmm_system, set(atoms.tolist())
    bonds = (model.getConstraintParameters(k)[:2] for k in range(model.getNumConstraints()))
    held = any(i in mine or j in mine for i, j in bonds)
    if held or (system.masses.reshape(-1, 3)[atoms] == 0).any():
        raise SpecError(
            ("strategy", "solute"),
            atoms.tolist(),
            "has constraints or virtual sites, so that its coordinates are not free",
            "Write constraints: None",
        )
