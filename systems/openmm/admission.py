"""Which forces of a System are sampled as they are, and which are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgen.systems.errors import SpecError
from msgen.systems.kinds import Field

POTENTIALS = frozenset(
    [
        "ATMForce",
        "AmoebaGeneralizedKirkwoodForce",
        "AmoebaMultipoleForce",
        "AmoebaTorsionTorsionForce",
        "AmoebaVdwForce",
        "AmoebaWcaDispersionForce",
        "CMAPTorsionForce",
        "ConstantPotentialForce",
        "CustomAngleForce",
        "CustomBondForce",
        "CustomCVForce",
        "CustomCentroidBondForce",
        "CustomCompoundBondForce",
        "CustomExternalForce",
        "CustomGBForce",
        "CustomHbondForce",
        "CustomManyParticleForce",
        "CustomNonbondedForce",
        "CustomTorsionForce",
        "CustomVolumeForce",
        "GBSAOBCForce",
        "GayBerneForce",
        "HarmonicAngleForce",
        "HarmonicBondForce",
        "HippoNonbondedForce",
        "LCPOForce",
        "NonbondedForce",
        "OrientationRestraintForce",
        "PeriodicTorsionForce",
        "PythonForce",
        "RBTorsionForce",
        "RGForce",
        "RMSDForce",
        "TorchForce",
    ]
)
"""Energies that are functions of positions (and of parameters) only."""

_REFUSED: Mapping[str, tuple[str, str]] = {
    "AndersenThermostat": (
        "it is a second thermostat beside ours",
        "Remove it: the temperature is set by `temperature:`",
    ),
    "DrudeForce": (
        "Drude particles need an integrator that keeps them cold",
        "Take a force field of fixed charges",
    ),
    "PlumedForce": (
        "it may remember where the molecule was",
        "Remove it, and say in cvs: and strategy: what is to be biased",
    ),
}
_BAROSTAT = (
    "it would change the box behind the back of a Metropolis test",
    "Remove it, and write pressure: 1 bar",
)
_UNKNOWN = (
    "nothing is known of what it needs of an integrator",
    "Remove it, or express it by forces that OpenMM ships",
)


def admit(system: Any, origin: tuple[Field, object]) -> None:
    """Refuse what our integrators do not sample; drop the removal of centre-of-mass motion.

    Parameters
    ----------
    system : openmm.System
        Changed in place: a CMMotionRemover changes momenta behind the back of a Metropolis test.
    origin : tuple
        Where the campaign says which forces it has, and what it says there.

    Raises
    ------
    SpecError
        Naming the force.
    """
    for k in reversed(range(system.getNumForces())):
        force = system.getForce(k)
        # a force of a plug-in whose Python module is not loaded has no class but its name
        kind = type(force).__name__ if type(force).__name__ != "Force" else force.getName()
        if kind == "CMMotionRemover":
            system.removeForce(k)
        elif kind not in POTENTIALS:
            why, remedy = _BAROSTAT if "Barostat" in kind else _REFUSED.get(kind, _UNKNOWN)
            raise SpecError(*origin, f"has a {kind}: {why}", remedy)
