"""Generative models and their fitting."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgen.models.base import FitReport, GenerativeModel, ModelState, Space
    from msgen.models.defensive_mixture import Broad, Defended
    from msgen.models.model_selection import compare_on_held_out
    from msgen.models.registry import build, load

__all__ = [
    "Broad",
    "Defended",
    "FitReport",
    "GenerativeModel",
    "ModelState",
    "Space",
    "build",
    "compare_on_held_out",
    "load",
]

_MODULES = {
    "Broad": "defensive_mixture",
    "Defended": "defensive_mixture",
    "FitReport": "base",
    "GenerativeModel": "base",
    "ModelState": "base",
    "Space": "base",
    "build": "registry",
    "compare_on_held_out": "model_selection",
    "load": "registry",
}


def __getattr__(name: str) -> object:
    # when first asked for: a campaign file is checked without numpy
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
