"""Propagation of a molecule at several temperatures, one walker after another in one Context."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.build import molecule
from msgen.actors.context import WorkerContext
from msgen.actors.heated import Reading
from msgen.actors.molecule_engine import TOLERANCE
from msgen.systems.base import Array, Walkers
from msgen.systems.engine import Engine as Stepper

Ints = NDArray[np.int64]


class HeatedMolecule:
    """Meets `Heated` with OpenMM; on a deterministic platform a function of `rng` only.

    Velocities travel with the walkers and are rescaled by √(τ_new/τ_old) at an exchange (Sugita and
    Okamoto, Chem. Phys. Lett. 314, 141, 1999). LFMiddle keeps them half a kick behind the
    positions: it is the velocity that belongs to the positions that is rescaled.

    Parameters
    ----------
    context : WorkerContext
        Of a campaign with langevin or ghmc.
    walkers : Walkers
        Velocities are drawn where there are none.
    tau : Array, shape (n,)
    rng : Generator
    """

    def __init__(
        self, context: WorkerContext, walkers: Walkers, tau: Array, rng: np.random.Generator
    ) -> None:
        self._system, spec = molecule(context), context.setup["strategy"]["local"]
        self._lagging = spec["kind"] == "langevin"
        self._dt = float(spec["timestep"])
        self._stepper: Stepper = self._system.context(
            False, context.cvs, friction=spec["friction"], purpose=spec["kind"], timestep=self._dt
        )
        self._tau, self._rng = tau, rng
        self.evaluations = self.nonfinite = 0
        self.proposed, self.accepted = np.zeros(len(tau)), np.zeros(len(tau))
        masses = self._system.masses.reshape(-1, 3)
        self._inverse = np.divide(1.0, masses, out=np.zeros_like(masses), where=masses > 0)
        self._stepper.reseed(int(rng.integers(2**31 - 2)))
        if not self._lagging:
            self._stepper.metropolis_counts()  # what was counted before is not of this order
        self._walkers = [self._moving(walkers.take([i]), i) for i in range(len(walkers))]

    def _moving(self, one: Walkers, row: int) -> Walkers:
        """The walker with velocities of its row's temperature, if it has none."""
        if one.velocities is not None:
            return one
        self._stepper.load(one)
        self._stepper.draw_velocities(self._rng)
        v = np.sqrt(self._tau[row]) * self._stepper.velocities()
        if self._lagging:
            v = self._constrained(v - 0.5 * self._dt * self._forces() * self._inverse)
        return one.with_positions(one.positions, v.reshape(1, -1))

    def _forces(self) -> Array:
        self.evaluations += 1
        state = self._stepper.context.getState(forces=True)
        return np.asarray(state.getForces(asNumpy=True)._value, dtype=np.float64)

    def _constrained(self, v: Array) -> Array:
        self._stepper.context.setVelocities(np.ascontiguousarray(v))
        self._stepper.context.applyVelocityConstraints(TOLERANCE)
        return self._stepper.velocities()

    def _heat(self, row: int) -> None:
        """The thermostat of a row."""
        integrator, tau = self._stepper.integrator, float(self._tau[row])
        if self._lagging:
            integrator.setTemperature(self._system.temperature * tau)
        else:
            integrator.setGlobalVariableByName("kT", self._system.kT * tau)

    def stretch(self, readings: int, steps: int) -> list[Reading]:
        """See `Heated`; a walker that breaks stays where it was, with new velocities."""
        seen: list[tuple[list[Array], list[float]]] = [([], []) for _ in range(readings)]
        for row in range(len(self._walkers)):
            self._heat(row)
            self._stepper.load(self._walkers[row])
            for xi, energy in seen:
                new, u = self._step(row, steps)
                xi.append(new)
                energy.append(u)
        return [Reading(np.array(xi), np.array(u)) for xi, u in seen]

    def _step(self, row: int, steps: int) -> tuple[Array, float]:
        stepper = self._stepper
        stepper.step(steps)
        xi, x, state = stepper.look()
        u = stepper.potential_energy() / self._system.kT
        self.evaluations += steps + 1
        if stepper.failed or not np.isfinite(u):
            self.nonfinite += 1
            before = self._walkers[row]
            self._walkers[row] = self._moving(Walkers(before.positions, None, before.box), row)
            stepper.load(self._walkers[row])
            xi, u = stepper.cvs(), stepper.potential_energy() / self._system.kT
            self.evaluations += 1
        else:
            v = np.array(state.getVelocities(asNumpy=True)._value, dtype=np.float64)
            box = self._walkers[row].box
            self._walkers[row] = Walkers(x.reshape(1, -1), v.reshape(1, -1), box)
        if not self._lagging:
            counts = stepper.metropolis_counts()
            self.proposed[row] += counts["n_tried"]
            self.accepted[row] += counts["n_accepted"]
            self.nonfinite += counts["n_nonfinite"]
        return xi, u

    def exchange(self, order: Ints) -> None:
        """See `Heated`."""
        before = self._walkers
        self._walkers = [
            before[old] if old == row else self._rescaled(before[old], old, row)
            for row, old in enumerate(order.tolist())
        ]

    def _rescaled(self, one: Walkers, old: int, new: int) -> Walkers:
        assert one.velocities is not None
        scale = float(np.sqrt(self._tau[new] / self._tau[old]))
        v = scale * one.velocities[0].reshape(-1, 3)
        if self._lagging:
            self._stepper.load(one)
            v = v + (scale - 1.0) * 0.5 * self._dt * self._forces() * self._inverse
            v = self._constrained(v)
        return one.with_positions(one.positions, v.reshape(1, -1))

    def walkers(self) -> Walkers:
        """See `Heated`."""
        boxes = [w.box for w in self._walkers if w.box is not None]
        velocities = [w.velocities for w in self._walkers if w.velocities is not None]
        return Walkers(
            np.concatenate([w.positions for w in self._walkers]),
            np.concatenate(velocities),
            np.concatenate(boxes) if boxes else None,
        )
