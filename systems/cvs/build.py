"""CVs from a campaign's ``cvs:`` section, which has been validated by its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.base import CV, CVSet, System
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
from msgen.systems.kinds import CVKind, CVSite
from msgen.systems.plugins import Registry
from msgen.systems.potentials.clusters import Particles
from msgen.systems.potentials.python import python_cv
from msgen.systems.potentials.two_dimensional import TorchSystem
from msgen.systems.topology.atom_selection import resolve_atom, resolve_atoms

Atoms = str | Sequence[int | str]
"""One selection, or a list of atoms."""

_OF_THE_SURFACE = ("kind", "range", "bins")
"""Keys of a CV's section that its builder has no use for."""


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


def _many_atoms(site: CVSite, given: Atoms, least: int) -> tuple[int, ...]:
    """The atoms of an RMSD or a radius of gyration."""
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
    home = {}
    for k, molecule in enumerate(_topology(site).find_molecules()):
        for atom in molecule:
            home[atom.index] = k
    if len({home.get(a, -1 - a) for a in atoms}) > 1:
        raise SpecError(
            (*site.field, "atoms"),
            list(atoms),
            "belong to different molecules of a periodic box, where this CV is not defined",
            "Take atoms of one molecule",
        )


def _dihedral(name: str, site: CVSite, *, atoms: Sequence[int | str]) -> Dihedral:
    a, b, c, d = _few_atoms(site, atoms)
    return Dihedral(name, (a, b, c, d))


def _angle(name: str, site: CVSite, *, atoms: Sequence[int | str]) -> Angle:
    a, b, c = _few_atoms(site, atoms)
    return Angle(name, (a, b, c))


def _distance(name: str, site: CVSite, *, atoms: Sequence[int | str]) -> Distance:
    a, b = _few_atoms(site, atoms)
    return Distance(name, (a, b))


def _rmsd(name: str, site: CVSite, *, atoms: Atoms, reference: str | None) -> RMSD:
    chosen = _many_atoms(site, atoms, 3)
    if reference is None:
        return RMSD(name, chosen, site.system.initial().positions.reshape(-1, 3))
    # imports mdtraj and OpenMM, which analytic systems do without
    from msgen.systems.files import read_reference

    where = (*site.field, "reference")
    return RMSD(name, chosen, read_reference(reference, site.base_dir, _topology(site), where))


def _radius_of_gyration(name: str, site: CVSite, *, atoms: Atoms) -> RadiusOfGyration:
    chosen = _many_atoms(site, atoms, 2)
    masses = site.system.masses.reshape(-1, 3)[list(chosen), 0]
    return RadiusOfGyration(name, chosen, tuple(float(m) for m in masses))


def _coordination(
    name: str, site: CVSite, *, groups: Sequence[Atoms], r0: float, **exponents: int
) -> Coordination:
    topology, where = _topology(site), (*site.field, "groups")
    a, b = (resolve_atoms(g, topology, (*where, k)) for k, g in enumerate(groups))
    pairs = sorted({(min(i, j), max(i, j)) for i in a for j in b if i != j})
    if not pairs:
        raise SpecError(where, groups, "give no pair of atoms", "Give two groups")
    _one_molecule(tuple({i for p in pairs for i in p}), site)
    return Coordination(name, tuple(pairs), r0, **exponents)


def _linear_combination(
    name: str, site: CVSite, *, terms: Sequence[Mapping[str, Any]], offset: float
) -> LinearCombination:
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


def _coordinate(name: str, site: CVSite, *, index: int, **wraps: bool) -> Coordinate:
    if index >= site.system.n_dof:
        raise SpecError(
            (*site.field, "index"), index, "no such coordinate", f"Give 0 … {site.system.n_dof - 1}"
        )
    return Coordinate(name, index, **wraps)


def _mean_coordinate(
    name: str, site: CVSite, *, indices: Sequence[int] | None, scale: float
) -> MeanCoordinate:
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


def _pair_distances(
    name: str, site: CVSite, *, statistic: Statistic, r0: float | None
) -> PairDistances:
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


def _potential_energy(name: str, site: CVSite) -> PotentialEnergy:
    if not isinstance(site.system, TorchSystem):
        raise SpecError(
            (*site.field, "kind"),
            "potential_energy",
            "is for potentials that torch differentiates",
            "Use kind: python",
        )
    return PotentialEnergy(name, site.system)


def _diffusion_map(name: str, site: CVSite, *, file: str, component: int) -> CV:
    from msgen.systems.build_landmarks import landmark_cv  # it builds CVs by this module

    return landmark_cv(name, site, file=file, component=component)


_OWN = (
    CVKind("dihedral", _dihedral, "atoms", feature=True),
    CVKind("angle", _angle, "atoms", feature=True),
    CVKind("distance", _distance, "atoms", feature=True),
    CVKind("rmsd", _rmsd, "atoms"),
    CVKind("radius_of_gyration", _radius_of_gyration, "atoms", feature=True),
    CVKind("coordination", _coordination, "atoms", feature=True),
    CVKind("linear_combination", _linear_combination),
    CVKind("coordinate", _coordinate, "coordinates", feature=True),
    CVKind("mean_coordinate", _mean_coordinate, "coordinates"),
    CVKind("pair_distances", _pair_distances, "coordinates"),
    CVKind("potential_energy", _potential_energy, "coordinates"),
    CVKind("diffusion_map", _diffusion_map),
    CVKind("python", python_cv),
)

CV_KINDS: Registry[CVKind] = Registry("msgen.cvs", CVKind, {kind.name: kind for kind in _OWN})
"""Ours, whose sections are in `msgen.orchestrator.schema.cvs`, and those of plug-ins."""


def build_cv(name: str, spec: Mapping[str, Any], site: CVSite) -> CV:
    """One CV from its section, as its schema resolves it.

    Raises
    ------
    SpecError
        For what only a file or the system can tell.
    """
    values = {key: value for key, value in spec.items() if key not in _OF_THE_SURFACE}
    return CV_KINDS[spec["kind"]].build(name, site, **values)


def build_cvs(spec: Mapping[str, Any], system: System, base_dir: Path) -> CVSet:
    """The CVs of a campaign, in the order of the file.

    Parameters
    ----------
    spec : Mapping
        The ``cvs:`` section as its schema resolves it: name → {kind, …}, floats in internal units.
    system : System
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        For what only a file or the system can tell.
    KeyError
        If nothing that is installed brings a kind.
    PluginError
    """
    cvs = CVSet(
        tuple(build_cv(k, v, CVSite(system, base_dir, ("cvs", k))) for k, v in spec.items())
    )
    values = cvs(system.initial().positions)[0]
    for name, value in zip(cvs.names, values, strict=True):
        if not np.isfinite(value):
            raise SpecError(
                ("cvs", name), float(value), "is not finite at the start", "Choose other atoms"
            )
    return cvs
