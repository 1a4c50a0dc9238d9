"""What a Langevin step takes when OpenMM alone does it, on the platform that a run took."""

from __future__ import annotations

import time
from typing import Any

import openmm as mm
from openmm import unit

_SECONDS = 0.4
_REPEATS = 3


def seconds_a_step(system: Any, positions: Any, box: Any, platform: str) -> float:
    """The fastest of some stretches, s.

    Parameters
    ----------
    system : openmm.System
    positions : array, shape (N, 3)
        nm.
    box : array, shape (3, 3), or None
    platform : str
        One thread where it has several, as a worker has.
    """
    integrator = mm.LangevinMiddleIntegrator(300 * unit.kelvin, 1.0, 0.002)
    properties = {"Threads": "1"} if platform == "CPU" else {}
    chosen = mm.Platform.getPlatformByName(platform)
    context = mm.Context(system, integrator, chosen, properties)
    if box is not None:
        context.setPeriodicBoxVectors(*box.tolist())
    context.setPositions(positions)
    mm.LocalEnergyMinimizer.minimize(context, 10.0, 50)
    context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    steps, taken = 5, []
    while True:
        began = time.perf_counter()
        integrator.step(steps)
        context.getState(energy=True)  # which waits for the device
        took = time.perf_counter() - began
        if took < _SECONDS / 2:
            steps *= 2
            continue
        taken.append(took / steps)
        if len(taken) == _REPEATS:
            return min(taken)
