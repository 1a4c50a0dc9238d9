"""Molecular systems from a campaign's ``system:`` section."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.systems.constants import BAR
from msgen.systems.errors import SpecError
from msgen.systems.kinds import SystemSite
from msgen.systems.openmm.obc import use_native_obc
from msgen.systems.openmm.platforms import check_platform, quick_platform
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.openmm.structure import Molecule, read_molecule
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


def check_pressure(molecule: Molecule, pressure: object) -> None:
    """See that there is a box that can change, and nothing that would stay behind.

    Raises
    ------
    SpecError
    """
    field = ("system", "pressure")
    if molecule.box is None:
        what = "needs a periodic box, and there is none"
        raise SpecError(field, pressure, what, "Remove it, or solvate the molecule in a box")
    model = molecule.system
    still = [
        k
        for k in range(model.getNumParticles())
        if model.getParticleMass(k)._value == 0 and not model.isVirtualSite(k)
    ]
    if still:
        what = f"cannot be kept where atoms stand still: {len(still):,} have no mass"
        raise SpecError(field, pressure, what, "Give them mass and restraints, or remove it")


def openmm_system(
    site: SystemSite,
    *,
    temperature: float,
    timestep: float,
    friction: float,
    platform: str,
    minimize: bool,
    pressure: float | None = None,
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
    pressure : float, optional
        bar; constant volume by default.
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
    pressed = None if pressure is None else pressure * BAR
    if pressed is not None:
        check_pressure(molecule, pressure)
    system = OpenMMSystem(molecule, temperature, timestep, friction, wanted, relaxed, pressed)
    u, f = system.energy_and_force(system.initial())
    if not np.isfinite(u[0]) or not np.isfinite(f).all():
        raise SpecError(
            *source.positions_from,
            "has no finite energy: atoms overlap",
            "Repair the structure, or write minimize: true",
        )
    return system
