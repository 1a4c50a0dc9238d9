"""Particles in reduced units from a campaign's ``system:`` section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import openmm as mm

from msgen.systems.base import Array
from msgen.systems.constants import GAS_CONSTANT
from msgen.systems.kinds import SystemSite
from msgen.systems.openmm.build_molecule import wanted_platform
from msgen.systems.openmm.dimer import Dimer
from msgen.systems.openmm.integrators import middle
from msgen.systems.openmm.polymer import SOLVENT, Polymer, default_box
from msgen.systems.openmm.seeds import openmm_seed
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

_SEED = 1
_STEPS, _DT = 400, 0.002
"""Of the short run that shakes the lattice; at a friction of 10, so that it is warm soon."""


def _polymer(box: float | None = None, solvent: int = SOLVENT, **shape: float) -> Polymer:
    return Polymer(solvent, default_box(solvent) if box is None else box, **shape)


_MODELS: Mapping[str, Callable[..., Dimer | Polymer]] = {"dimer": Dimer, "polymer": _polymer}
_SHAPE = {"dimer": ("particles", "box", "h", "w"), "polymer": ("solvent", "box", "k", "alpha")}


def particles(spec: Mapping[str, Any]) -> Dimer | Polymer:
    """The model of a ``kind: dimer`` or ``kind: polymer`` section, without a temperature."""
    shape = {key: spec[key] for key in _SHAPE[spec["kind"]] if key in spec}
    return _MODELS[spec["kind"]](**shape)


def _shaken(molecule: Molecule, kT: float) -> Array:
    """Minimised positions after a short run, shape (N, 3): the same on every machine.

    On the Reference platform, and rounded to what the last digits of the arithmetic do not reach.
    """
    free = np.ones(molecule.positions.shape, bool) if molecule.free is None else molecule.free
    integrator = middle(kT, 10.0, _DT, free)
    integrator.setRandomNumberSeed(openmm_seed(_SEED))
    context = mm.Context(molecule.system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.ascontiguousarray(molecule.positions))
    mm.LocalEnergyMinimizer.minimize(context, 10.0, 200)
    integrator.step(_STEPS)
    x: Array = np.array(context.getState(positions=True).getPositions(asNumpy=True)._value)
    return np.round(x, 4)


def _particle_system(
    kind: str,
    site: SystemSite,
    *,
    kT: float,
    start: Literal["compact", "stretched"],
    timestep: float,
    friction: float,
    platform: str,
    **shape: Any,
) -> OpenMMSystem:
    molecule = particles({"kind": kind, **shape}).molecule(start, _SEED)
    wanted = wanted_platform(site, platform, len(molecule.positions))
    molecule = replace(molecule, positions=_shaken(molecule, kT))
    return OpenMMSystem(molecule, kT / GAS_CONSTANT, timestep, friction, platform=wanted)


def dimer_system(site: SystemSite, **values: Any) -> OpenMMSystem:
    """Build a ``kind: dimer`` system.

    Lengths are in nm = σ, energies in kJ/mol = ε, times in ps = σ√(m/ε).

    Parameters
    ----------
    site : SystemSite
    **values
        Those of a `Dimer`; kT, start ('compact' or 'stretched'), timestep, friction and platform.

    Raises
    ------
    SpecError
        If the particles do not fit into the box, or the platform is not installed.
    """
    return _particle_system("dimer", site, **values)


def polymer_system(site: SystemSite, **values: Any) -> OpenMMSystem:
    """Build a ``kind: polymer`` system; as `dimer_system`, with the values of a `Polymer`.

    The box is by default that of the published density.
    """
    return _particle_system("polymer", site, **values)
