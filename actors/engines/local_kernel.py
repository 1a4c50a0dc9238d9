"""The local kernel of systems that are stepped in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgen.actors.kernels.chain import ChainKernel
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Ghmc, Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.systems.base import Array, System
from msgen.systems.errors import SpecError

TUNED = ("mala", "hmc")
"""Kinds whose step size can be tuned."""
_WITHOUT_UNITS = {"mala": 0.01, "hmc": 0.1}
"""Where the tuning of an analytic system's step size starts, in units of kT and unit mass."""


def own_timestep(system: System) -> float | None:
    """What a system of atoms says its dynamics bear, ps; None for an analytic one."""
    given: float | None = getattr(system, "timestep", None)
    return given


def first_step(kind: str, timestep: float | None) -> float:
    """Where the tuning of a step size starts.

    Parameters
    ----------
    kind : str
        Of the local moves.
    timestep : float or None
        See `own_timestep`. A move of MALA goes as far as one such step, its own being Δt²/2.
    """
    if timestep is None:
        return _WITHOUT_UNITS.get(kind, 1.0)
    return 0.5 * timestep**2 if kind == "mala" else timestep


def paced(kernel: ChainKernel, pace: Array) -> ChainKernel:
    """`kernel` whose moves go `pace`, shape (n,), as far for each walker.

    That of dynamics goes by the clock, and stays.
    """
    if isinstance(kernel, Hmc):
        return replace(kernel, dt=kernel.dt * pace[:, None])
    if isinstance(kernel, Mala):  # a move goes as far as the root of its step
        return replace(kernel, dt=kernel.dt * pace[:, None] ** 2)
    return kernel


def local_kernel(
    spec: Mapping[str, Any], system: System, step: float | None, masses: Array | None = None
) -> ChainKernel:
    """The local kernel of an analytic or Python system.

    Parameters
    ----------
    spec : Mapping
        The campaign's `strategy.local`; langevin and ghmc have `timestep` and `friction` as floats.
    step : float or None
        Its tuned step size; None where the campaign gives one.
    masses : Array, shape (D,), or None
        Fictitious masses, tuned so that all coordinates are about as fast; the system's own if
        None. Momenta are integrated out, so that no density depends on them.

    Raises
    ------
    SpecError
        For dynamics that are not known.
    """
    kind = spec["kind"]
    mass = system.masses if masses is None else masses
    if kind in ("langevin", "ghmc"):
        make = Langevin if kind == "langevin" else Ghmc
        return make(float(spec["timestep"]), float(spec["friction"]), mass, system.kT)
    if kind == "overdamped":
        return Overdamped(float(spec["step_size"]), system.kT / mass)
    given = spec.get("step_size", "auto")
    begun = step or first_step(kind, own_timestep(system))
    size = begun if isinstance(given, str) else float(given)
    if kind == "mala":
        return Mala(size, system.kT / mass)
    if kind == "hmc":
        return Hmc(size, int(spec["leapfrog"]), mass, system.kT, jitter=0.2)
    raise SpecError(
        ("strategy", "local", "kind"),
        kind,
        "is not known",
        "Use langevin, ghmc, mala, hmc or overdamped for an analytic system",
    )
