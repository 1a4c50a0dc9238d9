"""The local kernel of systems that are stepped in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgen.actors.kernels.base import Kernel
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Ghmc, Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.systems.base import Array, System
from msgen.systems.errors import SpecError

FIRST_STEP = {"mala": 0.01, "hmc": 0.1}
"""Where the tuning of an analytic system's step size starts, in units of kT and unit mass."""


def local_kernel(
    spec: Mapping[str, Any], system: System, step: float | None, masses: Array | None = None
) -> Kernel:
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
    size = float(given) if not isinstance(given, str) else (step or FIRST_STEP.get(kind, 0.01))
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
