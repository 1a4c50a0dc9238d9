"""Energies, thermodynamic states and collective variables. Imports nothing of msgen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgen.systems.base import CV, CVSet, System, Walkers
    from msgen.systems.build import build_cvs, build_system
    from msgen.systems.errors import SpecError

__all__ = [
    "CV",
    "CVSet",
    "SpecError",
    "System",
    "Walkers",
    "build_cvs",
    "build_system",
]

_MODULES = {
    "CV": "base",
    "CVSet": "base",
    "SpecError": "errors",
    "System": "base",
    "Walkers": "base",
    "build_cvs": "build",
    "build_system": "build",
}


def __getattr__(name: str) -> object:
    # when first asked for: a campaign file is checked without torch
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
