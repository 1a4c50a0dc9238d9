"""What no bias touches: scalars that tell whether something slow stays hidden beside the CVs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.ase.system import ASESystem
from msgen.systems.base import Array, CVSet, System, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate, Dihedral
from msgen.systems.potentials.clusters import Particles
from msgen.systems.topology.rotatable_torsions import free_torsions, handedness, torsion_angles
from msgen.systems.topology.stereochemistry import StereoWatch
from msgen.systems.unbounded_coordinates import Unbounded, unbounded

MOST_COORDINATES = 64
"""Coordinates of a potential that are watched one by one; of more, means of so many groups."""
MOST_DISTANCES = 16
"""Of the sorted pair distances of a cluster."""
ENERGY = "energy"

Read = Callable[[Array], Array]
Section = Mapping[str, Any]


@dataclass(frozen=True)
class Watched:
    """Scalars of a configuration that are looked at and never pushed.

    Of a potential, every coordinate that is no CV itself: up to `MOST_COORDINATES` one by one,
    otherwise the means of as many groups of neighbouring ones, in which a slow one still holds the
    share 1/(its group's size) of the variance. A coordinate that repeats is an angle, and one that
    nothing confines is not looked at: it has no equilibrium. Of identical particles, and of the
    atoms of each element of a cluster, sorted pair distances: no rotation or exchange of particles
    changes them. Of a molecule, ω of the peptide bonds, the torsions about bonds that are free to
    turn (but for those that are a CV), and the handedness of its stereocentres. Always the energy,
    which has a part in whatever else there is.

    Attributes
    ----------
    names : tuple of str, length k
    periodic : bool array, shape (k,)
        Angles in [−π, π]; they count through cos and sin.
    system : System
    geometry : callable
        (n, D) → (n, k − 1): all but the energy.
    as_cv : Mapping of str to Mapping
        By name, the `cvs:` section of those that can be a CV: a coordinate, or a torsion. ω and
        handedness are not among them: other isomers are other molecules, see `StereoWatch`.
    ends : Unbounded
        Which coordinates repeat, and which nothing confines.
    cis : tuple of str
        Peptide bonds that are cis in the structure given, by name.
    """

    names: tuple[str, ...]
    periodic: NDArray[np.bool_]
    system: System
    geometry: Read
    as_cv: Mapping[str, Section]
    ends: Unbounded
    cis: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of the coordinates that nothing confines."""
        return tuple(_titles(self.system.n_dof)[d] for d in np.flatnonzero(self.ends.free))

    def __call__(self, walkers: Walkers) -> Array:
        """Values, shape (n, k); the last column is U/kT, one evaluation a configuration."""
        energy = self.system.energy(walkers) / self.system.kT
        return np.column_stack([self.geometry(walkers.positions), energy])


def watched(system: System, cvs: CVSet) -> Watched:
    """What is watched of a system beside these CVs."""
    as_cv: Mapping[str, Section] = {}
    turning, ends = 0, unbounded(system, cvs)
    cis: tuple[str, ...] = ()
    if isinstance(system, ASESystem) and not system.topology.n_bonds:
        names, geometry = _atoms(system)
    elif system.topology is not None:
        stereo = StereoWatch(system.topology, system.initial().positions)
        names, turning, geometry, as_cv = _molecule(system, cvs, stereo)
        cis = stereo.cis_at_start
    elif isinstance(system, Particles):
        names, geometry = _cluster(np.arange(system.n_particles), system.spatial_dim)
    else:
        names, turning, geometry, as_cv = _coordinates(system, cvs, ends)
    periodic = np.arange(len(names) + 1) < turning
    return Watched((*names, ENERGY), periodic, system, geometry, as_cv, ends, cis)


def _titles(n_dof: int) -> tuple[str, ...]:
    """Names of the coordinates."""
    return ("x", "y", "z")[:n_dof] if n_dof <= 3 else tuple(f"x{d}" for d in range(n_dof))


def _coordinates(
    system: System, cvs: CVSet, ends: Unbounded
) -> tuple[tuple[str, ...], int, Read, Mapping[str, Section]]:
    """The coordinates that are no CV: one by one, or in groups; how many of them are angles."""
    biased = {cv.index for cv in cvs.cvs if isinstance(cv, Coordinate)}
    titles = _titles(system.n_dof)
    whole = ~ends.free & ~ends.repeats
    left = np.array([d for d in np.flatnonzero(whole) if d not in biased], dtype=np.intp)
    turning = np.flatnonzero(ends.repeats)
    keep = np.array([d not in biased and not ends.seen[d] for d in turning], dtype=bool)
    if len(left) <= MOST_COORDINATES:
        as_cv = {titles[d]: {"kind": "coordinate", "index": int(d)} for d in left}
        names = tuple(titles[d] for d in [*turning[keep], *left])
        return (
            names,
            int(keep.sum()),
            lambda x: np.hstack([ends.angles(x)[:, keep], x[:, left]]),
            as_cv,
        )
    parts = np.array_split(left, MOST_COORDINATES)
    mean = np.zeros((system.n_dof, len(parts)))
    for k, part in enumerate(parts):
        mean[part, k] = 1.0 / len(part)
    groups = tuple(f"mean of {titles[p[0]]} to {titles[p[-1]]}" for p in parts)
    return groups, 0, lambda x: x @ mean, {}


def _cluster(
    alike: NDArray[np.intp], spatial_dim: int, of: str = ""
) -> tuple[tuple[str, ...], Read]:
    """Pair distances of particles that are alike by rank, evenly spread over all ranks."""
    first, second = np.triu_indices(len(alike), k=1)
    i, j = alike[first], alike[second]
    rank = np.unique(np.linspace(0, len(i) - 1, min(MOST_DISTANCES, len(i))).astype(np.intp))

    def distances(x: Array) -> Array:
        p = x.reshape(len(x), -1, spatial_dim)
        return np.sort(np.linalg.norm(p[:, i] - p[:, j], axis=2), axis=1)[:, rank]

    return tuple(f"{of}pair distance {r + 1} of {len(i)}" for r in rank), distances


def _atoms(system: ASESystem) -> tuple[tuple[str, ...], Read]:
    """Those of the atoms of each element, of which there are at least two."""
    symbols = np.array(system.symbols)
    kinds = [s for s in dict.fromkeys(system.symbols) if (symbols == s).sum() > 1]
    parts = [_cluster(np.flatnonzero(symbols == s), 3, f"{s} ") for s in kinds]

    def distances(x: Array) -> Array:
        return np.hstack([np.empty((len(x), 0)), *(read(x) for _, read in parts)])

    return tuple(name for names, _ in parts for name in names), distances


def _molecule(
    system: System, cvs: CVSet, stereo: StereoWatch
) -> tuple[tuple[str, ...], int, Read, Mapping[str, Section]]:
    """ω, torsions and handedness; how many of them are angles."""
    names, atoms = free_torsions(system.topology)
    peptide = {_bond(a): name for a, name in zip(stereo.omega, stereo.omega_names, strict=True)}
    biased = {_bond(np.array(cv.atoms)) for cv in cvs.cvs if isinstance(cv, Dihedral)}
    keep = [k for k, a in enumerate(atoms) if _bond(a) not in biased]
    angles, centres = atoms[keep], stereo.centres
    titles = [peptide.get(_bond(atoms[k]), names[k]) for k in keep]

    def geometry(x: Array) -> Array:
        return np.hstack([torsion_angles(x, angles), handedness(x, centres)])

    as_cv: dict[str, Section] = {
        title: {"kind": "dihedral", "atoms": [int(a) for a in atoms[k]]}
        for k, title in zip(keep, titles, strict=True)
        if _bond(atoms[k]) not in peptide
    }
    return (*titles, *stereo.centre_names), len(titles), geometry, as_cv


def _bond(atoms: NDArray[np.intp]) -> tuple[int, int]:
    """The two middle atoms of a torsion, in either order."""
    a, b = sorted((int(atoms[1]), int(atoms[2])))
    return a, b
