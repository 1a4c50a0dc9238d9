"""Alkanes from a campaign's ``system:`` section."""

from __future__ import annotations

import openmm as mm

from msgen.systems.kinds import SystemSite
from msgen.systems.openmm.alkanes import Alkane
from msgen.systems.openmm.build_molecule import wanted_platform
from msgen.systems.openmm.system import OpenMMSystem


def alkane_system(
    site: SystemSite,
    *,
    carbons: int,
    temperature: float,
    timestep: float,
    friction: float,
    constraints: str,
    platform: str,
) -> OpenMMSystem:
    """Build a ``kind: alkane`` system, which starts at the stretched chain's minimum.

    Parameters
    ----------
    site : SystemSite
    carbons : int
    temperature, timestep, friction : float
        K, ps, 1/ps.
    constraints : {'None', 'HBonds'}
    platform : str

    Raises
    ------
    SpecError
        If the platform is not installed.
    """
    molecule = Alkane(carbons).molecule()
    if constraints == "HBonds":
        hold_hydrogens(molecule.system)
    wanted = wanted_platform(site, platform, len(molecule.positions))
    return OpenMMSystem(molecule, temperature, timestep, friction, wanted, minimize=True)


def hold_hydrogens(system: mm.System) -> None:
    """Make the bonds to hydrogens rigid; their terms, which never change then, stay at 0."""
    (bonds,) = (f for f in system.getForces() if isinstance(f, mm.HarmonicBondForce))
    for k in range(bonds.getNumBonds()):
        i, j, length, _ = bonds.getBondParameters(k)
        if min(system.getParticleMass(a)._value for a in (i, j)) < 2:
            system.addConstraint(i, j, length)
            bonds.setBondParameters(k, i, j, length, 0.0)
