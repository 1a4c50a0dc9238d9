"""Forces of OpenMM whose energy is a CV: of centres, contacts, superpositions and rings.

Each function gives what a `CustomCVForce` computes ξ from; `openmm_forces` knows which CV is whose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import openmm as mm

from msgen.systems.base import Array
from msgen.systems.cvs.centroids import (
    CentroidAngle,
    CentroidDihedral,
    CentroidDistance,
    Centroids,
)
from msgen.systems.cvs.clusters import AXES, PrincipalRadius
from msgen.systems.cvs.contacts import ContactMap, Coordination, NativeContacts
from msgen.systems.cvs.ring_pucker import PuckerWeights, RingPucker
from msgen.systems.cvs.superposition import RMSD, PathCV
from msgen.systems.cvs.torch_cvs import RadiusOfGyration


@dataclass(frozen=True)
class CVTerms:
    """ξ as an expression over named inner forces, ready for a CustomCVForce."""

    expression: str
    forces: dict[str, Any]


RAISED, FLOOR = 340.0, 1e-150
"""Exponents of sums of exponentials are raised by this, and a sum is no less than that: what
OpenMM divides then stays a number at d²/4ε = 680 and beyond, where plain sums end in 0/0."""


def total(terms: list[str]) -> str:
    """The sum as a balanced tree: OpenMM compiles a chain of n terms in time n³."""
    return _joined(terms, "({}+{})")


def _joined(terms: list[str], pattern: str) -> str:
    while len(terms) > 1:
        pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
        terms = [pattern.format(*p) if len(p) == 2 else p[0] for p in pairs]
    return terms[0]


# centres


def centroid_value(cv: Centroids) -> str:
    """ξ in the language of a CustomCentroidBondForce."""
    kinds = {CentroidDistance: "distance", CentroidAngle: "angle", CentroidDihedral: "dihedral"}
    return f"{kinds[type(cv)]}({','.join(f'g{k + 1}' for k in range(len(cv.groups)))})"


def centroid_force(cv: Centroids, energy: str) -> Any:
    """A force between the centres of the CV's groups."""
    force = mm.CustomCentroidBondForce(len(cv.groups), energy)
    groups = [force.addGroup(list(g.atoms), list(g.weights)) for g in cv.groups]
    force.addBond(groups, [])
    force.setUsesPeriodicBoundaryConditions(cv.box is not None)
    return force


# contacts


def _pairs(
    energy: str, cv: Coordination | ContactMap | NativeContacts, **of_each: tuple[float, ...]
) -> Any:
    force = mm.CustomBondForce(energy)
    for name in of_each:
        force.addPerBondParameter(name)
    rows = zip(*of_each.values(), strict=True) if of_each else [()] * len(cv.pairs)
    for (i, j), row in zip(cv.pairs, rows, strict=True):
        force.addBond(i, j, list(row))
    force.setUsesPeriodicBoundaryConditions(cv.box is not None)
    return force


def _geometric(n: int) -> str:
    """1 + q + … + q^(n−1) in Horner form."""
    text = "1"
    for _ in range(n - 1):
        text = f"(1+q*{text})"
    return text


def _rational(n: int, m: int) -> str:
    return f"1/(1+q^{n})" if m == 2 * n else f"{_geometric(n)}/{_geometric(m)}"


def coordination_terms(cv: Coordination, prefix: str) -> CVTerms:
    """A sum over pairs of two groups."""
    energy = f"{_rational(cv.n, cv.m)}; q=r/{cv.r0!r}"
    return CVTerms(prefix, {prefix: _pairs(energy, cv)})


def contact_map_terms(cv: ContactMap, prefix: str) -> CVTerms:
    """A sum over contacts, each with its own r₀ and weight."""
    energy = f"w*{_rational(cv.n, cv.m)}; q=r/r0"
    return CVTerms(prefix, {prefix: _pairs(energy, cv, r0=cv.r0, w=cv.weights)})


def native_contacts_terms(cv: NativeContacts, prefix: str) -> CVTerms:
    """A mean of logistic functions, written with tanh, which does not overflow."""
    off = f"u={cv.steepness / 2!r}*(r-{cv.tolerance!r}*r0)"
    energy = f"{0.5 / len(cv.pairs)!r}*(1-tanh(u)); {off}"
    return CVTerms(prefix, {prefix: _pairs(energy, cv, r0=cv.native)})


