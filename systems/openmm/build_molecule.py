"""Molecular systems from a campaign's ``system:`` section."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.systems.errors import SpecError
from msgen.systems.kinds import SystemSite
from msgen.systems.openmm.obc import use_native_obc
from msgen.systems.openmm.platforms import check_platform, quick_platform
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.openmm.structure import read_molecule
from msgen.systems.openmm.system import OpenMMSystem


def wanted_platform(site: SystemSite, platform: str, n_particles: int) -> str:
    """The platform to build on: 'auto', or one that is installed.

    Raises
    ------
    SpecError
        If it is not installed.
    """
    wanted = site.platform or platform
    if wanted == "any":
        return quick_platform(n_particles)
    return wanted if wanted == "auto" else check_platform(wanted)


def openmm_system(
    site: SystemSite,
    *,
    temperature: float,
    timestep: float,
    friction: float,
    platform: str,
    minimize: bool,
    **files_and_forces: Any,
) -> OpenMMSystem:
    """Build a ``kind: openmm`` system.

    Parameters
    ----------
    site : SystemSite
    temperature, timestep, friction : float
        K, ps, 1/ps.
    platform : str
    minimize : bool
    **files_and_forces
        See `msgen.systems.openmm.sources.MoleculeSource`.

    Raises
    ------
    SpecError
    """
    source = MoleculeSource(**files_and_forces)
    molecule = read_molecule(source, site.base_dir)
    wanted = wanted_platform(site, platform, molecule.system.getNumParticles())
    use_native_obc(molecule.system)
    # water that was just put there has gaps and contacts
    relaxed = minimize or source.solvent is not None
    system = OpenMMSystem(molecule, temperature, timestep, friction, wanted, relaxed)
    u, f = system.energy_and_force(system.initial())
    if not np.isfinite(u[0]) or not np.isfinite(f).all():
        raise SpecError(
            *source.positions_from,
            "has no finite energy: atoms overlap",
            "Repair the structure, or write minimize: true",
        )
    return system
