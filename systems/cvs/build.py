"""CVs from a campaign's ``cvs:`` section."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.base import CV, CVSet, System
from msgen.systems.build_landmarks import landmark_cv
from msgen.systems.build_targets import COLLECTIVE_KINDS, collective_cv
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
from msgen.systems.potentials.python import Field, python_cv
from msgen.systems.topology.atom_selection import resolve_atom, resolve_atoms

CV_KINDS = (
    "dihedral",
    "angle",
    "distance",
    "rmsd",
    "radius_of_gyration",
    "coordination",
    "linear_combination",
    "coordinate",
    "diffusion_map",
    *COLLECTIVE_KINDS,
    "python",
)


def _topology(system: System, kind: str, field: Field) -> Any:
    topology = getattr(system, "topology", None)
    if topology is None:
        raise SpecError(
            (*field, "kind"),
            kind,
            "needs atoms, and this system has none",
            "Use kind: coordinate with an index, or kind: python",
        )
    return topology


def _atoms(spec: Mapping[str, Any], n: int, topology: Any, field: Field) -> tuple[int, ...]:
    given = spec.get("atoms")
    where = (*field, "atoms")
    if not isinstance(given, list | tuple) or len(given) != n:
        raise SpecError(where, given, f"needs {n} atoms", f"List {n} atoms, each by RES:NAME")
    atoms = tuple(resolve_atom(a, topology, (*where, k)) for k, a in enumerate(given))
    if len(set(atoms)) != n:
        raise SpecError(where, given, "names an atom twice", "Give every atom once")
    return atoms


def _one_molecule(atoms: tuple[int, ...], system: System, topology: Any, field: Field) -> None:
    """Without a minimum image, the atoms must share a molecule in a periodic box."""
    if system.initial().box is None:
        return
    home = {}
    for k, molecule in enumerate(topology.find_molecules()):
        for atom in molecule:
            home[atom.index] = k
    if len({home.get(a, -1 - a) for a in atoms}) > 1:
        raise SpecError(
            (*field, "atoms"),
            list(atoms),
            "belong to different molecules of a periodic box, where this CV is not defined",
            "Take atoms of one molecule",
        )


def _coordination(
    name: str, spec: Mapping[str, Any], system: System, topology: Any, field: Field
) -> Coordination:
    groups = spec.get("groups")
    if not isinstance(groups, list | tuple) or len(groups) != 2:
        raise SpecError((*field, "groups"), groups, "needs two groups", "List two selections")
    a, b = (resolve_atoms(g, topology, (*field, "groups", k)) for k, g in enumerate(groups))
    n, m = int(spec.get("n", 6)), int(spec.get("m", 12))
    if not 0 < n < m:
        raise SpecError((*field, "n"), n, f"the exponents need 0 < n < m = {m}", "Give n: 6, m: 12")
    r0 = spec.get("r0")
    if not isinstance(r0, int | float) or not r0 > 0:
        raise SpecError((*field, "r0"), r0, "needs a positive length", "Write r0: 0.35 nm")
    pairs = sorted({(min(i, j), max(i, j)) for i in a for j in b if i != j})
    if not pairs:
        raise SpecError((*field, "groups"), groups, "give no pair of atoms", "Give two groups")
    _one_molecule(tuple({i for p in pairs for i in p}), system, topology, field)
    return Coordination(name, tuple(pairs), float(r0), n, m)


def _linear_combination(
    name: str, spec: Mapping[str, Any], build: Callable[[str, Any, Field], CV], field: Field
) -> LinearCombination:
    terms = spec.get("terms")
    where = (*field, "terms")
    if not isinstance(terms, list | tuple) or not terms:
        raise SpecError(where, terms, "needs at least one term", "List {coefficient, cv} terms")
    components, coefficients = [], []
    for k, term in enumerate(terms):
        if not isinstance(term, Mapping) or "cv" not in term or "coefficient" not in term:
            raise SpecError((*where, k), term, "is not a term", "Write {coefficient: 1.0, cv: {…}}")
        components.append(build(f"{name}[{k}]", term["cv"], (*where, k, "cv")))
        coefficients.append(float(term["coefficient"]))
    cv = LinearCombination(
        name, tuple(components), tuple(coefficients), float(spec.get("offset", 0.0))
    )
    whole = all(c == round(c) for c in coefficients)
    if any(c.periodic for c in components) and not (cv.periodic and whole):
        raise SpecError(
            where,
            coefficients,
            "would jump where an angle wraps at ±π",
            "Combine dihedrals with whole-number coefficients only, and with nothing else",
        )
    return cv


def _coordinate(name: str, spec: Mapping[str, Any], system: System, field: Field) -> Coordinate:
    index = spec.get("index")
    if hasattr(system, "topology"):
        raise SpecError(
            (*field, "kind"), "coordinate", "is for analytic systems", "Use a distance or dihedral"
        )
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < system.n_dof:
        raise SpecError(
            (*field, "index"), index, "no such coordinate", f"Give 0 … {system.n_dof - 1}"
        )
    return Coordinate(name, index, bool(spec.get("periodic", False)))


def build_cv(name: str, spec: object, system: System, base_dir: Path, field: Field) -> CV:
    """One CV from its mapping; `field` is where it stands in the campaign.

    Raises
    ------
    SpecError
    """
    if not isinstance(spec, Mapping):
        raise SpecError(field, spec, "is not a CV", "Write {kind: dihedral, atoms: […]}")
    kind = spec.get("kind")
    if kind not in CV_KINDS:
        near = difflib.get_close_matches(str(kind), CV_KINDS, n=1)
        hint = f"Did you mean {near[0]}? Known" if near else "Known"
        raise SpecError(
            (*field, "kind"), kind, "no such kind of CV", f"{hint}: {', '.join(CV_KINDS)}"
        )
    if kind == "coordinate":
        return _coordinate(name, spec, system, field)
    if kind in COLLECTIVE_KINDS:
        return collective_cv(name, spec, system, field)
    if kind == "python":
        return python_cv(name, spec, system.initial(), base_dir, field)
    if kind == "diffusion_map":
        return landmark_cv(
            name, spec, system, base_dir, lambda n, s, f: build_cv(n, s, system, base_dir, f), field
        )
    if kind == "linear_combination":
        return _linear_combination(
            name, spec, lambda n, s, f: build_cv(n, s, system, base_dir, f), field
        )
    topology = _topology(system, str(kind), field)
    if kind == "coordination":
        return _coordination(name, spec, system, topology, field)
    if kind in ("rmsd", "radius_of_gyration"):
        least = 3 if kind == "rmsd" else 2
        atoms = resolve_atoms(spec.get("atoms", "all"), topology, (*field, "atoms"))
        if len(atoms) < least:
            raise SpecError(
                (*field, "atoms"), spec.get("atoms"), "too few atoms", f"Give at least {least}"
            )
        _one_molecule(atoms, system, topology, field)
        if kind == "rmsd":
            # imports mdtraj and OpenMM, which analytic systems do without
            from msgen.systems.files import read_reference

            reference = (
                system.initial().positions.reshape(-1, 3)
                if spec.get("reference") is None
                else read_reference(spec["reference"], base_dir, topology, (*field, "reference"))
            )
            return RMSD(name, atoms, reference)
        masses = system.masses.reshape(-1, 3)[list(atoms), 0]
        return RadiusOfGyration(name, atoms, tuple(float(m) for m in masses))
    size = {"dihedral": 4, "angle": 3, "distance": 2}[str(kind)]
    atoms = _atoms(spec, size, topology, field)
    _one_molecule(atoms, system, topology, field)
    if kind == "dihedral":
        return Dihedral(name, (atoms[0], atoms[1], atoms[2], atoms[3]))
    if kind == "angle":
        return Angle(name, (atoms[0], atoms[1], atoms[2]))
    return Distance(name, (atoms[0], atoms[1]))


def build_cvs(spec: Mapping[str, Any], system: System, base_dir: Path) -> CVSet:
    """The CVs of a campaign, in the order of the file.

    Parameters
    ----------
    spec : Mapping
        The ``cvs:`` section: name → {kind, …}. Keys by kind: dihedral, angle, distance
        {atoms}; rmsd {atoms, reference}; radius_of_gyration {atoms}; coordination {groups, r0,
        n, m}; linear_combination {terms: [{coefficient, cv}], offset}; coordinate {index,
        periodic}; diffusion_map {file, component}; python {factory, arguments, periodic, unit};
        those of `build_targets.collective_cv`.
    system : System
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        Naming the field, the value and the remedy.
    """
    if not spec:
        raise SpecError(("cvs",), spec, "no CV is given", "Name at least one")
    cvs = CVSet(tuple(build_cv(k, v, system, base_dir, ("cvs", k)) for k, v in spec.items()))
    values = cvs(system.initial().positions)[0]
    for name, value in zip(cvs.names, values, strict=True):
        if not np.isfinite(value):
            raise SpecError(
                ("cvs", name), float(value), "is not finite at the start", "Choose other atoms"
            )
    return cvs
