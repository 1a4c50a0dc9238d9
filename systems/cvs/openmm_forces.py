"""Collective variables as OpenMM forces: values inside a CustomCVForce, and restraints.

A restraint on a torsion, angle or distance, of atoms or of centres, is a plain custom bonded force
(no slower than the bare force field); any other goes through a CustomCVForce. λ and κ are global
parameters, so that steering never rebuilds a Context.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import openmm as mm

from msgen.systems.base import CV, CVSet
from msgen.systems.cvs.centroids import Centroids
from msgen.systems.cvs.clusters import PrincipalRadius, SortedDistance, Steinhardt
from msgen.systems.cvs.contacts import ContactMap, Coordination, NativeContacts
from msgen.systems.cvs.diffusion_map import LandmarkCV
from msgen.systems.cvs.functions import FunctionCV
from msgen.systems.cvs.openmm_geometry import (
    FLOOR,
    RAISED,
    CVTerms,
    centroid_force,
    centroid_value,
    contact_map_terms,
    coordination_terms,
    gyration_terms,
    native_contacts_terms,
    path_terms,
    principal_terms,
    pucker_terms,
    rmsd_terms,
    total,
)
from msgen.systems.cvs.openmm_python import available, python_force
from msgen.systems.cvs.ring_pucker import RingPucker
from msgen.systems.cvs.superposition import RMSD, PathCV
from msgen.systems.cvs.torch_cvs import (
    Angle,
    Dihedral,
    Distance,
    LinearCombination,
    PythonCV,
    RadiusOfGyration,
)
from msgen.systems.openmm.own_names import centre, free_group, own, stiffness

Bonded = Dihedral | Angle | Distance
Own = (
    Bonded | Centroids | RMSD | PathCV | RadiusOfGyration | PrincipalRadius | RingPucker
    | Coordination | ContactMap | NativeContacts
)  # fmt: skip
"""What OpenMM's own forces compute."""
TorchOnly = PythonCV | SortedDistance | Steinhardt
"""What a `PythonForce` does."""
MOST_FORCES = 32
"""That one CustomCVForce holds."""
NO_FORM = (
    "cannot be restrained or biased in OpenMM, which has no PythonForce before 8.4",
    "Install openmm 8.4 or later, or build the CV from dihedral, distance, … by kind: function",
)
"""What is wrong with any other, and what to do."""


def can_express(cv: CV) -> bool:
    """Whether the CV has an OpenMM form; what only torch knows has one where `available` says."""
    if isinstance(cv, LinearCombination | FunctionCV):
        return all(can_express(c) for c in cv.components)
    if isinstance(cv, LandmarkCV):
        return all(can_express(c) for c in cv.features)
    return isinstance(cv, Own) or (isinstance(cv, TorchOnly) and available())


def _landmark_terms(cv: LandmarkCV, prefix: str) -> CVTerms:
    """Φ as a quotient of two sums over landmarks.

    Exponents are raised by `RAISED`, and the quotient's square stays a float; a floor of weight
    `FLOOR` makes it tend to the mean of φ/μ beyond d²/4ε = 680.
    """
    forces: dict[str, Any] = {}
    features = []
    for k, feature in enumerate(cv.features):
        terms = cv_terms(feature, f"{prefix}_{k}")
        forces.update(terms.forces)
        features.append((terms.expression, feature.periodic))
    rates = (cv.scales**2 / (4 * cv.epsilon)).tolist()
    values = cv.values / cv.eigenvalue
    above, below = [repr(FLOOR * float(values.mean()))], [repr(FLOOR)]
    for at, log_w, value in zip(
        cv.landmarks.tolist(), cv.log_weights.tolist(), values.tolist(), strict=True
    ):
        # |(cos, sin)(u) − (cos, sin)(v)|² = 2 − 2 cos(u − v)
        distance = "-".join(
            f"{2 * c!r}*(1-cos({u}-({v!r})))" if turns else f"{c!r}*({u}-({v!r}))^2"
            for (u, turns), c, v in zip(features, rates, at, strict=True)
        )
        weight = f"exp({RAISED + log_w!r}-{distance})"
        above.append(f"({value!r})*{weight}")
        below.append(weight)
    return CVTerms(f"({total(above)}/{total(below)})", forces)


def _wrapped(expression: str) -> str:
    """An angle brought to [−π, π)."""
    turns = f"floor(({expression}+{math.pi!r})/{2 * math.pi!r})"
    return f"({expression}-{2 * math.pi!r}*{turns})"


def _combined(cv: LinearCombination | FunctionCV, prefix: str) -> CVTerms:
    """An expression over those of its components."""
    forces: dict[str, Any] = {}
    inner: list[str] = []
    for k, component in enumerate(cv.components):
        terms = cv_terms(component, f"{prefix}_{k}")
        forces.update(terms.forces)
        inner.append(terms.expression)
    if isinstance(cv, LinearCombination):
        parts = [f"({a!r})*({one})" for a, one in zip(cv.coefficients, inner, strict=True)]
        value = "(" + "+".join([repr(float(cv.offset)), *parts]) + ")"
    else:
        value = cv.expression.for_openmm(dict(zip(cv.variables, inner, strict=True)))
    return CVTerms(_wrapped(value) if cv.periodic else value, forces)


