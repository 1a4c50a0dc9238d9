"""Propagation of a molecule at several temperatures, one walker after another in one Context."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.actors.base import Tree, decode, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.base import LINE_SEARCH, Tally
from msgen.actors.engines.molecule import molecule
from msgen.actors.engines.openmm_barostat import Barostat
from msgen.actors.engines.openmm_velocities import Starter
from msgen.actors.engines.tempered_base import Reading
from msgen.actors.slices import Slices, words_of
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.context import OpenMMContext

Ints = NDArray[np.int64]


class HeatedMolecule:
    """Meets `Heated` with OpenMM; all its noise is a function of `rng`.

    What it does between two readings of a row is a slice of the order, and so is an exchange; see
    `msgen.actors.slices`.

    Velocities travel with the walkers and are rescaled by √(τ_new/τ_old) at an exchange (Sugita and
    Okamoto, Chem. Phys. Lett. 314, 141, 1999).

    Parameters
    ----------
    context : WorkerContext
        Of a campaign with langevin or ghmc.
    walkers : Walkers
        Velocities are drawn where there are none.
    tau : Array, shape (n,)
    rng : Generator
    pressed : bool
        Whether a system with a pressure is kept at it; else at the volume of each walker.
    """

    def __init__(
        self,
        context: WorkerContext,
        walkers: Walkers,
        tau: Array,
        rng: np.random.Generator,
        pressed: bool = False,
    ) -> None:
        self._system, spec = molecule(context), context.setup["strategy"]["local"]
        self._stepper: OpenMMContext = self._system.context(
            False,
            context.cvs,
            friction=spec["friction"],
            purpose=spec["kind"],
            timestep=spec["timestep"],
        )
        self._start = Starter(context, self._stepper, rng)
        self._tau, self._steps, self.nonfinite = tau, 0, 0
        self.proposed, self.accepted = np.zeros(len(tau)), np.zeros(len(tau))
        ones = [walkers.take([i]) for i in range(len(walkers))]
        self._walkers = [self._start.moving(w, t) for w, t in zip(ones, tau.tolist(), strict=True)]
        self._row, self._rng = 0, rng
        keeps = pressed and self._system.pressure is not None
        self._barostat = Barostat(self._system) if keeps else None
        self._moves = Tally()
        self._slices = context.slices or Slices(rng, lambda evaluations: False)
        self._slices.serve(self, lambda: {"evaluations": self.evaluations}, lambda tally: None)

    @property
    def evaluations(self) -> int:
        """See `Heated`."""
        return self._steps + self._start.evaluations + self._moves.evaluations

    def cool(self) -> None:
        """The thermostat back at the system's own temperature: other engines share the Context."""
        self._thermostat(1.0)

    def minimise(self, iterations: int) -> None:
        """At most so many iterations of L-BFGS of every row; one that breaks stays where it was."""
        for row, before in enumerate(self._walkers):
            self._stepper.load(before)
            try:
                mm.LocalEnergyMinimizer.minimize(self._stepper.context, maxIterations=iterations)
            except mm.OpenMMException:
                continue
            x = self._stepper.positions().reshape(1, -1)
            self._steps += round(LINE_SEARCH * iterations)
            if np.isfinite(x).all():
                self._walkers[row] = self._start.moving(
                    Walkers(x, None, before.box), float(self._tau[row])
                )

    def _heat(self, row: int) -> None:
        """The thermostat of a row."""
        self._thermostat(float(self._tau[row]))

    def _thermostat(self, tau: float) -> None:
        integrator = self._stepper.integrator
        if isinstance(integrator, mm.LangevinMiddleIntegrator):
            integrator.setTemperature(self._system.temperature * tau)
        else:
            integrator.setGlobalVariableByName("kT", self._system.kT * tau)

    def stretch(self, readings: int, steps: int) -> list[Reading]:
        """See `Heated`; a walker that breaks stays where it was, with new velocities."""
        seen: list[tuple[list[Array], list[float]]] = [([], []) for _ in range(readings)]
        for row in range(len(self._walkers)):
            self._place(row)
            for xi, energy in seen:
                read = self._slices.call(partial(self._reading, row, steps), _array)
                xi.append(read[:-1])
                energy.append(float(read[-1]))
        return [Reading(np.array(xi), np.array(u)) for xi, u in seen]

    def _place(self, row: int) -> None:
        """Let the Context stand where a row does."""
        self._row = row
        self._heat(row)
        self._stepper.load(self._walkers[row])

    def _reading(self, row: int, steps: int) -> Array:
        """ξ, and the energy after it."""
        xi, u = self._step(row, steps)
        tried, yes, broken = self._start.metropolis()
        self.proposed[row] += tried
        self.accepted[row] += yes
        self.nonfinite += int(broken)
        return np.append(xi, u)

    def _step(self, row: int, steps: int) -> tuple[Array, float]:
        stepper, before = self._stepper, self._walkers[row]
        box = before.box
        if self._barostat is None or box is None:
            stepper.step(steps)
        else:
            tau = float(self._tau[row])
            moved = self._barostat.step(stepper, box[0], steps, self._rng, self._moves, tau)
            box = moved[None]
        xi, x, state = stepper.look()
        u = self._reduced(stepper, box)
        self._steps += steps + 1
        if not stepper.failed and np.isfinite(u):
            v = np.array(state.getVelocities(asNumpy=True)._value, dtype=np.float64)
            self._walkers[row] = Walkers(x.reshape(1, -1), v.reshape(1, -1), box)
            return xi, u
        self.nonfinite += 1
        still = Walkers(before.positions, None, before.box)
        self._walkers[row] = self._start.moving(still, float(self._tau[row]))
        stepper.load(self._walkers[row])
        self._steps += 1
        return stepper.cvs(), self._reduced(stepper, before.box)

    def _reduced(self, stepper: OpenMMContext, box: Array | None) -> float:
        """U/kT, at constant pressure (U + PV)/kT: what exchanges and reweighting compare."""
        u = stepper.potential_energy()
        if self._barostat is not None and box is not None:
            u = self._barostat.enthalpy(u, box[0])
        return u / self._system.kT

    def exchange(self, order: Ints) -> None:
        """See `Heated`."""
        self._slices.call(partial(self._exchange, order), lambda tree: None)

    def _exchange(self, order: Ints) -> None:
        before, tau = self._walkers, self._tau
        self._walkers = [
            before[old]
            if old == row
            else self._start.rescaled(before[old], float(np.sqrt(tau[row] / tau[old])))
            for row, old in enumerate(order.tolist())
        ]

    def walkers(self) -> Walkers:
        """See `Heated`."""
        return self._slices.call(self._together, lambda tree: decode(Walkers, tree))

    def snapshot(self) -> Tree:
        """See `msgen.actors.slices.Machine`."""
        return {
            "row": self._row,
            "walkers": [encode(one) for one in self._walkers],
            "noise": self._stepper.noise(),
            "steps": self._steps,
            "forces": self._start.evaluations,
            "nonfinite": self.nonfinite,
            "moves": self._moves.evaluations,
            "tests": np.array([self.proposed, self.accepted]),
        }

    def resume(self, snapshot: Tree) -> None:
        """See `msgen.actors.slices.Machine`."""
        self._walkers = [decode(Walkers, one) for one in snapshot["walkers"]]
        self._place(snapshot["row"])
        self._stepper.set_noise(snapshot["noise"], words_of(self._rng))
        self._steps, self._start.evaluations = snapshot["steps"], snapshot["forces"]
        self.nonfinite = snapshot["nonfinite"]
        self._moves.evaluations = snapshot.get("moves", 0)  # no order of before had some
        self.proposed, self.accepted = np.array(snapshot["tests"])

    def _together(self) -> Walkers:
        boxes = [w.box for w in self._walkers if w.box is not None]
        velocities = [w.velocities for w in self._walkers if w.velocities is not None]
        return Walkers(
            np.concatenate([w.positions for w in self._walkers]),
            np.concatenate(velocities),
            np.concatenate(boxes) if boxes else None,
        )


def _array(tree: Any) -> Array:
    return np.asarray(tree, dtype=np.float64)
