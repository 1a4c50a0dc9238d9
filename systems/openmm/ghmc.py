"""Generalised hybrid Monte Carlo of OpenMM Systems, rigid bonds and virtual sites included."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from msgen.systems.openmm.integrators import CONSTRAINT_TOLERANCE, noise
from msgen.systems.openmm.own_names import OwnIntegrator

ASTRAY = 1e-6
"""nm; how far a coordinate may end from where a second solution of the constraints, or the step
reversed, is to end. Converged ones differ by 1e-9, where rounded lengths come in by 1e-8."""


class Ghmc(OwnIntegrator):
    r"""Generalised hybrid Monte Carlo: exact at any time step.

    One step: momenta are refreshed for half a step, v ← a v + √(1−a²) √(kT/m) ξ with
    a = e^{−γΔt/2}; a velocity-Verlet trajectory (RATTLE where there are constraints) is proposed
    and accepted with min(1, e^{−ΔH/kT}); on rejection the positions come back and the momenta are
    reversed; momenta are refreshed again (T. Lelièvre, M. Rousset and G. Stoltz, Math. Comput. 81,
    2071 (2012)). The step reads the same backwards. Rejected, too, are a total energy that is not
    finite, constraints that did not converge (they would leave their surface for good), and a step
    that does not lead back when it is reversed (the same, Numer. Math. 143, 379 (2019)). Global
    variables count: ``n_tried``, ``n_accepted``, and ``n_nonfinite`` for these three.

    OpenMM computes virtual sites when one of its steps ends, and projects velocities on the
    constraints at the positions that were constrained last, which are not those that come back. So
    with virtual sites a step is two of OpenMM's, the move and its test; and noise is drawn, and
    projected, at either end while the positions stand there. Forces are kept from one step to the
    next, so that moving positions to and fro costs none.

    Parameters
    ----------
    kT, friction, timestep : float
        kJ/mol, 1/ps, ps.
    constrained, sites : bool
        Whether the system has constraints, and virtual sites.
    free : bool array, shape (N, 3), optional
        Degrees of freedom that momenta are drawn in; all by default.
    """

    def __init__(
        self,
        kT: float,
        friction: float,
        timestep: float,
        constrained: bool,
        sites: bool,
        free: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__(timestep)
        self._constrained, self._sites = constrained, sites
        self._staged = constrained or sites
        a = math.exp(-0.5 * friction * timestep)
        self.addGlobalVariable("kT", kT)
        self.addGlobalVariable("a", a)
        self.addGlobalVariable("b", math.sqrt(1 - a * a))
        counts = ("n_tried", "n_accepted", "n_nonfinite")
        for name in (*counts, "stage", "known", "potential", "ahead", "ke", "before", "dH"):
            self.addGlobalVariable(name, 0)
        for name in ("good", "accept", "astray", "more"):
            self.addGlobalVariable(name, 0)
        for name in ("x0", "v0", "force", "ahead_force", "x1", "x2", "v1", "noise0"):
            self.addPerDofVariable(name, 0)
        self._noise = f"sqrt(kT/m)*{noise(self, free)}"
        if self._staged:
            self._add_stages()
        else:
            self._add_move()
            self._add_test()
        self.setConstraintTolerance(CONSTRAINT_TOLERANCE)

    def step(self, steps: int) -> None:
        """Take these steps; what was changed from outside since the last ones is seen now."""
        step, number = self.in_pieces(steps)
        step(number)

    def in_pieces(self, steps: int) -> tuple[Callable[[int], None], int]:
        """What to call for these steps, with what number; any sum of numbers does the same."""
        if not self._staged:
            return super().step, steps
        self.setGlobalVariableByName("stage", -1)
        return super().step, 1 + (2 if self._sites else 1) * steps

    def _add_stages(self) -> None:
        self.beginIfBlock("stage < 0")
        self.addConstrainPositions()  # a walker from a file may be off them by its rounding
        self.addComputeGlobal("known", "0")
        self.endBlock()
        self.beginIfBlock("stage = 0")
        self.beginIfBlock("known < 1")
        self.addComputeGlobal("potential", "energy")
        self.addComputePerDof("force", "f")
        self.addComputeGlobal("known", "1")
        self.endBlock()
        self._add_move()
        if self._sites:
            self.endBlock()
            self.beginIfBlock("stage = 1")
        self._add_test()
        self.endBlock()
        # delta(0) is 1, that of all others 0
        self.addComputeGlobal("stage", "delta(stage)" if self._sites else "0")

    def _add_move(self) -> None:
        """Half of the refreshment, and the trajectory but for its last kick."""
        energy, force = ("potential", "force") if self._staged else ("energy", "f")
        self.addUpdateContextState()
        if self._constrained:
            self._add_tangent_noise()
            self.addComputePerDof("noise0", "v")
            self.addComputePerDof("v", "v1")
        self.addComputePerDof("v", f"a*v+b*{self._noise}")
        self.addConstrainVelocities()
        self.addComputeSum("ke", "0.5*m*v*v")
        self.addComputeGlobal("before", f"ke+{energy}")
        self.addComputePerDof("x0", "x")
        self.addComputePerDof("v0", "v")
        self.addComputePerDof("v", f"v+0.5*dt*{force}/m")
        self.addComputePerDof("x", "x+dt*v")
        self.addComputePerDof("x1", "x")
        self.addConstrainPositions()
        self.addComputeGlobal("astray", "0")
        if self._constrained:
            self.addComputePerDof("x2", "x")
            self.addConstrainPositions()
            self._add_astray("x2")
            # the energy is asked for in any case, and must not be where there is none
            self.beginIfBlock("astray > 0")
            self.addComputePerDof("x", "x0")
            self.endBlock()

    def _add_test(self) -> None:
        """The last kick, the test, and the other half of the refreshment."""
        self.addComputePerDof("v", "v+(x-x1)/dt+0.5*dt*f/m")
        self.addConstrainVelocities()
        self.addComputeSum("ke", "0.5*m*v*v")
        if self._staged:
            self.addComputePerDof("ahead_force", "f")
            self.addComputeGlobal("ahead", "energy")
        self.addComputeGlobal("dH", f"ke+{'ahead' if self._staged else 'energy'}-before")
        if self._constrained:
            self._add_tangent_noise()
            self._add_return()
        # step(NaN) is 0: what is not finite is rejected
        self.addComputeGlobal("good", "step(1e30-abs(dH))*step(0.5-astray)")
        self.addComputeGlobal("accept", "good*step(exp(-dH/kT)-uniform)")
        self.addComputeGlobal("n_nonfinite", "n_nonfinite+1-good")
        self.addComputeGlobal("n_tried", "n_tried+1")
        self.addComputeGlobal("n_accepted", "n_accepted+accept")
        self.beginIfBlock("accept < 1")
        self.addComputePerDof("x", "x0")
        self.addComputePerDof("v", "b*noise0-a*v0" if self._constrained else "-v0")
        self.endBlock()
        self._add_kept()
        if not self._constrained:
            self.addComputePerDof("v", f"a*v+b*{self._noise}")

    def _add_kept(self) -> None:
        """Where the move is accepted: what is known of its end."""
        if not self._staged:
            return
        self.beginIfBlock("accept > 0")
        self.addComputePerDof("force", "ahead_force")
        self.addComputeGlobal("potential", "ahead")
        if self._constrained:
            self.addComputePerDof("x", "x1")
            self.addComputePerDof("v", "a*v1+b*v")
        self.endBlock()

    def _add_tangent_noise(self) -> None:
        """v ← √(kT/m) ξ less what the constraints at the positions forbid; v₁ is what v was."""
        self.addComputePerDof("v1", "v")
        self.addComputePerDof("v", self._noise)
        self.addConstrainVelocities()

    def _add_return(self) -> None:
        """Whether the step, its velocities v₁ reversed, ends where this one began.

        The velocities then return as well: both are tangent, and change by what the positions do.
        """
        self.addComputePerDof("x1", "x")
        self.addComputePerDof("x", "x-dt*(v1-0.5*dt*ahead_force/m)")
        self.addConstrainPositions()
        self._add_astray("x0")

    def _add_astray(self, goal: str) -> None:
        """Count coordinates that are not where they are to be; NaN is not."""
        self.addComputeSum("more", f"1-step({ASTRAY!r}-abs(x-{goal}))")
        self.addComputeGlobal("astray", "astray+more")
