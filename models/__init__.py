"""Generative models and their fitting."""

from msgen.models.base import FitReport, GenerativeModel, ModelState
from msgen.models.coupling.realnvp import RealNVP
from msgen.models.coupling.spline_flow import SplineFlow
from msgen.models.defensive_mixture import Broad, Defended
from msgen.models.kde import KernelDensity
from msgen.models.model_selection import compare_on_held_out
from msgen.models.registry import build, load
from msgen.models.score.model import ScoreModel

__all__ = [
    "Broad",
    "Defended",
    "FitReport",
    "GenerativeModel",
    "KernelDensity",
    "ModelState",
    "RealNVP",
    "ScoreModel",
    "SplineFlow",
    "build",
    "compare_on_held_out",
    "load",
]
