"""One molecule between steps, and what a path of it notes."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.actors.kernels.switching.path_readings import Waypoints
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.context import OpenMMContext


class Reader:
    """Notes CVs and work of one path of a batch."""

    def __init__(self, seen: Waypoints, row: int, stepper: OpenMMContext, kT: float) -> None:
        self._seen, self._row, self._stepper, self._kT = seen, np.array([row]), stepper, kT
        self.levels = seen.between(row)

    def at(self, level: int, work: float) -> None:
        """Where the walker stands; `work` in kJ/mol."""
        if self._seen:
            xi = self._stepper.cvs()[None]
            self._seen.note(self._row, np.array([level]), xi, np.array([work / self._kT]))


class Point:
    """One walker's positions and velocities (N, 3) and box; velocities are read when asked for."""

    def __init__(self, x: Array, v: Array | None, box: Array | None, state: Any = None) -> None:
        self.x, self._v, self.box, self._state = x, v, box, state

    @classmethod
    def of(cls, one: Walkers) -> Point:
        v = None if one.velocities is None else one.velocities[0].reshape(-1, 3)
        box = None if one.box is None else one.box[0]
        return cls(one.positions[0].reshape(-1, 3), v, box)

    @property
    def v(self) -> Array:
        if self._v is None:
            value = self._state.getVelocities(asNumpy=True)._value
            self._v = np.array(value, dtype=np.float64)
        return self._v

    def walker(self) -> Walkers:
        box = None if self.box is None else self.box[None]
        return Walkers(self.x.reshape(1, -1), self.v.reshape(1, -1), box)
