"""What a ``kind: openmm`` section says of a molecule's files and of its forces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgen.systems.kinds import Field


@dataclass(frozen=True)
class MoleculeSource:
    """The files of a molecule, and how its forces are made of them.

    Attributes
    ----------
    constraints, nonbonded : str
        As OpenMM spells them; `nonbonded` may be 'auto'.
    rigid_water : bool
    structure, topology, coordinates, system_xml : str
        Files, relative to the campaign's folder; '' for what is not given.
    forcefield : sequence of str
        Force-field files, shipped with OpenMM or beside the campaign file.
    cutoff : float, optional
        nm.
    implicit_solvent : str, optional
        Of an Amber or CHARMM topology.
    hydrogen_mass : float, optional
        g/mol.
    parameters : sequence of str
        Parameter files of a CHARMM topology.
    include_dir : str
        Where a Gromacs topology's includes are looked for.
    defines : sequence of str
        Of a Gromacs topology, ``NAME`` or ``NAME=VALUE``.
    factory : str
        ``module:function`` that returns topology, System and positions.
    arguments : Mapping
        Of the factory.
    box : sequence of float, optional
        Sides of a rectangular box instead of that of the files, nm.
    solvent : Mapping, optional
        The ``solvent:`` section: what is put around a structure.
    restraints : sequence of Mapping
        The ``restraints:`` of positions.
    """

    constraints: str
    rigid_water: bool
    nonbonded: str
    structure: str = ""
    forcefield: Sequence[str] = ()
    topology: str = ""
    coordinates: str = ""
    system_xml: str = ""
    cutoff: float | None = None
    implicit_solvent: str | None = None
    hydrogen_mass: float | None = None
    parameters: Sequence[str] = ()
    include_dir: str = ""
    defines: Sequence[str] = ()
    factory: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    box: Sequence[float] | None = None
    solvent: Mapping[str, Any] | None = None
    restraints: Sequence[Mapping[str, Any]] = ()

    @property
    def forces_from(self) -> tuple[Field, object]:
        """The field that the forces come from, and what it says."""
        if self.system_xml:
            return ("system", "system_xml"), self.system_xml
        if self.topology:
            return ("system", "topology"), self.topology
        if self.factory:
            return ("system", "factory"), self.factory
        return ("system", "forcefield"), list(self.forcefield)

    @property
    def positions_from(self) -> tuple[Field, str]:
        """The field that the positions come from, and the file that it names."""
        key = "coordinates" if self.topology else "factory" if self.factory else "structure"
        return ("system", key), getattr(self, key)
