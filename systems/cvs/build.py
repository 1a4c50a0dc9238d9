"""CVs from their sections: what only a topology or the system can tell is told here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msgen.systems.build import build_cv
from msgen.systems.cvs.collective import MeanCoordinate, PairDistances, PotentialEnergy, Statistic
from msgen.systems.cvs.torch_cvs import (
    RMSD,
    Angle,
    Coordinate,
    Coordination,
    Dihedral,
    Distance,
    LinearCombination,
    RadiusOfGyration,
)
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite
from msgen.systems.potentials.clusters import Particles
from msgen.systems.potentials.two_dimensional import TorchSystem
from msgen.systems.topology.atom_selection import resolve_atom, resolve_atoms

Atoms = str | Sequence[int | str]
"""One selection, or a list of atoms."""


def _topology(site: CVSite) -> Any:
    """The system's mdtraj topology."""
    topology = site.system.topology
    if topology is None:
        raise SpecError(
            site.field,
            type(site.system).__name__,
            "has no atoms, and this CV is one of atoms",
            "Use kind: coordinate with an index, or kind: python",
        )
    return topology


def _few_atoms(site: CVSite, given: Sequence[int | str]) -> tuple[int, ...]:
    """The atoms of a dihedral, an angle or a distance."""
    topology, where = _topology(site), (*site.field, "atoms")
    atoms = tuple(resolve_atom(a, topology, (*where, k)) for k, a in enumerate(given))
    if len(set(atoms)) != len(atoms):
        raise SpecError(where, given, "names an atom twice", "Give every atom once")
    _one_molecule(atoms, site)
    return atoms


def many_atoms(site: CVSite, given: Atoms, least: int) -> tuple[int, ...]:
    """A group of atoms of one molecule, `least` at the least."""
    where = (*site.field, "atoms")
    atoms = resolve_atoms(given, _topology(site), where)
    if len(atoms) < least:
        raise SpecError(where, given, "too few atoms", f"Give at least {least}")
    _one_molecule(atoms, site)
    return atoms


def _one_molecule(atoms: tuple[int, ...], site: CVSite) -> None:
    """Without a minimum image, the atoms must share a molecule in a periodic box."""
    if site.system.initial().box is None:
        return
    topology = _topology(site)
    if not topology.n_bonds:
        raise SpecError(
            (*site.field, "atoms"),
            list(atoms),
            "may be of different molecules of a periodic box, where this CV is not defined: "
            "neither the structure nor the forces name a bond",
            "Add CONECT records to the structure",
        )
    home = {}
    for k, molecule in enumerate(topology.find_molecules()):
        for atom in molecule:
            home[atom.index] = k
    if len({home.get(a, -1 - a) for a in atoms}) > 1:
        raise SpecError(
            (*site.field, "atoms"),
            list(atoms),
            "belong to different molecules of a periodic box, where this CV is not defined",
            "Take atoms of one molecule",
        )


def dihedral(name: str, site: CVSite, *, atoms: Sequence[int | str]) -> Dihedral:
    """The torsion over four atoms."""
    a, b, c, d = _few_atoms(site, atoms)
    return Dihedral(name, (a, b, c, d))


def angle(name: str, site: CVSite, *, atoms: Sequence[int | str]) -> Angle:
    """The angle at the second of three atoms."""
    a, b, c = _few_atoms(site, atoms)
    return Angle(name, (a, b, c))


def distance(name: str, site: CVSite, *, atoms: Sequence[int | str]) -> Distance:
    """The distance of two atoms."""
    a, b = _few_atoms(site, atoms)
    return Distance(name, (a, b))


def rmsd(name: str, site: CVSite, *, atoms: Atoms, reference: str | None) -> RMSD:
    """The RMSD from a structure file, or from the start."""
    chosen = many_atoms(site, atoms, 3)
    if reference is None:
        return RMSD(name, chosen, site.system.initial().positions.reshape(-1, 3))
    # imports mdtraj and OpenMM, which analytic systems do without
    from msgen.systems.files import read_reference

    where = (*site.field, "reference")
    own = _topology(site)
    return RMSD(name, chosen, read_reference(reference, site.base_dir, own, where, chosen))


REPARTITIONED = 0.5
"""g/mol that an atom is off its element from which masses count as shared out otherwise."""


def own_masses(site: CVSite, chosen: Sequence[int], given: Atoms) -> tuple[float, ...]:
    """Masses of the atoms `chosen`: the system's, or the elements' where it has shared them out.

    Hydrogens are made heavy at the cost of their neighbours so that steps may be longer, and atoms
    without mass stand still; what is measured must not depend on that. The first shows by a total
    that is that of the elements.

    Raises
    ------
    SpecError
        If none of them has a mass; they were `given` so.
    """
    held = site.system.masses.reshape(-1, 3).max(axis=1)
    atoms = list(_topology(site).atoms)
    own = np.array([0.0 if a.element is None else float(a.element.mass) for a in atoms])
    held = np.where(held > 0, held, own)
    shared = abs(held.sum() - own.sum()) < 1e-3 * own.sum()
    told = own if shared and np.abs(held - own).max() > REPARTITIONED else held
    masses = tuple(float(told[a]) for a in chosen)
    if not sum(masses) > 0:
        what = "have no mass to weigh them by, and are of no element"
        raise SpecError((*site.field, "atoms"), given, what, "Take other atoms")
    return masses


def radius_of_gyration(name: str, site: CVSite, *, atoms: Atoms) -> RadiusOfGyration:
    """The mass-weighted radius of gyration."""
    chosen = many_atoms(site, atoms, 2)
    return RadiusOfGyration(name, chosen, own_masses(site, chosen, atoms))


def coordination(
    name: str, site: CVSite, *, groups: Sequence[Atoms], r0: float, **exponents: int
) -> Coordination:
    """The coordination number of two groups; n and m are its exponents."""
    topology, where = _topology(site), (*site.field, "groups")
    a, b = (resolve_atoms(g, topology, (*where, k)) for k, g in enumerate(groups))
    pairs = sorted({(min(i, j), max(i, j)) for i in a for j in b if i != j})
    if not pairs:
        raise SpecError(where, groups, "give no pair of atoms", "Give two groups")
    _one_molecule(tuple({i for p in pairs for i in p}), site)
    return Coordination(name, tuple(pairs), r0, **exponents)


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
    return cv


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
