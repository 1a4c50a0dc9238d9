"""What is known of a kind of system and of a kind of CV before one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from msgen.systems.base import CV, System


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
        one after another. All other systems are given batches.
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


Field = tuple[str | int, ...]


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
