"""How a walker without velocities gets them, and what a Context of its own counts."""

from __future__ import annotations

import numpy as np

from msgen.actors.context import WorkerContext
from msgen.actors.engines.molecule import molecule
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.context import OpenMMContext


class Starter:
    """Starts an order on one Context of a molecule: seeds it, and sets walkers in motion.

    LFMiddle keeps velocities half a kick behind the positions; what is drawn or rescaled here are
    the velocities that belong to the positions.

    Parameters
    ----------
    context : WorkerContext
        Of a campaign with langevin or ghmc.
    stepper : OpenMMContext
        Its stream is begun anew, from `rng`.
    rng : Generator

    Attributes
    ----------
    evaluations : int
        Forces asked for so far.
    """

    def __init__(
        self, context: WorkerContext, stepper: OpenMMContext, rng: np.random.Generator
    ) -> None:
        spec = context.setup["strategy"]["local"]
        self.lagging = spec["kind"] == "langevin"
        self._stepper, self._rng, self.evaluations = stepper, rng, 0
        masses = molecule(context).masses.reshape(-1, 3)
        inverse = np.divide(1.0, masses, out=np.zeros_like(masses), where=masses > 0)
        self._half = 0.5 * float(spec["timestep"]) * inverse
        stepper.reseed(int(rng.integers(2**31 - 2)))
        if not self.lagging:
            stepper.metropolis_counts()  # what was counted before is not of this order

    def moving(self, one: Walkers, tau: float = 1.0) -> Walkers:
        """The walker with velocities of τ times the system's temperature, if it has none."""
        if one.velocities is not None:
            return one
        self._stepper.load(one)
        self._stepper.draw_velocities(self._rng)
        v = np.sqrt(tau) * self._stepper.velocities()
        if self.lagging:
            v = self._stepper.projected(v - self._half * self._forces())
        return one.with_positions(one.positions, v.reshape(1, -1))

    def rescaled(self, one: Walkers, scale: float) -> Walkers:
        """The walker with its velocities multiplied."""
        assert one.velocities is not None
        v = scale * one.velocities[0].reshape(-1, 3)
        if self.lagging:
            self._stepper.load(one)
            v = self._stepper.projected(v + (scale - 1.0) * self._half * self._forces())
        return one.with_positions(one.positions, v.reshape(1, -1))

    def metropolis(self) -> tuple[float, float, float]:
        """Tests of GHMC since they were last asked for: tried, accepted, not finite; else 0."""
        if self.lagging:
            return 0.0, 0.0, 0.0
        counts = self._stepper.metropolis_counts()
        return (
            float(counts["n_tried"]),
            float(counts["n_accepted"]),
            float(counts["n_nonfinite"]),
        )

    def _forces(self) -> Array:
        self.evaluations += 1
        return self._stepper.forces()
