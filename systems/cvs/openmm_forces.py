"""Collective variables as OpenMM forces: values inside a CustomCVForce, and restraints.

A restraint on a torsion, angle or distance is a plain custom bonded force (no slower than the
bare force field); any other goes through a CustomCVForce. λ and κ are global parameters, so that
steering never rebuilds a Context.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import openmm as mm

from msgen.systems.base import CV, CVSet
from msgen.systems.cvs.clusters import AXES, PrincipalRadius
from msgen.systems.cvs.diffusion_map import LandmarkCV
from msgen.systems.cvs.torch_cvs import (
    RMSD,
    Angle,
    Coordination,
    Dihedral,
    Distance,
    LinearCombination,
    RadiusOfGyration,
)
from msgen.systems.openmm.own_names import centre, free_group, own, stiffness


@dataclass(frozen=True)
class CVTerms:
    """ξ as an expression over named inner forces, ready for a CustomCVForce."""

    expression: str
    forces: dict[str, Any]


def can_express(cv: CV) -> bool:
    """Whether the CV has an OpenMM form (a user's own Python function has none)."""
    if isinstance(cv, LinearCombination):
        return all(can_express(c) for c in cv.components)
    if isinstance(cv, LandmarkCV):
        return all(can_express(c) for c in cv.features)
    known = Dihedral | Angle | Distance | RMSD | RadiusOfGyration | Coordination | PrincipalRadius
    return isinstance(cv, known)


def _geometric(n: int) -> str:
    """1 + q + … + q^(n−1) in Horner form."""
    text = "1"
    for _ in range(n - 1):
        text = f"(1+q*{text})"
    return text


def _switch(cv: Coordination) -> str:
    q = f"q=r/{cv.r0!r}"
    if cv.m == 2 * cv.n:
        return f"1/(1+q^{cv.n}); {q}"
    return f"{_geometric(cv.n)}/{_geometric(cv.m)}; {q}"


_RAISED, _FLOOR = 340.0, 1e-150


def _sum(terms: list[str]) -> str:
    """The sum as a balanced tree: OpenMM compiles a chain of n terms in time n³."""
    while len(terms) > 1:
        terms = ["(" + "+".join(terms[i : i + 2]) + ")" for i in range(0, len(terms), 2)]
    return terms[0]


def _landmark_terms(cv: LandmarkCV, prefix: str) -> CVTerms:
    """Φ as a quotient of two sums over landmarks.

    Exponents are raised by `_RAISED`, and the quotient's square stays a float; a floor of weight
    `_FLOOR` makes it tend to the mean of φ/μ beyond d²/4ε = 680, where plain sums end in 0/0.
    """
    forces: dict[str, Any] = {}
    features = []
    for k, feature in enumerate(cv.features):
        terms = cv_terms(feature, f"{prefix}_{k}")
        forces.update(terms.forces)
        features.append((terms.expression, feature.periodic))
    rates = (cv.scales**2 / (4 * cv.epsilon)).tolist()
    values = cv.values / cv.eigenvalue
    above, below = [repr(_FLOOR * float(values.mean()))], [repr(_FLOOR)]
    for at, log_w, value in zip(
        cv.landmarks.tolist(), cv.log_weights.tolist(), values.tolist(), strict=True
    ):
        # |(cos, sin)(u) − (cos, sin)(v)|² = 2 − 2 cos(u − v)
        distance = "-".join(
            f"{2 * c!r}*(1-cos({u}-({v!r})))" if turns else f"{c!r}*({u}-({v!r}))^2"
            for (u, turns), c, v in zip(features, rates, at, strict=True)
        )
        weight = f"exp({_RAISED + log_w!r}-{distance})"
        above.append(f"({value!r})*{weight}")
        below.append(weight)
    return CVTerms(f"({_sum(above)}/{_sum(below)})", forces)


def _moment(cv: RadiusOfGyration | PrincipalRadius, of: str) -> Any:
    """The mean, weighted by mass, of what `of` says of the centre of mass g1 and an atom g2."""
    total = sum(cv.masses)
    force = mm.CustomCentroidBondForce(2, f"w*{of}")
    force.addPerBondParameter("w")
    force.addGroup(list(cv.atoms), list(cv.masses))
    for atom, mass in zip(cv.atoms, cv.masses, strict=True):
        force.addBond([0, force.addGroup([atom], [1.0])], [mass / total])
    return force


_TURN = {"largest": 0.0, "smallest": 2.0 * math.pi / 3.0, "middle": 4.0 * math.pi / 3.0}
assert set(_TURN) == set(AXES)


def _principal_terms(cv: PrincipalRadius, prefix: str) -> CVTerms:
    """Roots of the cubic by its angle: λ_k = q + 2p cos(φ + turn), cos 3φ = det(S − q)/2p³.

    (O. K. Smith, Commun. ACM 4, 168, 1961). The angle stays off 0 and π/3, where its own gradient,
    but not that of λ_k, has no bound.
    """
    entries = ("xx", "yy", "zz", "xy", "xz", "yz")
    name = {e: f"{prefix}_{e}" for e in entries}
    forces = {name[e]: _moment(cv, f"({e[0]}2-{e[0]}1)*({e[1]}2-{e[1]}1)") for e in entries}
    xx, yy, zz, xy, xz, yz = (name[e] for e in entries)
    q = f"(({xx}+{yy}+{zz})/3)"
    a, b, c = (f"({one}-{q})" for one in (xx, yy, zz))
    off = f"{xy}^2+{xz}^2+{yz}^2"
    p = f"sqrt(max(1e-30,({a}^2+{b}^2+{c}^2+2*({off}))/6))"
    det = f"({a}*{b}*{c}+2*{xy}*{xz}*{yz}-{a}*{yz}^2-{b}*{xz}^2-{c}*{xy}^2)"
    angle = f"(acos(max(-1+1e-14,min(1-1e-14,{det}/(2*{p}^3))))/3)"
    value = f"({q}+2*{p}*cos({angle}+{_TURN[cv.axis]!r}))"
    return CVTerms(f"sqrt(max(1e-16,{value}))", forces)


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
    if isinstance(cv, LinearCombination):
        forces: dict[str, Any] = {}
        parts = [repr(float(cv.offset))]
        for k, (a, inner) in enumerate(zip(cv.coefficients, cv.components, strict=True)):
            terms = cv_terms(inner, f"{prefix}_{k}")
            forces.update(terms.forces)
            parts.append(f"({a!r})*({terms.expression})")
        total = "(" + "+".join(parts) + ")"
        if cv.periodic:
            total = f"({total}-{2 * math.pi!r}*floor(({total}+{math.pi!r})/{2 * math.pi!r}))"
        return CVTerms(total, forces)
    if isinstance(cv, LandmarkCV):
        return _landmark_terms(cv, prefix)
    if isinstance(cv, Dihedral):
        force: Any = mm.CustomTorsionForce("theta")
        force.addTorsion(*cv.atoms, [])
    elif isinstance(cv, Angle):
        force = mm.CustomAngleForce("theta")
        force.addAngle(*cv.atoms, [])
    elif isinstance(cv, Distance):
        force = mm.CustomBondForce("r")
        force.addBond(*cv.atoms, [])
    elif isinstance(cv, RMSD):
        force = mm.RMSDForce([mm.Vec3(*map(float, r)) for r in cv.reference], list(cv.atoms))
    elif isinstance(cv, RadiusOfGyration):
        return CVTerms(f"sqrt({prefix})", {prefix: _moment(cv, "distance(g1,g2)^2")})
    elif isinstance(cv, PrincipalRadius):
        return _principal_terms(cv, prefix)
    elif isinstance(cv, Coordination):
        force = mm.CustomBondForce(_switch(cv))
        for i, j in cv.pairs:
            force.addBond(i, j, [])
    else:
        raise TypeError(f"{type(cv).__name__} '{cv.name}' has no OpenMM form")
    return CVTerms(prefix, {prefix: force})


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
    if isinstance(cv, Dihedral):
        force: Any = mm.CustomTorsionForce(_form("theta", k, True, kT))
        force.addTorsion(*cv.atoms, [])
    elif isinstance(cv, Angle):
        force = mm.CustomAngleForce(_form("theta", k, False, kT))
        force.addAngle(*cv.atoms, [])
    elif isinstance(cv, Distance):
        force = mm.CustomBondForce(_form("r", k, False, kT))
        force.addBond(*cv.atoms, [])
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