# superpositions


def _superposed(reference: Array, atoms: tuple[int, ...]) -> Any:
    return mm.RMSDForce([mm.Vec3(*map(float, r)) for r in reference], list(atoms))


def rmsd_terms(cv: RMSD, prefix: str) -> CVTerms:
    """The least over all orders that like atoms may be in."""
    if not cv.orders:
        return CVTerms(prefix, {prefix: _superposed(cv.reference, cv.atoms)})
    forces = {}
    for k, order in enumerate(cv.orders):
        reference = cv.reference.copy()
        reference[list(cv.atoms)] = cv.reference[list(order)]
        forces[f"{prefix}_{k}"] = _superposed(reference, cv.atoms)
    return CVTerms(_joined(list(forces), "min({},{})"), forces)


def path_terms(cv: PathCV, prefix: str) -> CVTerms:
    """s as a quotient of two sums over structures, z as the logarithm of one."""
    forces = {f"{prefix}_{k}": _superposed(r, cv.atoms) for k, r in enumerate(cv.path)}
    weights = [f"exp({RAISED!r}-{cv.rate!r}*{name}^2)" for name in forces]
    below = total([repr(FLOOR), *weights])
    if cv.along == "z":
        return CVTerms(f"(({RAISED!r}-log({below}))/{cv.rate!r})", forces)
    middle = FLOOR * (len(weights) + 1) / 2
    above = total([repr(middle), *(f"{k}*{w}" for k, w in enumerate(weights, 1))])
    return CVTerms(f"({above}/{below})", forces)


# moments


def _moment(cv: RadiusOfGyration | PrincipalRadius, of: str) -> Any:
    """The mean, weighted by mass, of what `of` says of the centre of mass g1 and an atom g2."""
    weight = sum(cv.masses)
    force = mm.CustomCentroidBondForce(2, f"w*{of}")
    force.addPerBondParameter("w")
    force.addGroup(list(cv.atoms), list(cv.masses))
    for atom, mass in zip(cv.atoms, cv.masses, strict=True):
        force.addBond([0, force.addGroup([atom], [1.0])], [mass / weight])
    return force


def gyration_terms(cv: RadiusOfGyration, prefix: str) -> CVTerms:
    """The root of the mean square distance from the centre of mass."""
    return CVTerms(f"sqrt({prefix})", {prefix: _moment(cv, "distance(g1,g2)^2")})


_TURN = {"largest": 0.0, "smallest": 2.0 * math.pi / 3.0, "middle": 4.0 * math.pi / 3.0}
assert set(_TURN) == set(AXES)


def principal_terms(cv: PrincipalRadius, prefix: str) -> CVTerms:
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


# rings


def pucker_terms(cv: RingPucker, prefix: str) -> CVTerms:
    """One force on all atoms of the ring: sums Σ_j w_j R_j, and their parts along the normal n."""
    weights = PuckerWeights.of(len(cv.atoms))
    sums = {"s": weights.sine, "c": weights.cosine, "a": weights.x, "b": weights.y}
    if len(cv.atoms) == 6:
        sums["d"] = weights.z
    along = {"a": "qx", "b": "qy", "d": "qz"}
    square = "+".join(f"{along[k]}^2" for k in sums if k in along)
    # q are n-times too long, where n is not of length 1
    length = "sqrt(nx^2+ny^2+nz^2)"
    value = {
        "phase": "atan2(qy,qx)",
        "theta": "atan2(sqrt(qx^2+qy^2),qz)",
        "amplitude": f"sqrt({square})/{length}",
    }.get(cv.coordinate, f"{cv.coordinate}/{length}")
    parts = [
        value,
        *(f"{along[k]}={k}x*nx+{k}y*ny+{k}z*nz" for k in sums if k in along),
        "nx=sy*cz-sz*cy; ny=sz*cx-sx*cz; nz=sx*cy-sy*cx",
        *(f"{k}{axis}={_weighted(w, axis)}" for k, w in sums.items() for axis in "xyz"),
    ]
    force = mm.CustomCompoundBondForce(len(cv.atoms), "; ".join(parts))
    force.addBond(list(cv.atoms), [])
    return CVTerms(prefix, {prefix: force})


def _weighted(weights: tuple[float, ...], axis: str) -> str:
    return "+".join(f"({w!r})*{axis}{j}" for j, w in enumerate(weights, 1))
