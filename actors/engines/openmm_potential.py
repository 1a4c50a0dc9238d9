"""The potential of a molecule, as exactly moved CVs ask for it."""

from __future__ import annotations

import numpy as np

from msgen.actors.kernels.switching.constrained_paths import Rows
from msgen.actors.kernels.switching.distance_fast_path import SingleForce
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.context import OpenMMContext


class MoleculeLandscape:
    """Forces of one Context, walker after walker; meets `flight.Landscape`.

    Parameters
    ----------
    stepper : OpenMMContext
        Its positions are overwritten.
    walkers : Walkers
        The batch, for its boxes.
    kT : float
    """

    def __init__(self, stepper: OpenMMContext, walkers: Walkers, kT: float) -> None:
        self._stepper, self._walkers, self._kT = stepper, walkers, kT
        self._boxed = -1

    def _shape(self, row: int) -> None:
        """The box of this walker, where it is another than the last one's."""
        box = self._walkers.box
        if box is None or row == self._boxed:
            return
        if self._boxed < 0 or not np.array_equal(box[row], box[self._boxed]):
            self._stepper.context.setPeriodicBoxVectors(*box[row].tolist())
        self._boxed = row

    def force(self, x: Array, rows: Rows) -> Array:
        """−∇U, shape (n, 3N); NaN where it cannot be evaluated."""
        out = np.full_like(x, np.nan)
        for k, row in enumerate(rows.tolist()):
            self._shape(row)
            self._stepper.evaluate_into(x[k].reshape(-1, 3), out[k].reshape(-1, 3), False)
        return out

    def single(self, row: int) -> SingleForce:
        """See `moving_pair.SingleLandscape`."""
        self._shape(row)
        evaluate, kT = self._stepper.evaluate_into, self._kT

        def force(x: Array, out: Array, energy: bool) -> float:
            return evaluate(x.reshape(-1, 3), out.reshape(-1, 3), energy) / kT

        return force

    def energy_and_force(self, x: Array, rows: Rows) -> tuple[Array, Array]:
        """U/kT, shape (n,), and −∇U, shape (n, 3N)."""
        u, f = np.empty(len(x)), np.empty_like(x)
        for k, row in enumerate(rows.tolist()):
            self._shape(row)
            u[k], one = self._stepper.energy_and_force_at(x[k].reshape(-1, 3))
            f[k] = one.reshape(-1)
        return u / self._kT, f
