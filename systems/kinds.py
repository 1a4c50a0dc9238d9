"""The kinds of systems and of CVs: ours and those of plug-ins, and what is known of each.

Imports neither torch nor OpenMM: the schema asks what a kind is before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgen.systems.plugins import Registry

if TYPE_CHECKING:
    from msgen.systems.base import CV, System

Field = tuple[str | int, ...]


@dataclass(frozen=True)
class SystemSite:
    """Where a system is built.

    Attributes
    ----------
    base_dir : Path
        The campaign file's folder; files are found relative to it.
    platform : str or None
        OpenMM platform chosen earlier in this run, instead of the section's. 'any' takes one that
        is quick to begin with, without measuring: for looking at the system only.
    """

    base_dir: Path
    platform: str | None = None


@dataclass(frozen=True)
class SystemKind:
    """One kind of system; a plug-in names one as its entry point.

    Attributes
    ----------
    name : str
        The ``kind:`` of its section.
    build : callable
        ``build(site, **values)`` with a `SystemSite` and every value that the section holds, but
        for ``kind`` and what is None. The section has checked them; what only a file or a topology
        can tell is raised as a `SpecError`.
    openmm : bool
        Whether it builds a `msgen.systems.openmm.system.OpenMMSystem`, whose walkers OpenMM steps
        one after another. Walkers of all other systems are stepped in batches by our own kernels.
    atoms : bool
        Whether the system has a topology, and CVs of atoms are for it.
    units : bool
        Whether energies are in kJ/mol, lengths in nm and times in ps; the section then has a
        `temperature` in K. Without, energies are in any unit that `kT` is in too.
    section : type, optional
        Of a plug-in, the subclass of `msgen.orchestrator.schema.quantities.Section` that validates
        it. Our own are in `msgen.orchestrator.schema.systems`.
    """

    name: str
    build: Callable[..., System]
    openmm: bool = False
    atoms: bool = False
    units: bool = False
    section: type[Any] | None = None


@dataclass(frozen=True)
class CVSite:
    """Where a CV is built.

    Attributes
    ----------
    system : System
    base_dir : Path
        The campaign file's folder.
    field : tuple
        Where the CV stands in the campaign, for a `SpecError`.
    """

    system: System
    base_dir: Path
    field: Field

    def at(self, *keys: str | int) -> CVSite:
        """The place of a CV within this one."""
        return CVSite(self.system, self.base_dir, (*self.field, *keys))


@dataclass(frozen=True)
class CVKind:
    """One kind of CV; a plug-in names one as its entry point.

    Attributes
    ----------
    name : str
        The ``kind:`` of its section.
    build : callable
        ``build(name, site, **values)`` with a `CVSite` and every value that the section holds, but
        for ``kind``, ``range`` and ``bins``.
    of : {'atoms', 'coordinates', 'any'}
        Which systems it is for: those with a topology, those without, or both.
    feature : bool
        Whether it can be a feature of a diffusion map: what needs no other file.
    section : type, optional
        Of a plug-in, the subclass of `msgen.orchestrator.schema.cvs.CVSection` that validates it.
        Our own are in `msgen.orchestrator.schema.cvs`.
    """

    name: str
    build: Callable[..., CV]
    of: Literal["atoms", "coordinates", "any"] = "any"
    feature: bool = False
    section: type[Any] | None = None


def _ours(path: str) -> Callable[..., Any]:
    """``module:object`` of this package, imported when it is called."""
    module, _, name = path.partition(":")

    def call(*places: Any, **values: Any) -> Any:
        return getattr(import_module(f"msgen.systems.{module}"), name)(*places, **values)

    return call


def _potential(name: str, path: str) -> SystemKind:
    """A potential that takes what its section holds, and needs no files."""
    make = _ours(f"potentials.{path}")

    def build(site: SystemSite, **values: Any) -> System:
        made: System = make(**values)
        return made

    return SystemKind(name, build)


def _through_openmm(name: str, function: str) -> SystemKind:
    return SystemKind(name, _ours(f"openmm.{function}"), openmm=True, atoms=True, units=True)


PARTICLE_KINDS = ("dimer", "polymer")
"""Particles in reduced units that a few numbers describe."""

# in the order in which messages list them
_SYSTEMS = (
    _through_openmm("openmm", "build_molecule:openmm_system"),
    _through_openmm("alkane", "build_alkane:alkane_system"),
    _through_openmm("dimer", "build_particles:dimer_system"),
    _through_openmm("polymer", "build_particles:polymer_system"),
    _potential("double_well", "two_dimensional:DoubleWell"),
    _potential("mueller_brown", "two_dimensional:MuellerBrown"),
    _potential("gaussian_tunnel", "mixtures:GaussianTunnel"),
    _potential("gaussian_mixture", "build:gaussian_mixture"),
    _potential("evolving_double_well", "slow_fast:EvolvingDoubleWell"),
    _potential("variable_barrier", "build:variable_barrier"),
    _potential("many_well", "many_well:ManyWell"),
    _potential("phi4", "phi4:Phi4"),
    _potential("dw4", "clusters:DoubleWellCluster"),
    _potential("lj13", "clusters:LennardJonesCluster"),
    _potential("harmonic_pair", "harmonic_pair:HarmonicPair"),
    SystemKind("python", _ours("potentials.python:python_system")),
    SystemKind("ase", _ours("ase.build:ase_system"), atoms=True, units=True),
)

SYSTEM_KINDS: Registry[SystemKind] = Registry(
    "msgen.systems", SystemKind, {kind.name: kind for kind in _SYSTEMS}
)
"""Systems by the ``kind:`` of their section; entry points of others are `SystemKind`."""

_CVS = (
    CVKind("dihedral", _ours("cvs.build:dihedral"), "atoms", feature=True),
    CVKind("angle", _ours("cvs.build:angle"), "atoms", feature=True),
    CVKind("distance", _ours("cvs.build:distance"), "atoms", feature=True),
    CVKind("rmsd", _ours("cvs.build_superposition:rmsd"), "atoms"),
    CVKind("radius_of_gyration", _ours("cvs.build:radius_of_gyration"), "atoms", feature=True),
    CVKind("coordination", _ours("cvs.build_contacts:coordination"), "atoms", feature=True),
    CVKind("contact_map", _ours("cvs.build_contacts:contact_map"), "atoms"),
    CVKind("native_contacts", _ours("cvs.build_contacts:native_contacts"), "atoms"),
    CVKind("path", _ours("cvs.build_superposition:path"), "atoms"),
    CVKind("ring_pucker", _ours("cvs.build:ring_pucker"), "atoms", feature=True),
    CVKind("principal_radius", _ours("cvs.build_clusters:principal_radius"), "atoms", feature=True),
    CVKind("sorted_distance", _ours("cvs.build_clusters:sorted_distance"), "atoms", feature=True),
    CVKind("steinhardt", _ours("cvs.build_clusters:steinhardt"), "atoms", feature=True),
    CVKind("linear_combination", _ours("cvs.build:linear_combination")),
    CVKind("function", _ours("cvs.build:function")),
    CVKind("coordinate", _ours("cvs.build:coordinate"), "coordinates", feature=True),
    CVKind("mean_coordinate", _ours("cvs.build:mean_coordinate"), "coordinates"),
    CVKind("pair_distances", _ours("cvs.build:pair_distances"), "coordinates"),
    CVKind("potential_energy", _ours("cvs.build:potential_energy"), "coordinates"),
    CVKind("diffusion_map", _ours("cvs.build_diffusion_map:landmark_cv")),
    CVKind("python", _ours("potentials.python:python_cv")),
)

CV_KINDS: Registry[CVKind] = Registry("msgen.cvs", CVKind, {kind.name: kind for kind in _CVS})
"""CVs by the ``kind:`` of their section; entry points of others are `CVKind`."""
