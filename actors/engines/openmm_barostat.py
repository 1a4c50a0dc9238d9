"""Steps of a molecule at constant pressure: moves of the volume between those of the dynamics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msgen.actors.engines.base import Tally
from msgen.actors.kernels.barostat import MonteCarloBarostat
from msgen.systems.base import Array
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.system import OpenMMSystem

EVERY = 25
"""Steps to a move of the volume, about."""


def pieces(n: int) -> list[int]:
    """`n` steps with a move of the volume between any two pieces: the same read backwards.

    A chunk that leaves its stratum is undone, which asks that it obeys detailed balance.
    """
    moves = max(1, n // EVERY)
    if n % 2:
        moves += moves % 2  # the odd step stands in the middle
    even = n - n % 2
    middle = 2 * (even // (2 * moves))
    end = (even - middle * (moves - 1)) // 2
    found = [end, *[middle] * (moves - 1), end]
    found[moves // 2] += n % 2
    return found


class Barostat:
    """Steps an OpenMMContext whose box is that of its walker.

    Parameters
    ----------
    system : OpenMMSystem
        With a pressure.
    """

    def __init__(self, system: OpenMMSystem) -> None:
        if system.pressure is None:
            raise ValueError("the system has no pressure")
        homes = np.arange(system.n_dof // 3)
        if system.topology.n_bonds:  # else every atom is a molecule
            for number, molecule in enumerate(system.topology.find_molecules()):
                homes[[atom.index for atom in molecule]] = number
        self._kernel = MonteCarloBarostat(system.pressure, system.kT, homes)

    def enthalpy(self, energy: float, box: Array) -> float:
        """U + PV, kJ/mol."""
        return energy + self._kernel.pressure * float(np.linalg.det(box))

    def step(
        self,
        stepper: OpenMMContext,
        box: Array,
        n: int,
        rng: np.random.Generator,
        tally: Tally,
        tau: float = 1.0,
    ) -> Array:
        """`n` steps of a loaded walker with moves of its volume between them; its new box.

        Parameters
        ----------
        stepper : OpenMMContext
        box : Array, shape (3, 3)
            Of the walker.
        n : int
        rng : Generator
        tally : Tally
            What the moves cost is added; the steps are not.
        tau : float
            Temperature in units of the system's.
        """
        kernel = replace(self._kernel, kT=tau * self._kernel.kT)
        first, *rest = pieces(n)
        stepper.step(first)
        for piece in rest:
            if stepper.failed:
                return box
            x = stepper.positions()
            moved = kernel(stepper.energy_in, x, box, rng)
            box = moved.box
            stepper.put(moved.positions, box)
            tally.evaluations += moved.evaluations
            tally.nonfinite += moved.nonfinite
            for name, count in (("tried", 1), ("accepted", moved.accepted)):
                tally.extra[f"volume_{name}"] = tally.extra.get(f"volume_{name}", 0.0) + count
            stepper.step(piece)
        return box
