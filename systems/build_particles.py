"""Particles in reduced units from a campaign's ``system:`` section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import openmm as mm

from msgen.systems.base import Array
from msgen.systems.build_targets import positive
from msgen.systems.errors import SpecError
from msgen.systems.openmm.dimer import Dimer
from msgen.systems.openmm.integrators import middle
from msgen.systems.openmm.platforms import check_platform, quick_platform
from msgen.systems.openmm.polymer import SOLVENT, Polymer, default_box
from msgen.systems.openmm.seeds import openmm_seed
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import BOLTZMANN, OpenMMSystem

TIMESTEP, FRICTION = 0.005, 1.0
"""With it Verlet keeps the energy of the published dimer to 0.01 kT, of the polymer to 0.03 kT."""

_SEED = 1
_STEPS, _DT = 400, 0.002
"""Of the short run that shakes the lattice; at a friction of 10, so that it is warm soon."""


def _count(spec: Mapping[str, Any], key: str, default: int, least: int) -> int:
    value = spec.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecError(("system", key), value, "is no such number", f"Give at least {least}")
    return value


def _state(spec: Mapping[str, Any]) -> Literal["compact", "stretched"]:
    start = spec.get("start") or "compact"
    if start == "compact":
        return "compact"
    if start == "stretched":
        return "stretched"
    raise SpecError(("system", "start"), start, "is no state", "Give compact or stretched")


def particles(spec: Mapping[str, Any]) -> Dimer | Polymer:
    """The model of a ``kind: dimer`` or ``kind: polymer`` section, without a temperature.

    Raises
    ------
    SpecError
    """
    if spec["kind"] == "dimer":
        return Dimer(
            _count(spec, "particles", 100, 2),
            positive(spec, "box", 15.0),
            positive(spec, "h", 2.0),
            positive(spec, "w", 2.0),
        )
    solvent = _count(spec, "solvent", SOLVENT, 0)
    return Polymer(
        solvent,
        positive(spec, "box", default_box(solvent)),
        positive(spec, "k", 9.1),
        positive(spec, "alpha", 0.8),
    )


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


def particle_system(spec: Mapping[str, Any], platform: str | None = None) -> OpenMMSystem:
    """Build a ``kind: dimer`` or ``kind: polymer`` system.

    Lengths are in nm = σ, energies in kJ/mol = ε, times in ps = σ√(m/ε).

    Parameters
    ----------
    spec : Mapping
        dimer {particles, box, h, w, kT}; polymer {solvent, box, k, alpha, kT}; both {start:
        compact | stretched, timestep, friction, platform}.
    platform : str, optional
        The platform chosen earlier in this run; overrides the spec. 'any' takes one that is quick
        to begin with, without measuring.

    Raises
    ------
    SpecError
        Naming the field, the value and the remedy.
    """
    model = particles(spec)
    kT = positive(spec, "kT", 1.0 if spec["kind"] == "dimer" else 1.3)
    wanted = platform or str(spec.get("platform") or "auto")
    if wanted not in ("auto", "any"):
        wanted = check_platform(wanted)
    molecule = model.molecule(_state(spec), _SEED)
    molecule = replace(molecule, positions=_shaken(molecule, kT))
    if wanted == "any":
        wanted = quick_platform(len(molecule.positions))
    return OpenMMSystem(
        molecule,
        kT / BOLTZMANN,
        positive(spec, "timestep", TIMESTEP),
        positive(spec, "friction", FRICTION),
        platform=wanted,
    )
