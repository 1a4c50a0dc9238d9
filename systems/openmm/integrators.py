"""Integrators that OpenMM does not ship."""

from __future__ import annotations

import math

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.systems.openmm.own_names import OwnIntegrator

CONSTRAINT_TOLERANCE = 1e-8
"""Relative; tight, because reversibility holds to this."""


def noise(integrator: OwnIntegrator, free: NDArray[np.bool_] | None) -> str:
    """What a standard normal number of each free degree of freedom is called; 0 in the others."""
    if free is None or free.all():
        return "gaussian"
    integrator.addPerDofVariable("free", 0)
    integrator.setPerDofVariableByName("free", [mm.Vec3(*map(float, row)) for row in free])
    return "free*gaussian"


def middle(kT: float, friction: float, timestep: float, free: NDArray[np.bool_]) -> OwnIntegrator:
    """LFMiddle Langevin whose noise is in the free degrees of freedom only.

    As OpenMM's LangevinMiddleIntegrator, velocities half a kick behind the positions included; what
    is not free keeps its velocity but for the force. (Z. Zhang, X. Liu, K. Yan, M. E. Tuckerman and
    J. Liu, J. Phys. Chem. A 123, 6056 (2019).) The temperature is the global variable ``kT``.

    Parameters
    ----------
    kT, friction, timestep : float
        kJ/mol, 1/ps, ps.
    free : bool array, shape (N, 3)
    """
    a = math.exp(-friction * timestep)
    integrator = OwnIntegrator(timestep)
    integrator.addGlobalVariable("kT", kT)
    integrator.addGlobalVariable("a", a)
    integrator.addGlobalVariable("b", math.sqrt(1 - a * a))
    integrator.addPerDofVariable("x1", 0)
    drawn = noise(integrator, free)
    integrator.addUpdateContextState()
    integrator.addComputePerDof("v", "v+dt*f/m")
    integrator.addConstrainVelocities()
    integrator.addComputePerDof("x", "x+0.5*dt*v")
    integrator.addComputePerDof("v", f"a*v+b*sqrt(kT/m)*{drawn}")
    integrator.addComputePerDof("x", "x+0.5*dt*v")
    integrator.addComputePerDof("x1", "x")
    integrator.addConstrainPositions()
    integrator.addComputePerDof("v", "v+(x-x1)/dt")
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    return integrator
