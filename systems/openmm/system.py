"""Molecules through OpenMM."""

from __future__ import annotations

from copy import copy
from typing import Any, Literal

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.constants import GAS_CONSTANT
from msgen.systems.cvs.openmm_forces import NO_FORM, add_restraints, can_express
from msgen.systems.errors import SpecError
from msgen.systems.external_field import field_felt
from msgen.systems.openmm.constraints import RigidBonds
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.ghmc import Ghmc
from msgen.systems.openmm.integrators import CONSTRAINT_TOLERANCE, middle
from msgen.systems.openmm.own_names import check_names
from msgen.systems.openmm.platforms import (
    PlatformChoice,
    check_platform,
    choose_platform,
    first_context,
    make_context,
    microseconds_a_step,
)
from msgen.systems.openmm.structure import Molecule
from msgen.systems.pause import Pause, pause

Purpose = Literal["langevin", "leapfrog", "ghmc"]


class OpenMMSystem:
    """A molecular system at constant temperature, and at constant volume or pressure.

    Parameters
    ----------
    molecule : Molecule
    temperature : float
        K.
    timestep : float
        ps.
    friction : float
        1/ps.
    platform : str
        'auto' measures; any other is an OpenMM platform's name.
    minimize : bool
        Whether to minimise the start's energy.
    pressure : float, optional
        kJ/(mol nm³): walkers' boxes change. By default they do not.

    Attributes
    ----------
    topology, openmm_topology : mdtraj.Topology, openmm.app.Topology
    openmm_system : openmm.System
    temperature, timestep, friction : float
    pressure : float or None
    free : bool array, shape (N, 3), or None
        Degrees of freedom that ever move; None for all.
    has_sites : bool
        Whether some particles are virtual sites, which stand where the others put them.
    platform_name : str
    platform_choice : PlatformChoice or None
        What was measured, where it was.
    """

    def __init__(
        self,
        molecule: Molecule,
        temperature: float,
        timestep: float,
        friction: float,
        platform: str = "auto",
        minimize: bool = False,
        pressure: float | None = None,
    ) -> None:
        self.pressure = pressure
        self.topology = molecule.topology
        self.openmm_topology = molecule.openmm_topology
        self.openmm_system = molecule.system
        self.temperature = temperature
        self.timestep = timestep
        self.friction = friction
        self.free, self._origin = molecule.free, molecule.origin
        self._box = molecule.box
        particles = range(molecule.system.getNumParticles())
        self._atom_masses = np.array([molecule.system.getParticleMass(i)._value for i in particles])
        self.has_sites = any(molecule.system.isVirtualSite(i) for i in particles)
        self._contexts: dict[tuple[Any, ...], OpenMMContext] = {}
        self.pause = Pause()
        self._given, self._minimize = molecule.positions, minimize
        self.platform_choice: PlatformChoice | None = None
        self._measured: PlatformChoice | None = None
        self._speeds: dict[str, float] = {}
        if platform == "auto":
            self.platform_choice = self.fastest_platform()
            platform = self.platform_choice.name
        self.platform_name = check_platform(platform)
        self._begin()

    def _begin(self) -> None:
        """A context for single points, and the start, on the platform as it is now."""
        self._plain = first_context(
            self.openmm_system, self.timestep, self.platform_name, self._origin
        )
        check_names(self.openmm_system, self._plain.getParameters(), self._origin)
        self._start = self._prepare(self._given, self._minimize)
        # without a box a molecule that drifts away is brought back, where that changes nothing
        self._movable = self._box is None and not field_felt(self, turned=False)

    def on(self, platform: str) -> OpenMMSystem:
        """This system on another platform; the molecule is not built again.

        Raises
        ------
        SpecError
            If this installation has no such platform.
        """
        name = check_platform(platform)
        if name == self.platform_name:
            return self
        other = copy(self)
        other.platform_name, other._contexts = name, {}
        other._begin()
        return other

    def fastest_platform(self) -> PlatformChoice:
        """What a short measurement on every platform found, once; see `choose_platform`."""
        if self._measured is None:
            self._measured = choose_platform(
                self.openmm_system, self._given, self._box, self.timestep, self._origin
            )
        return self._measured

    def speed(self, platform: str, seconds: float = 0.15) -> float:
        """What a step takes on a platform, in microseconds, in a short measurement, made once."""
        if platform not in self._speeds:
            self._speeds[platform] = microseconds_a_step(
                self.openmm_system, self._given, self._box, self.timestep, platform, seconds
            )
        return self._speeds[platform]

    def _prepare(self, positions: Array, minimize: bool) -> Walkers:
        """The start, on its constraints."""
        if self._box is not None:
            self._plain.setPeriodicBoxVectors(*self._box.tolist())
        self._plain.setPositions(np.ascontiguousarray(positions))
        if minimize:
            mm.LocalEnergyMinimizer.minimize(self._plain)
        self._plain.applyConstraints(1e-8)
        self._plain.computeVirtualSites()
        state = self._plain.getState(positions=True)
        x = np.array(state.getPositions(asNumpy=True)._value, dtype=np.float64)
        return Walkers(x.reshape(1, -1), None, None if self._box is None else self._box[None])

    @property
    def n_dof(self) -> int:
        """Three times the number of atoms."""
        return 3 * int(self._atom_masses.size)

    @property
    def kT(self) -> float:
        """Thermal energy, kJ/mol."""
        return GAS_CONSTANT * self.temperature

    @property
    def masses(self) -> Array:
        """Mass of every degree of freedom, shape (3N,), g/mol; 0 where there is no velocity.

        That is so of virtual sites and of what is not `free`.
        """
        mass = np.repeat(self._atom_masses, 3)
        return mass if self.free is None else np.where(self.free.reshape(-1), mass, 0.0)

    @property
    def movable(self) -> NDArray[np.bool_]:
        """Which coordinates ever change, shape (3N,): those with a mass, and virtual sites."""
        moving = self.masses > 0
        if self.has_sites:
            sites = [self.openmm_system.isVirtualSite(i) for i in range(self._atom_masses.size)]
            moving |= np.repeat(sites, 3)
        return np.asarray(moving)

    @property
    def deterministic(self) -> bool:
        """Only OpenMM's Reference platform repeats its arithmetic bit for bit.

        Noise follows from the order on all of them, see `RandomStream`.
        """
        return bool(self.platform_name == "Reference")

    @property
    def constraints(self) -> RigidBonds:
        """Those of the OpenMM System."""
        return RigidBonds.of(self.openmm_system, self.masses[::3])

    @property
    def engine(self) -> str:
        """'openmm'."""
        return "openmm"

    def initial(self) -> Walkers:
        """The start structure, n = 1, without velocities."""
        return self._start

    def _evaluate(self, walkers: Walkers, forces: bool) -> tuple[Array, Array]:
        n = len(walkers)
        u, f = np.full(n, np.nan), np.full((n, self.n_dof), np.nan)
        for i in range(n):
            pause()
            x = np.ascontiguousarray(walkers.positions[i].reshape(-1, 3))
            if not np.isfinite(x).all():
                continue
            if walkers.box is not None:
                self._plain.setPeriodicBoxVectors(*walkers.box[i].tolist())
            self._plain.setPositions(x)
            if self.has_sites:
                self._plain.computeVirtualSites()
            try:
                state = self._plain.getState(energy=True, forces=forces)
            except mm.OpenMMException:
                continue
            u[i] = state.getPotentialEnergy()._value
            if forces:
                f[i] = state.getForces(asNumpy=True)._value.reshape(-1)
        return u, f

    def energy(self, walkers: Walkers) -> Array:
        """U(x), shape (n,), kJ/mol; NaN or inf where it cannot be evaluated."""
        return self._evaluate(walkers, False)[0]

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        """U(x), shape (n,), kJ/mol, and −∇U(x), shape (n, 3N), kJ/(mol nm)."""
        return self._evaluate(walkers, True)

    def context(
        self,
        restrained: bool,
        cvs: CVSet,
        *,
        friction: float | None = None,
        purpose: Purpose = "langevin",
        timestep: float | None = None,
    ) -> OpenMMContext:
        """A Context for these CVs, made once and kept.

        Parameters
        ----------
        restrained : bool
            Whether to add the restraints of `cvs`, with λ and κ to be set.
        cvs : CVSet
        friction, timestep : float, optional
            The system's own by default.
        purpose : {'langevin', 'leapfrog', 'ghmc'}
            LFMiddle Langevin; OpenMM's own leapfrog Verlet, whose velocities stand half a step
            before the positions; Metropolised GHMC.

        Raises
        ------
        SpecError
            If a CV that is to be restrained has no OpenMM form.
        """
        gamma = self.friction if friction is None else float(friction)
        dt = self.timestep if timestep is None else float(timestep)
        key = (restrained, gamma, dt, purpose, cvs.cvs)
        if key in self._contexts:
            return self._contexts[key]
        # the copy lives as long as its Context does
        system = mm.XmlSerializer.clone(self.openmm_system)
        if restrained:
            for cv in cvs.cvs:
                if not can_express(cv):
                    raise SpecError(("cvs", cv.name), type(cv).__name__, *NO_FORM)
            add_restraints(system, cvs, self.kT)
        if purpose == "leapfrog":
            integrator = mm.VerletIntegrator(dt)
            integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
        else:
            integrator = self.thermostat(purpose, gamma, dt)
        made = self._contexts[key] = self.context_of(system, integrator, cvs, restrained)
        return made

    def thermostat(self, kind: Literal["langevin", "ghmc"], friction: float, dt: float) -> Any:
        """An integrator that samples at the system's temperature; see `context`."""
        if kind == "ghmc":
            constrained = self.openmm_system.getNumConstraints() > 0
            return Ghmc(self.kT, friction, dt, constrained, self.has_sites, self.free)
        if self.free is not None:
            return middle(self.kT, friction, dt, self.free)
        return mm.LangevinMiddleIntegrator(self.temperature, friction, dt)

    def context_of(
        self, system: Any, integrator: Any, cvs: CVSet, restrained: bool = False
    ) -> OpenMMContext:
        """A Context of any OpenMM System of these atoms, at the start."""
        made = OpenMMContext(
            make_context(system, integrator, self.platform_name),
            integrator,
            cvs,
            self.kT,
            self._atom_masses,
            restrained,
            self._movable,
            self.free,
            self.pause,
        )
        made.load(self._start)
        made.stream.verify()
        return made
