"""Names of what we add to a System that others made: from here only, with a prefix of our own.

OpenMM keeps global parameters of all forces in one table and says nothing where two forces mean
different things by one name; so a restraint of ours would have steered a user's own ``lambda_0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import openmm as mm

from msgen.systems.errors import SpecError
from msgen.systems.kinds import Field

PREFIX = "msgen_"
GROUPS = 32
"""Force groups that OpenMM has."""

_WORD = re.compile(r"\b[A-Za-z_]\w*")
_OPENMM = re.compile(r"x|v|m|dt|uniform|gaussian|(f|energy)\d*")
"""What the language of a CustomIntegrator means by itself; a parameter `dt` is taken for the step
size without a word."""


def own(name: str) -> str:
    """What `name` is called in OpenMM."""
    return PREFIX + name


def centre(k: int) -> str:
    """The parameter that holds λ of CV number `k`."""
    return own(f"lambda_{k}")


def stiffness(k: int) -> str:
    """The parameter that holds κ of CV number `k`."""
    return own(f"kappa_{k}")


def free_group(system: Any) -> int:
    """A force group that no force of the System is in.

    Raises
    ------
    ValueError
        If there is none; `check_names` asks before anything starts.
    """
    return max(set(range(GROUPS)) - {force.getForceGroup() for force in system.getForces()})


def check_names(system: Any, parameters: Iterable[str], origin: tuple[Field, object]) -> None:
    """See that nothing of a System can be taken for ours, or for OpenMM's own.

    Parameters
    ----------
    system : openmm.System
    parameters : iterable of str
        Global parameters as a Context knows them, those inside of other forces included.
    origin : tuple
        Where the campaign says which forces it has, and what it says there.

    Raises
    ------
    SpecError
    """
    for name in parameters:
        if name.startswith(PREFIX):
            what = f"has a global parameter {name!r}, and names in {PREFIX}… are ours"
        elif _OPENMM.fullmatch(name):
            what = f"has a global parameter {name!r}, which OpenMM's integrators take for their own"
        else:
            continue
        raise SpecError(*origin, what, "Give the parameter another name where the System is made")
    if not set(range(GROUPS)) - {force.getForceGroup() for force in system.getForces()}:
        remedy = "Put some of its forces into the same group"
        raise SpecError(*origin, f"uses all {GROUPS} force groups; one has to be left", remedy)


class OwnIntegrator(mm.CustomIntegrator):
    """A CustomIntegrator whose variables are `own` names in OpenMM, and plain ones in its formulas.

    Parameters
    ----------
    timestep : float
        ps.
    """

    def __init__(self, timestep: float) -> None:
        super().__init__(timestep)
        self._own: dict[str, str] = {}

    def _claim(self, name: str) -> str:
        return self._own.setdefault(name, own(name))

    def _spelt(self, formula: str) -> str:
        return _WORD.sub(lambda word: self._own.get(word[0], word[0]), formula)

    def addGlobalVariable(self, name: str, initial: float) -> int:
        return int(super().addGlobalVariable(self._claim(name), initial))

    def addPerDofVariable(self, name: str, initial: float) -> int:
        return int(super().addPerDofVariable(self._claim(name), initial))

    def addComputeGlobal(self, variable: str, formula: str) -> int:
        return int(super().addComputeGlobal(self._spelt(variable), self._spelt(formula)))

    def addComputePerDof(self, variable: str, formula: str) -> int:
        return int(super().addComputePerDof(self._spelt(variable), self._spelt(formula)))

    def addComputeSum(self, variable: str, formula: str) -> int:
        return int(super().addComputeSum(self._spelt(variable), self._spelt(formula)))

    def beginIfBlock(self, condition: str) -> int:
        return int(super().beginIfBlock(self._spelt(condition)))

    def getGlobalVariableByName(self, name: str) -> float:
        return float(super().getGlobalVariableByName(self._spelt(name)))

    def setGlobalVariableByName(self, name: str, value: float) -> None:
        super().setGlobalVariableByName(self._spelt(name), value)

    def getPerDofVariableByName(self, name: str) -> Any:
        return super().getPerDofVariableByName(self._spelt(name))

    def setPerDofVariableByName(self, name: str, values: Any) -> None:
        super().setPerDofVariableByName(self._spelt(name), values)
