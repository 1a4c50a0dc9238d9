"""One OpenMM Context, driven fast: load a walker, steer, step, read CVs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.cvs.single_frame import single_evaluator
from msgen.systems.external_field import counts
from msgen.systems.openmm.ghmc import Ghmc
from msgen.systems.openmm.integrators import CONSTRAINT_TOLERANCE
from msgen.systems.openmm.own_names import centre, stiffness
from msgen.systems.openmm.seeds import RandomStream
from msgen.systems.pause import Pause, pause

_POSITIONS = mm.State.Positions
_VELOCITIES = mm.State.Velocities
_MAX_DISTANCE = 2.0
"""nm; a free molecule that has drifted further from the origin than this is brought back."""

_FARTHEST = 1e6
"""nm; what is further away than a millimetre has blown up, finite as it may be."""
_VIOLATION = 1e-3
"""Relative; a constraint that is off by more was given up by the solver."""


class OpenMMContext:
    """A Context of one purpose, kept for as long as its system.

    A path that blows up marks the engine `failed`: it stops stepping, its CVs, energies and
    positions become NaN, and the next `load` clears it. No method raises for it.

    Parameters
    ----------
    context, integrator : openmm objects
    cvs : CVSet
    kT : float
        kJ/mol.
    masses : Array, shape (N,)
    restrained : bool
        Whether the System has the restraint forces of `cvs`.
    recentre : bool
        Whether nothing changes if the system is moved as a whole.
    free : bool array, shape (N, 3), optional
        Degrees of freedom that have velocities; all by default.
    pause : Pause, optional
        Looked into between native calls.
    """

    def __init__(
        self,
        context: Any,
        integrator: Any,
        cvs: CVSet,
        kT: float,
        masses: Array,
        restrained: bool,
        recentre: bool,
        free: NDArray[np.bool_] | None = None,
        pause: Pause | None = None,
    ) -> None:
        self.context = context
        self.integrator = integrator
        self.cv_set = cvs
        self.restrained = restrained
        self.failed = False
        self.pause = pause or Pause()
        self._kT = kT
        self._recentre = recentre
        self._has_box = False
        n = masses.size
        # massless particles are virtual sites: they have no velocity of their own
        inverse = np.divide(1.0, masses, out=np.zeros(n), where=masses > 0)
        self._sigma_v = np.sqrt(kT * inverse)[:, None]
        if free is not None:
            self._sigma_v = self._sigma_v * free
        self._kinetic_weight = masses
        self._x = np.full((n, 3), np.nan)
        system = context.getSystem()
        bonds = [system.getConstraintParameters(k) for k in range(system.getNumConstraints())]
        self._pairs = np.array([b[:2] for b in bonds], dtype=np.intp).reshape(-1, 2)
        self._lengths = np.array([b[2]._value for b in bonds], dtype=np.float64)
        self._sites = any(system.isVirtualSite(k) for k in range(n))
        self._evaluate: Callable[[Array], list[float]] = single_evaluator(cvs)
        self._lambda = np.zeros(len(cvs))
        self._lambda_names = [centre(k) for k in range(len(cvs))]
        self.stream = RandomStream(context, integrator)

    def reseed(self, seed: int) -> None:
        """Start the random stream anew, see `RandomStream`; before `load`."""
        self.stream.begin(seed)

    def noise(self) -> NDArray[np.uint8] | None:
        """The random stream as it stands, where a checkpoint has it: on Reference."""
        if self.context.getPlatform().getName() != "Reference":
            return None
        return np.frombuffer(self.context.createCheckpoint(), dtype=np.uint8)

    def set_noise(self, noise: NDArray[np.uint8] | None, otherwise: NDArray[np.uint64]) -> None:
        """Go on with a stream; where there is none, with another that `otherwise` seeds.

        What else the Context holds is what it held then.
        """
        if noise is not None and self.noise() is not None:
            self.context.loadCheckpoint(noise.tobytes())
        else:
            self.reseed(int(np.random.SeedSequence(otherwise.tolist()).generate_state(1)[0]))

    def _read(self, what: int, out: Array | None = None) -> Array:
        state = mm.Context.getState(self.context, **{_KEYS[what]: True})
        out = np.empty_like(self._x) if out is None else out
        # what getPositions(asNumpy=True) does, without the units that cost four times as much
        state._getVectorAsNumpy(what, out)
        return out

    def load(self, walkers: Walkers, i: int = 0) -> None:
        """Put walker `i` in: positions, box, and velocities where it has them."""
        x = np.ascontiguousarray(walkers.positions[i].reshape(-1, 3), dtype=np.float64)
        self.failed = not bool(np.isfinite(x).all())
        if self.failed:
            return
        self._has_box = walkers.box is not None
        if walkers.box is not None:
            self.context.setPeriodicBoxVectors(*walkers.box[i].tolist())
        self.place(x)
        if walkers.velocities is not None:
            v = walkers.velocities[i].reshape(-1, 3)
            self.failed = not bool(np.isfinite(v).all())
            if not self.failed:
                self.context.setVelocities(np.ascontiguousarray(v, dtype=np.float64))

    def place(self, x: Array) -> None:
        """Put positions (N, 3) in, and virtual sites, which OpenMM takes as they are, in place."""
        self.context.setPositions(x)
        if self._sites:
            self.context.computeVirtualSites()

    def put(self, x: Array, box: Array) -> None:
        """Positions (N, 3) and box (3, 3) as another move left them; velocities stay."""
        self.context.setPeriodicBoxVectors(*box.tolist())
        self.place(x)

    def energy_in(self, x: Array, box: Array) -> float:
        """U of all forces at x (N, 3) in a box (3, 3), kJ/mol; NaN where there is none.

        The Context is left there.
        """
        pause()
        try:
            self.put(x, box)
            return float(self.context.getState(energy=True).getPotentialEnergy()._value)
        except mm.OpenMMException:  # a cutoff of more than half the box is one
            return math.nan

    def positions(self) -> Array:
        """Positions as they stand, shape (N, 3); NaN after a failure."""
        return np.full_like(self._x, np.nan) if self.failed else self._read(_POSITIONS)

    def velocities(self) -> Array:
        """Velocities as they stand, shape (N, 3)."""
        return np.full_like(self._x, np.nan) if self.failed else self._read(_VELOCITIES)

    def _intact(self) -> bool:
        """Whether the configuration is finite and on its constraints."""
        x = self.positions()
        if not np.isfinite(x).all():
            return False
        i, j = self._pairs.T
        d = x[i] - x[j]
        length = np.sqrt((d * d).sum(1))
        return bool((np.abs(length - self._lengths) <= _VIOLATION * self._lengths).all())

    def store(self) -> tuple[Array, Array, Array | None]:
        """Positions (3N,), velocities (3N,) and box (3, 3) or None, to make a walker of.

        A free molecule without a box that has drifted away is moved back to the origin. What is
        not finite or has left its constraints is a failure.
        """
        if not self._intact():
            self.failed = True
        x, v = self.positions(), self.velocities()
        if self._recentre and not self.failed and not self._has_box:
            x = self._brought_back(x)
        box = None
        if self._has_box:
            vectors = self.context.getState().getPeriodicBoxVectors(asNumpy=True)
            box = np.array(vectors._value, dtype=np.float64)
        return x.reshape(-1), v.reshape(-1), box

    def _brought_back(self, x: Array) -> Array:
        """Positions (N, 3) about the origin, where they are far from it and the energy agrees.

        A wall that nothing feels at the start may be felt where the molecule has drifted to.
        """
        centre = x.mean(0)
        if np.abs(centre).max() <= _MAX_DISTANCE:
            return x
        energies = []
        for place in (x - centre, x):  # the Context is left as it was
            self.place(place)
            energies.append(float(self.context.getState(energy=True).getPotentialEnergy()._value))
        there, here = energies
        moved = math.isfinite(there - here) and not counts(there - here, here, self._kT)
        return x - centre if moved else x

    def set_kappa(self, kappa: Array) -> None:
        """The restraints' stiffness κ, shape (C,), in 1/unit²."""
        for k, value in enumerate(np.asarray(kappa, dtype=np.float64).tolist()):
            self.context.setParameter(stiffness(k), value)

    def set_lambda(self, lam: Array) -> None:
        """The restraints' centres λ, shape (C,)."""
        self._lambda = np.array(lam, dtype=np.float64)
        for name, value in zip(self._lambda_names, self._lambda.tolist(), strict=True):
            self.context.setParameter(name, value)

    def step(self, n: int) -> None:
        """Take n steps; a failure of the integrator marks the engine `failed`.

        Raises
        ------
        RuntimeError
            If there is noise, and `reseed` was never called.
        """
        if self.failed or n <= 0:
            return
        if self.stream.waiting:
            self.stream.renew()
        try:
            self.pause.steps(*self._in_pieces(n))
        except mm.OpenMMException:
            self.failed = True

    def _in_pieces(self, n: int) -> tuple[Callable[[int], None], int]:
        if isinstance(self.integrator, Ghmc):
            return self.integrator.in_pieces(n)
        return self.integrator.step, n

    def cvs(self) -> Array:
        """ξ of the configuration, shape (C,); NaN, and `failed`, where it has blown up."""
        if self.failed:
            return np.full(len(self._lambda), np.nan)
        x = self._read(_POSITIONS, self._x)
        xi = self._evaluate(x)
        if _blown_up(x, xi):
            self.failed = True
            return np.full(len(self._lambda), np.nan)
        return np.array(xi)

    def look(self) -> tuple[Array, Array, Any]:
        """ξ, positions (N, 3) and OpenMM's State with the velocities, in one reading.

        ξ is NaN, and the engine `failed`, where it has blown up.
        """
        if not self.failed:
            state = mm.Context.getState(self.context, positions=True, velocities=True)
            x = np.empty_like(self._x)
            state._getVectorAsNumpy(_POSITIONS, x)
            xi = self._evaluate(x)
            self.failed = _blown_up(x, xi)
        if self.failed:
            return np.full(len(self._lambda), np.nan), np.full_like(self._x, np.nan), None
        return np.array(xi), x, state

    def energy_and_force_at(self, x: Array) -> tuple[float, Array]:
        """U in kJ/mol and −∇U, shape (N, 3), at x; NaN where they cannot be evaluated."""
        force = np.full_like(self._x, np.nan)
        return self.evaluate_into(x, force, True), force

    def evaluate_into(self, x: Array, force: Array, energy: bool) -> float:
        """U at x in kJ/mol if `energy`, else 0; −∇U is written to `force`; both shape (N, 3).

        NaN, and `force` left as it is, where they cannot be evaluated.
        """
        pause()
        # NaN in any number is NaN in the sum of squares, at a tenth of the price
        if not math.isfinite(np.vdot(x, x)):
            return math.nan
        self.place(x)
        try:
            state = mm.Context.getState(self.context, forces=True, energy=energy)
        except mm.OpenMMException:
            return math.nan
        state._getVectorAsNumpy(mm.State.Forces, force)
        return float(state.getPotentialEnergy()._value) if energy else 0.0

    def potential_energy(self) -> float:
        """U of all forces, restraints included, kJ/mol; NaN after a failure."""
        if self.failed:
            return float("nan")
        try:
            return float(self.context.getState(energy=True).getPotentialEnergy()._value)
        except mm.OpenMMException:
            self.failed = True
            return float("nan")

    def kinetic_energy(self, v: Array | None = None) -> float:
        """Σ m v²/2 of velocities (N, 3), by default as they stand, kJ/mol; NaN after a failure.

        Of a Langevin (LFMiddle) engine these belong to half a step before the positions.
        """
        v = self.velocities() if v is None else v
        return float(0.5 * np.dot(self._kinetic_weight, np.einsum("nd,nd->n", v, v)))

    def draw_velocities(self, rng: np.random.Generator) -> None:
        """Put in Maxwell–Boltzmann velocities; see `drawn_velocities`."""
        v = self.drawn_velocities(rng)
        if not self.failed:
            self.context.setVelocities(v)

    def drawn_velocities(self, rng: np.random.Generator) -> Array:
        """Maxwell–Boltzmann velocities, projected on the constraints, shape (N, 3).

        The projection is orthogonal in the mass metric, so the projected draw has exactly the
        constrained Maxwell–Boltzmann distribution.
        """
        return self.projected(rng.standard_normal(self._x.shape) * self._sigma_v)

    def projected(self, v: Array) -> Array:
        """Velocities (N, 3) without what the constraints at the positions forbid.

        With constraints it leaves them in the Context; NaN, and `failed`, where they do not
        converge.
        """
        if not len(self._pairs) or self.failed:
            return v
        self.context.setVelocities(np.ascontiguousarray(v))
        try:
            self.context.applyVelocityConstraints(CONSTRAINT_TOLERANCE)
        except mm.OpenMMException:
            self.failed = True
        return self.velocities()

    def forces(self) -> Array:
        """−∇U of all forces as the walker stands, kJ/(mol nm), shape (N, 3)."""
        return self.energy_and_forces(False)[1]

    def energy_and_forces(self, energy: bool = True) -> tuple[float, Array]:
        """U of all forces as the walker stands, kJ/mol if `energy`, else 0, and `forces`."""
        out = np.empty_like(self._x)
        state = mm.Context.getState(self.context, forces=True, energy=energy)
        state._getVectorAsNumpy(mm.State.Forces, out)
        return (float(state.getPotentialEnergy()._value) if energy else 0.0), out

    def metropolis_counts(self) -> dict[str, int]:
        """Of a GHMC engine, since the last call: n_tried, n_accepted, n_nonfinite; see `Ghmc`."""
        counts = {}
        for name in ("n_tried", "n_accepted", "n_nonfinite"):
            counts[name] = round(self.integrator.getGlobalVariableByName(name))
            self.integrator.setGlobalVariableByName(name, 0)
        return counts


_KEYS = {_POSITIONS: "positions", _VELOCITIES: "velocities"}


def _blown_up(x: Array, xi: list[float]) -> bool:
    """Whether a configuration, or a CV of it, is not finite or is nowhere near."""
    return not all(map(math.isfinite, xi)) or not np.abs(x).max() <= _FARTHEST
