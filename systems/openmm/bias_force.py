"""Well-tempered metadynamics of a molecule: OpenMM's own, with a bias that is handed in and out.

`openmm.app.Metadynamics` keeps its bias for itself and shares it through files of one directory, in
whatever order walkers come by. Here the bias comes with the walker and what was added goes back
with it, so that the sum over walkers is the same however often and wherever they ran.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import openmm as mm
from openmm import app, unit

from msgen.systems.base import CV, Array, CVSet
from msgen.systems.cvs.openmm_forces import NO_FORM, can_express, cv_terms, value_force
from msgen.systems.errors import SpecError
from msgen.systems.openmm.bias_grid import BiasAxis
from msgen.systems.openmm.system import OpenMMSystem


class Biased:
    """A molecule under a bias on a grid of one CV or two.

    Parameters
    ----------
    system : OpenMMSystem
    cvs : CVSet
    axes : sequence of BiasAxis
        All periodic, or none.
    bias_factor : float
        γ; hills shrink as e^{−V/((γ−1) kT)}.
    height : float
        Of the first hill, kJ/mol.
    frequency : int
        Steps between hills.
    kind, timestep, friction
        Of the local dynamics.

    Attributes
    ----------
    engine : OpenMMContext
        Steps without adding hills.
    heights : list of float
        Of the hills since `put`, kJ/mol.
    """

    def __init__(
        self,
        system: OpenMMSystem,
        cvs: CVSet,
        axes: tuple[BiasAxis, ...],
        *,
        bias_factor: float,
        height: float,
        frequency: int,
        kind: Literal["langevin", "ghmc"],
        timestep: float,
        friction: float,
    ) -> None:
        copy = mm.XmlSerializer.clone(system.openmm_system)
        variables = [
            app.BiasVariable(_force(cvs.cvs[a.index]), *a.edges, a.width, a.periodic, a.points)
            for a in axes
        ]
        kelvin = system.temperature * unit.kelvin
        self._hills = app.Metadynamics(copy, variables, kelvin, bias_factor, height, frequency)
        self._axes, self._height, self._frequency = axes, height, frequency
        self._decay = (bias_factor - 1.0) * system.kT
        integrator = system.thermostat(kind, friction, timestep)
        self.engine = system.context_of(copy, integrator, cvs)
        self._group = {self._hills._force.getForceGroup()}
        self._since = 0
        self.heights: list[float] = []

    def put(self, bias: Array) -> None:
        """Take a bias, shape (points of the last axis, …, of the first), kJ/mol."""
        hills, context = self._hills, self.engine.context
        hills._totalBias[...] = bias
        hills._selfBias[...] = 0.0
        sizes = hills._widths if len(self._axes) > 1 else []
        hills._table.setFunctionParameters(*sizes, bias.flatten(), *hills._limits)
        hills._force.updateParametersInContext(context)
        self._since, self.heights = 0, []

    def step_and_add(self, steps: int) -> None:
        """Take steps and add hills on the way; a failure marks the engine `failed`."""
        left = steps
        while left > 0 and not self.engine.failed:
            some = min(left, self._frequency - self._since)
            self.engine.step(some)
            left, self._since = left - some, self._since + some
            if self._since == self._frequency and not self.engine.failed:
                self._since = 0
                self._add()

    def _add(self) -> None:
        """A hill of height h e^{−V/((γ−1)kT)} where the walker stands, if that is in range.

        (Barducci, Bussi and Parrinello, Phys. Rev. Lett. 100, 020603, 2008.)
        """
        xi = self._hills._force.getCollectiveVariableValues(self.engine.context)
        energy = self.bias_energy()
        axes = zip(self._axes, xi, strict=True)
        if not all(a.periodic or a.low <= x <= a.high for a, x in axes) or math.isnan(energy):
            return
        height = self._height * math.exp(-energy / self._decay)
        self.heights.append(height)
        self._hills._addGaussian(xi, height * unit.kilojoules_per_mole, self.engine.context)

    def bias_energy(self) -> float:
        """V at the walker, kJ/mol, as the dynamics felt it; NaN after a failure."""
        if self.engine.failed:
            return float("nan")
        state = self.engine.context.getState(energy=True, groups=self._group)
        return float(state.getPotentialEnergy()._value)

    @property
    def added(self) -> Array:
        """Sum of the hills since `put`, kJ/mol."""
        return np.array(self._hills._selfBias, dtype=np.float64)


def _force(cv: CV) -> Any:
    """A force whose energy is ξ; the plain one where there is one, which is faster."""
    if not can_express(cv):
        raise SpecError(("cvs", cv.name), type(cv).__name__, *NO_FORM)
    terms = cv_terms(cv)
    if len(terms.forces) == 1 and terms.expression in terms.forces:
        return terms.forces[terms.expression]
    return value_force(cv)
