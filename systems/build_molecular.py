"""Molecular systems from a campaign's ``system:`` section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.errors import SpecError
from msgen.systems.openmm.obc import use_native_obc
from msgen.systems.openmm.platforms import check_platform, quick_platform
from msgen.systems.openmm.structure import read_molecule
from msgen.systems.openmm.system import OpenMMSystem


def openmm_system(
    spec: Mapping[str, Any], base_dir: Path, platform: str | None = None
) -> OpenMMSystem:
    """Build a ``kind: openmm`` system.

    Parameters
    ----------
    spec : Mapping
        See `msgen.systems.openmm.structure.read_molecule`; and temperature (K), timestep (ps),
        friction (1/ps), platform, minimize.
    base_dir : Path
    platform : str, optional
        The platform chosen earlier in this run; overrides the spec. 'any' takes one that is quick
        to begin with, without measuring: for looking at the system only.

    Raises
    ------
    SpecError
    """
    numbers = {"temperature": 300.0, "timestep": 0.002, "friction": 1.0}
    for key, default in numbers.items():
        value = spec.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise SpecError(("system", key), value, "is not positive", f"Give a positive {key}")
        numbers[key] = float(value)
    wanted = platform or str(spec.get("platform") or "auto")
    if wanted not in ("auto", "any"):
        wanted = check_platform(wanted)
    molecule = read_molecule(spec, base_dir)
    if wanted == "any":
        wanted = quick_platform(molecule.system.getNumParticles())
    use_native_obc(molecule.system)
    system = OpenMMSystem(
        molecule, platform=wanted, minimize=bool(spec.get("minimize", False)), **numbers
    )
    u, f = system.energy_and_force(system.initial())
    if not np.isfinite(u[0]) or not np.isfinite(f).all():
        raise SpecError(
            ("system", "structure" if spec.get("structure") else "coordinates"),
            spec.get("structure") or spec.get("coordinates"),
            "has no finite energy: atoms overlap",
            "Repair the structure, or write minimize: true",
        )
    return system
