"""Integrators that OpenMM does not ship."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import openmm as mm
from numpy.typing import NDArray

CONSTRAINT_TOLERANCE = 1e-8
"""Relative; tight, because reversibility holds to this."""

_SLIP = 1e-12
"""nm²; converged constraints move by less in a second pass."""


def _verlet(integrator: Any, check: bool) -> None:
    """One velocity-Verlet step with constraints (RATTLE), time-reversible and symplectic.

    With `check`, what a second pass of the constraint solver still moves is added to ``slip``:
    0 where the first converged.
    """
    integrator.addComputePerDof("v", "v+0.5*dt*f/m")
    integrator.addComputePerDof("x", "x+dt*v")
    integrator.addComputePerDof("x2", "x")
    integrator.addConstrainPositions()
    if check:
        integrator.addComputePerDof("x3", "x")
        integrator.addConstrainPositions()
        integrator.addComputeSum("again", "(x-x3)^2")
        integrator.addComputeGlobal("slip", "slip+again")
    integrator.addComputePerDof("v", "v+(x-x2)/dt+0.5*dt*f/m")
    integrator.addConstrainVelocities()


def _noise(integrator: Any, free: NDArray[np.bool_] | None) -> str:
    """What a standard normal number of each free degree of freedom is called; 0 in the others."""
    if free is None or free.all():
        return "gaussian"
    integrator.addPerDofVariable("free", 0)
    integrator.setPerDofVariableByName("free", [mm.Vec3(*map(float, row)) for row in free])
    return "free*gaussian"


def middle(kT: float, friction: float, timestep: float, free: NDArray[np.bool_]) -> Any:
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
    integrator = mm.CustomIntegrator(timestep)
    integrator.addGlobalVariable("kT", kT)
    integrator.addGlobalVariable("a", a)
    integrator.addGlobalVariable("b", math.sqrt(1 - a * a))
    integrator.addPerDofVariable("x1", 0)
    noise = _noise(integrator, free)
    integrator.addUpdateContextState()
    integrator.addComputePerDof("v", "v+dt*f/m")
    integrator.addConstrainVelocities()
    integrator.addComputePerDof("x", "x+0.5*dt*v")
    integrator.addComputePerDof("v", f"a*v+b*sqrt(kT/m)*{noise}")
    integrator.addComputePerDof("x", "x+0.5*dt*v")
    integrator.addComputePerDof("x1", "x")
    integrator.addConstrainPositions()
    integrator.addComputePerDof("v", "v+(x-x1)/dt")
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    return integrator


def ghmc(
    kT: float,
    friction: float,
    timestep: float,
    constrained: bool = True,
    free: NDArray[np.bool_] | None = None,
) -> Any:
    """Generalised hybrid Monte Carlo: exact at any time step.

    One step: momenta are refreshed for half a step, v ← a v + √(1−a²) √(kT/m) ξ with
    a = e^{−γΔt/2}; a velocity-Verlet trajectory is proposed and accepted with
    min(1, e^{−ΔH/kT}); on rejection the positions come back and the momenta are reversed; momenta
    are refreshed again. A total energy that is not finite is a rejection, and so is a step whose
    constraints did not converge (it would leave their surface for good). (T. Lelièvre, M. Rousset
    and G. Stoltz, Math. Comput. 81, 2071 (2012).) Global variables count: ``n_tried``,
    ``n_accepted``, ``n_nonfinite`` (unconverged constraints included).

    Parameters
    ----------
    kT, friction, timestep : float
        kJ/mol, 1/ps, ps.
    constrained : bool
        Whether the system has constraints, whose convergence is then watched.
    free : bool array, shape (N, 3), optional
        Degrees of freedom that momenta are drawn in; all by default.
    """
    a = math.exp(-0.5 * friction * timestep)
    integrator = mm.CustomIntegrator(timestep)
    integrator.addGlobalVariable("kT", kT)
    integrator.addGlobalVariable("a", a)
    integrator.addGlobalVariable("b", math.sqrt(1 - a * a))
    for name in (
        "n_tried",
        "n_accepted",
        "n_nonfinite",
        "ke",
        "before",
        "dH",
        "good",
        "accept",
        "slip",
        "again",
    ):
        integrator.addGlobalVariable(name, 0)
    for name in ("x0", "v0", "x2", "x3"):
        integrator.addPerDofVariable(name, 0)
    noise = _noise(integrator, free)
    integrator.addUpdateContextState()
    integrator.addComputePerDof("v", f"a*v+b*sqrt(kT/m)*{noise}")
    integrator.addConstrainVelocities()
    integrator.addComputeSum("ke", "0.5*m*v*v")
    integrator.addComputeGlobal("before", "ke+energy")
    integrator.addComputePerDof("x0", "x")
    integrator.addComputePerDof("v0", "v")
    integrator.addComputeGlobal("slip", "0")
    _verlet(integrator, constrained)
    integrator.addComputeSum("ke", "0.5*m*v*v")
    integrator.addComputeGlobal("dH", "ke+energy-before")
    # step(NaN) is 0: what is not finite is rejected
    integrator.addComputeGlobal("good", f"step(1e30-abs(dH))*step({_SLIP!r}-slip)")
    integrator.addComputeGlobal("accept", "good*step(exp(-dH/kT)-uniform)")
    integrator.addComputeGlobal("n_nonfinite", "n_nonfinite+1-good")
    integrator.beginIfBlock("accept < 1")
    integrator.addComputePerDof("x", "x0")
    integrator.addComputePerDof("v", "-v0")
    integrator.endBlock()
    integrator.addComputeGlobal("n_tried", "n_tried+1")
    integrator.addComputeGlobal("n_accepted", "n_accepted+accept")
    integrator.addComputePerDof("v", f"a*v+b*sqrt(kT/m)*{noise}")
    integrator.addConstrainVelocities()
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    return integrator
