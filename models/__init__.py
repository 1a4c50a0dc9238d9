"""Generative models and their fitting."""

from msgen.models.base import FitReport, GenerativeModel, ModelState
from msgen.models.io import load_state, save_state
from msgen.models.kde import KernelDensity
from msgen.models.mixture import Broad, Defended
from msgen.models.realnvp import RealNVP
from msgen.models.registry import build, load
from msgen.models.score import ScoreModel
from msgen.models.selection import better_on_held_out, compare_on_held_out
from msgen.models.spline_flow import SplineFlow

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
    "better_on_held_out",
    "build",
    "compare_on_held_out",
    "load",
    "load_state",
    "save_state",
]