def _bonded(cv: Bonded, energy: str) -> Any:
    """A force on the atoms of a torsion, an angle or a distance; `energy` is one of {xi}."""
    if isinstance(cv, Dihedral):
        force: Any = mm.CustomTorsionForce(energy.format(xi="theta"))
        force.addTorsion(*cv.atoms, [])
    elif isinstance(cv, Angle):
        force = mm.CustomAngleForce(energy.format(xi="theta"))
        force.addAngle(*cv.atoms, [])
    else:
        force = mm.CustomBondForce(energy.format(xi="r"))
        force.addBond(*cv.atoms, [])
    return force


def cv_terms(cv: CV, prefix: str = own("cv")) -> CVTerms:
    """The CV's value as inner forces and an expression over them.

    Parameters
    ----------
    cv : CV
        Any for which `can_express` holds.
    prefix : str
        What the names of the inner forces begin with.

    Raises
    ------
    TypeError
        If the CV has no OpenMM form.
    """
    if not can_express(cv):
        raise TypeError(f"{type(cv).__name__} '{cv.name}' has no OpenMM form")
    if isinstance(cv, LinearCombination | FunctionCV):
        return _combined(cv, prefix)
    if isinstance(cv, LandmarkCV):
        return _landmark_terms(cv, prefix)
    if isinstance(cv, Bonded):
        return CVTerms(prefix, {prefix: _bonded(cv, "{xi}")})
    if isinstance(cv, Centroids):
        return CVTerms(prefix, {prefix: centroid_force(cv, centroid_value(cv))})
    if isinstance(cv, RMSD):
        return rmsd_terms(cv, prefix)
    if isinstance(cv, PathCV):
        return path_terms(cv, prefix)
    if isinstance(cv, RadiusOfGyration):
        return gyration_terms(cv, prefix)
    if isinstance(cv, PrincipalRadius):
        return principal_terms(cv, prefix)
    if isinstance(cv, RingPucker):
        return pucker_terms(cv, prefix)
    if isinstance(cv, Coordination):
        return coordination_terms(cv, prefix)
    if isinstance(cv, ContactMap):
        return contact_map_terms(cv, prefix)
    if isinstance(cv, NativeContacts):
        return native_contacts_terms(cv, prefix)
    if isinstance(cv, PythonCV) and cv.atoms is not None:
        return CVTerms(prefix, {prefix: python_force(replace(cv, atoms=None), cv.atoms)})
    return CVTerms(prefix, {prefix: python_force(cv)})


def value_force(cv: CV) -> Any:
    """A CustomCVForce whose energy in kJ/mol is ξ itself, to check it against the torch form."""
    terms = cv_terms(cv)
    force = mm.CustomCVForce(terms.expression)
    for name, inner in terms.forces.items():
        force.addCollectiveVariable(name, inner)
    return force


def _form(xi: str, k: int, periodic: bool, kT: float) -> str:
    if periodic:
        return f"-{kT!r}*{stiffness(k)}*cos({xi}-{centre(k)})"
    return f"{0.5 * kT!r}*{stiffness(k)}*({xi}-{centre(k)})^2"


def restraint_force(cv: CV, k: int, kT: float) -> Any:
    """The restraint of CV number `k`.

    −kT κ cos(ξ − λ) if periodic, kT κ (ξ − λ)²/2 otherwise, with λ and κ the global
    parameters `centre(k)` and `stiffness(k)`, both 0 at first.

    Raises
    ------
    TypeError
        If the CV has no OpenMM form.
    """
    if isinstance(cv, Bonded):
        force: Any = _bonded(cv, _form("{xi}", k, cv.periodic, kT))
    elif isinstance(cv, Centroids):
        force = centroid_force(cv, _form(centroid_value(cv), k, cv.periodic, kT))
    else:
        terms = cv_terms(cv, own(f"cv{k}"))
        force = mm.CustomCVForce(_form(f"({terms.expression})", k, cv.periodic, kT))
        for name, inner in terms.forces.items():
            force.addCollectiveVariable(name, inner)
    force.addGlobalParameter(centre(k), 0.0)
    force.addGlobalParameter(stiffness(k), 0.0)
    force.setName(own(f"restraint_{cv.name}"))
    return force


def add_restraints(system: Any, cvs: CVSet, kT: float) -> None:
    """Add one restraint force per CV to an OpenMM System, in a force group that it left free."""
    group = free_group(system)
    for k, cv in enumerate(cvs.cvs):
        force = restraint_force(cv, k, kT)
        force.setForceGroup(group)
        system.addForce(force)
