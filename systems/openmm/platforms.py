"""Which OpenMM platform to run on: measured, not guessed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm as mm

from msgen.systems.base import Array
from msgen.systems.errors import SpecError, first_line
from msgen.systems.kinds import Field

_REFERENCE_LIMIT = 4000
"""Atoms beyond which Reference, quadratic in them, is not worth a measurement."""


_QUICK_LIMIT = 300
"""Atoms up to which Reference is quick even to minimise with."""


@dataclass(frozen=True)
class PlatformChoice:
    """The fastest platform and what was measured.

    Attributes
    ----------
    name : str
    us_per_step : Mapping of platform name to microseconds a step
        Platforms that failed are left out.
    """

    name: str
    us_per_step: Mapping[str, float]


def platform_names() -> list[str]:
    """The platforms of this OpenMM installation, fastest kind first."""
    n = mm.Platform.getNumPlatforms()
    platforms = [mm.Platform.getPlatform(i) for i in range(n)]
    return [p.getName() for p in sorted(platforms, key=lambda p: -float(p.getSpeed()))]


def platform_properties(name: str) -> dict[str, str]:
    """What a Context is made with: threads pinned to OPENMM_CPU_THREADS or 1, mixed precision."""
    if name == "CPU":
        return {"Threads": os.environ.get("OPENMM_CPU_THREADS", "1")}
    if name in ("CUDA", "OpenCL", "HIP"):
        return {"Precision": "mixed"}
    return {}


def make_context(system: Any, integrator: Any, name: str) -> Any:
    """An OpenMM Context on the named platform."""
    platform = mm.Platform.getPlatformByName(name)
    return mm.Context(system, integrator, platform, platform_properties(name))


def first_context(system: Any, timestep: float, name: str, origin: tuple[Field, object]) -> Any:
    """A Context for single points of a System that nobody has looked at yet.

    Parameters
    ----------
    system : openmm.System
    timestep : float
        ps.
    name : str
        Of a platform.
    origin : tuple
        Where the campaign says which forces it has, and what it says there.

    Raises
    ------
    SpecError
        With OpenMM's words, where it cannot make it.
    """
    try:
        return make_context(system, mm.VerletIntegrator(timestep), name)
    except mm.OpenMMException as error:
        raise SpecError(*origin, *_in_words(error, name)) from error


def _in_words(error: Exception, name: str) -> tuple[str, str]:
    """What is wrong with a System, and what to do."""
    text = first_line(error)
    if "default values for the parameter" in text:
        return f"OpenMM takes it for two: {text}", "Give one of the two parameters another name"
    return (
        f"OpenMM cannot run it on the {name} platform: {text}",
        "Check the System with OpenMM itself, or write another platform:",
    )


def quick_platform(n_particles: int) -> str:
    """A platform that is there everywhere and quick for a few evaluations."""
    small = n_particles <= _QUICK_LIMIT or "CPU" not in platform_names()
    return "Reference" if small else "CPU"


def check_platform(name: str) -> str:
    """`name`, spelt as OpenMM spells it.

    Raises
    ------
    SpecError
        If this installation has no such platform.
    """
    names = platform_names()
    for known in names:
        if known.lower() == name.lower():
            return known
    raise SpecError(
        ("system", "platform"), name, "is not installed", f"Use auto, or one of {', '.join(names)}"
    )


def microseconds_a_step(
    system: Any, positions: Array, box: Array | None, timestep: float, name: str, seconds: float
) -> float:
    """What a step of Langevin dynamics takes on a platform, measured for about so many seconds."""
    integrator = mm.LangevinMiddleIntegrator(300.0, 1.0, timestep)
    integrator.setRandomNumberSeed(1)
    context = make_context(system, integrator, name)
    if box is not None:
        context.setPeriodicBoxVectors(*box.tolist())
    context.setPositions(np.ascontiguousarray(positions.reshape(-1, 3)))
    integrator.step(1)
    context.getState(positions=True)
    steps, elapsed = 1, 0.0
    while True:
        begin = time.perf_counter()
        integrator.step(steps)
        context.getState(positions=True)
        elapsed = time.perf_counter() - begin
        if elapsed >= 0.5 * seconds or steps >= 100_000:
            return 1e6 * elapsed / steps
        steps = int(min(max(2.0, 0.8 * seconds / max(elapsed / steps, 1e-7)), 100_000))


def choose_platform(
    system: Any,
    positions: Array,
    box: Array | None,
    timestep: float,
    origin: tuple[Field, object] = (("system",), ""),
    seconds: float = 0.15,
) -> PlatformChoice:
    """Step the system for a moment on every platform and take the fastest.

    Parameters
    ----------
    system : openmm.System
    positions : Array, shape (3N,)
    box : Array, shape (3, 3), or None
    timestep : float
        ps.
    origin : tuple
        Where the campaign says which forces it has, and what it says there.
    seconds : float
        Time to spend on each platform, besides making its Context.

    Raises
    ------
    SpecError
        If no platform can run the system.
    """
    measured: dict[str, float] = {}
    problems: list[str] = []
    for name in platform_names():
        if name == "Reference" and measured and system.getNumParticles() > _REFERENCE_LIMIT:
            continue
        try:
            measured[name] = microseconds_a_step(system, positions, box, timestep, name, seconds)
        except Exception as error:  # a listed platform may have no device or no kernel
            problems.append(f"{name}: {error}")
    if not measured:
        what = "no platform of this OpenMM can run it: " + "; ".join(problems)
        raise SpecError(*origin, what, "Check the System with OpenMM itself")
    return PlatformChoice(min(measured, key=lambda k: measured[k]), measured)
