"""Generative models and their fitting."""

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
