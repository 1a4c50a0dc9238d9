"""Energies, thermodynamic states and collective variables. Imports nothing of msgen."""

from __future__ import annotations

from msgen.systems.base import CV, CVSet, System, Walkers
from msgen.systems.build import build_system
from msgen.systems.build_cvs import build_cvs
from msgen.systems.errors import SpecError
from msgen.systems.openmm.restraint import Restraint

__all__ = [
    "CV",
    "CVSet",
    "Restraint",
    "SpecError",
    "System",
    "Walkers",
    "build_cvs",
    "build_system",
]
