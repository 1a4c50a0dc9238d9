"""CVs from their sections: what only a topology or the system can tell is told here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgen.systems.base import Array
from msgen.systems.build import build_cv
from msgen.systems.cvs.centroids import (
    CentroidAngle,
    CentroidDihedral,
    CentroidDistance,
    Group,
)
from msgen.systems.cvs.collective import MeanCoordinate, PairDistances, PotentialEnergy, Statistic
from msgen.systems.cvs.expressions import parse
from msgen.systems.cvs.functions import FunctionCV
from msgen.systems.cvs.ring_pucker import Pucker, RingPucker
from msgen.systems.cvs.sites import (
    Atoms,
    few_atoms,
    images,
    many_atoms,
    one_molecule,
    own_masses,
    topology_of,
)
from msgen.systems.cvs.torch_cvs import (
    Angle,
    Coordinate,
    Dihedral,
    Distance,
    LinearCombination,
    RadiusOfGyration,
)
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite
from msgen.systems.potentials.clusters import Particles
from msgen.systems.potentials.two_dimensional import TorchSystem

Few = Sequence[int | str] | None
Groups = Sequence[Atoms] | None


def _places(
    site: CVSite, atoms: Few, groups: Groups
) -> tuple[tuple[int, ...] | None, tuple[Group, ...], Array | None]:
    """The atoms of a torsion, an angle or a distance; or groups, and the box if images count.

    Atoms that no image is taken of come as atoms, for which everything is faster.
    """
    if groups is None:
        assert atoms is not None
        chosen = few_atoms(site, atoms, "atoms")
        box = images(site, chosen)
        return (chosen if box is None else None), tuple(Group((a,), (1.0,)) for a in chosen), box
    found = []
    for k, given in enumerate(groups):
        members = many_atoms(site, given, 1, "groups", k)
        found.append(Group(members, own_masses(site, members, given, "groups", k)))
    if len({frozenset(g.atoms) for g in found}) < len(found):
        where = (*site.field, "groups")
        raise SpecError(where, groups, "has a group twice", "Give every group once")
    return None, tuple(found), images(site, [a for g in found for a in g.atoms])


def dihedral(
    name: str, site: CVSite, *, atoms: Few = None, groups: Groups = None
) -> Dihedral | CentroidDihedral:
    """The torsion over four atoms or centres of mass."""
    few, centres, box = _places(site, atoms, groups)
    if few is None:
        return CentroidDihedral(name, centres, box)
    a, b, c, d = few
    return Dihedral(name, (a, b, c, d))


def angle(
    name: str, site: CVSite, *, atoms: Few = None, groups: Groups = None
) -> Angle | CentroidAngle:
    """The angle at the second of three atoms or centres of mass."""
    few, centres, box = _places(site, atoms, groups)
    if few is None:
        return CentroidAngle(name, centres, box)
    a, b, c = few
    return Angle(name, (a, b, c))


def distance(
    name: str, site: CVSite, *, atoms: Few = None, groups: Groups = None
) -> Distance | CentroidDistance:
    """The distance of two atoms or centres of mass."""
    few, centres, box = _places(site, atoms, groups)
    if few is None:
        return CentroidDistance(name, centres, box)
    a, b = few
    return Distance(name, (a, b))


def radius_of_gyration(name: str, site: CVSite, *, atoms: Atoms) -> RadiusOfGyration:
    """The mass-weighted radius of gyration."""
    chosen = many_atoms(site, atoms, 2)
    return RadiusOfGyration(name, chosen, own_masses(site, chosen, atoms))


def ring_pucker(
    name: str, site: CVSite, *, atoms: Sequence[int | str], coordinate: Pucker
) -> RingPucker:
    """A puckering coordinate of a ring, whose atoms are bonded in the order given."""
    chosen, where = few_atoms(site, atoms, "atoms"), (*site.field, "atoms")
    one_molecule(site, chosen, where)
    bonded = {frozenset((a.index, b.index)) for a, b in topology_of(site).bonds}
    for a, b in zip(chosen, (*chosen[1:], chosen[0]), strict=True):
        if bonded and frozenset((a, b)) not in bonded:
            what = f"is no ring: atoms {a} and {b} (from 0) are not bonded"
            raise SpecError(where, atoms, what, "Give the atoms in the order of the ring")
    return RingPucker(name, chosen, coordinate)


def linear_combination(
    name: str, site: CVSite, *, terms: Sequence[Mapping[str, Any]], offset: float
) -> LinearCombination:
    """Σ cₖ ξₖ + offset."""
    components = tuple(
        build_cv(f"{name}[{k}]", term["cv"], site.at("terms", k, "cv"))
        for k, term in enumerate(terms)
    )
    coefficients = tuple(float(term["coefficient"]) for term in terms)
    cv = LinearCombination(name, components, coefficients, offset)
    whole = all(c == round(c) for c in coefficients)
    if any(c.periodic for c in components) and not (cv.periodic and whole):
        raise SpecError(
            (*site.field, "terms"),
            list(coefficients),
            "would jump where an angle wraps at ±π",
            "Combine dihedrals with whole-number coefficients only, and with nothing else",
        )
    _see_that_openmm_holds(cv, site, "terms")
    return cv


def function(
    name: str,
    site: CVSite,
    *,
    expression: str,
    of: Mapping[str, Mapping[str, Any]],
    periodic: bool,
    unit: str | None,
) -> FunctionCV:
    """A formula of other CVs, which may not jump where one of them wraps."""
    import torch

    components = tuple(
        build_cv(f"{name}.{key}", section, site.at("of", key)) for key, section in of.items()
    )
    formula = parse(expression, of)
    measured = unit or ("rad" if periodic else "1")
    made = FunctionCV(name, formula, tuple(of), components, periodic, measured)
    jumping = made.jumping(torch.as_tensor(site.system.initial().positions))
    if jumping is not None:
        raise SpecError(
            (*site.field, "expression"),
            expression,
            f"jumps where the angle {jumping!r} wraps at ±π",
            f"Take cos({jumping}) or sin({jumping}) of it, or write periodic: true for an angle "
            "that is a sum of angles",
        )
    _see_that_openmm_holds(made, site, "of")
    return made


def _see_that_openmm_holds(made: LinearCombination | FunctionCV, site: CVSite, key: str) -> None:
    """A CustomCVForce has 32 forces at most, and a path takes one for each structure."""
    if site.system.topology is None:
        return
    # OpenMM comes with it, which analytic systems do without
    from msgen.systems.cvs.openmm_forces import MOST_FORCES, can_express, cv_terms

    if can_express(made) and (number := len(cv_terms(made).forces)) > MOST_FORCES:
        what = f"take {number} forces of OpenMM together, which holds {MOST_FORCES} in one"
        remedy = "Combine fewer, or give a path fewer structures"
        raise SpecError((*site.field, key), [c.name for c in made.components], what, remedy)


def coordinate(name: str, site: CVSite, *, index: int, periodic: bool = False) -> Coordinate:
    """One coordinate, which may be periodic."""
    if index >= site.system.n_dof:
        raise SpecError(
            (*site.field, "index"), index, "no such coordinate", f"Give 0 … {site.system.n_dof - 1}"
        )
    return Coordinate(name, index, periodic)


def mean_coordinate(
    name: str, site: CVSite, *, indices: Sequence[int] | None, scale: float
) -> MeanCoordinate:
    """`scale` times the mean of some coordinates, of all where there are no indices."""
    if indices is None:
        return MeanCoordinate(name, scale=scale)
    if len(set(indices)) != len(indices) or max(indices) >= site.system.n_dof:
        raise SpecError(
            (*site.field, "indices"),
            indices,
            "are no distinct coordinates",
            f"Give each of 0 … {site.system.n_dof - 1} at most once",
        )
    return MeanCoordinate(name, tuple(indices), scale)


def pair_distances(
    name: str, site: CVSite, *, statistic: Statistic, r0: float | None
) -> PairDistances:
    """One number of all distances between particles."""
    if not isinstance(site.system, Particles):
        raise SpecError(
            (*site.field, "kind"),
            "pair_distances",
            "is for clusters of particles",
            "Use kind: mean_coordinate",
        )
    if r0 is None:
        return PairDistances(name, site.system, statistic)
    return PairDistances(name, site.system, statistic, r0)


def potential_energy(name: str, site: CVSite) -> PotentialEnergy:
    """U itself."""
    if not isinstance(site.system, TorchSystem):
        raise SpecError(
            (*site.field, "kind"),
            "potential_energy",
            "is for potentials that torch differentiates",
            "Use kind: python",
        )
    return PotentialEnergy(name, site.system)
