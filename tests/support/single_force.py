"""What one Force of OpenMM does on its own."""

from __future__ import annotations

import numpy as np
import openmm as mm

from msgen.systems.base import Array


def openmm_values(
    force: mm.Force, frames: Array, box: Array | None = None, **parameters: float
) -> tuple[Array, Array]:
    """Energies, shape (n,), and forces, shape (n, D), on the Reference platform.

    Parameters
    ----------
    force : openmm.Force
    frames : Array, shape (n, D)
        nm.
    box : Array, shape (3, 3), optional
    parameters : float
        Global parameters by name.
    """
    bare = mm.System()
    for _ in range(frames.shape[1] // 3):
        bare.addParticle(1.0)
    if box is not None:
        bare.setDefaultPeriodicBoxVectors(*box.tolist())
    bare.addForce(force)
    platform = mm.Platform.getPlatformByName("Reference")
    context = mm.Context(bare, mm.VerletIntegrator(0.001), platform)
    for name, value in parameters.items():
        context.setParameter(name, value)
    u, f = [], []
    for x in frames:
        context.setPositions(x.reshape(-1, 3))
        state = context.getState(energy=True, forces=True)
        u.append(state.getPotentialEnergy()._value)
        f.append(state.getForces(asNumpy=True)._value.ravel())
    return np.array(u), np.array(f)
