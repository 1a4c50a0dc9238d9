"""Generative models and their fitting."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgen.models.base import (
        FitReport,
        GenerativeModel,
        ModelState,
        Space,
        StepModel,
        TrajectoryModel,
    )
    from msgen.models.defensive_mixture import Broad, Defended
    from msgen.models.model_selection import compare_on_held_out
    from msgen.models.registry import (
        build,
        build_step_model,
        build_trajectory_model,
        load,
        load_step_model,
        load_trajectory_model,
    )

__all__ = [
    "Broad",
    "Defended",
    "FitReport",
    "GenerativeModel",
    "ModelState",
    "Space",
    "StepModel",
    "TrajectoryModel",
    "build",
    "build_step_model",
    "build_trajectory_model",
    "compare_on_held_out",
    "load",
    "load_step_model",
    "load_trajectory_model",
]

_MODULES = {
    "Broad": "defensive_mixture",
    "Defended": "defensive_mixture",
    "FitReport": "base",
    "GenerativeModel": "base",
    "ModelState": "base",
    "Space": "base",
    "StepModel": "base",
    "TrajectoryModel": "base",
    "build": "registry",
    "build_step_model": "registry",
    "build_trajectory_model": "registry",
    "compare_on_held_out": "model_selection",
    "load": "registry",
    "load_step_model": "registry",
    "load_trajectory_model": "registry",
}


def __getattr__(name: str) -> object:
    # when first asked for: a campaign file is checked without numpy
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
