"""The engine of a campaign, from its plain spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgen.actors.context import WorkerContext
from msgen.actors.engines.base import Engine
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.mass_matrix import PreconditionedEngine
from msgen.actors.kernels.base import Kernel
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Ghmc, Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.systems.base import Array, System
from msgen.systems.errors import SpecError

if TYPE_CHECKING:
    from msgen.systems.openmm.system import OpenMMSystem

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


def build_engine(context: WorkerContext, step: float | None, masses: Array | None = None) -> Engine:
    """The engine for this worker; a molecule's is made once, since its Contexts are dear."""
    spec = context.setup["strategy"]["local"]
    if not context.molecular:
        if masses is not None and masses.ndim == 2:
            return PreconditionedEngine(
                context.system, context.cvs, lambda s: local_kernel(spec, s, step), masses
            )
        kernel = local_kernel(spec, context.system, step, masses)
        return ArrayEngine(context.system, context.cvs, kernel, masses)
    if "engine" not in context.cache:
        # here: an analytic system needs no OpenMM
        from msgen.actors.engines.openmm import MoleculeEngine

        system = molecule(context)
        if spec["kind"] not in ("langevin", "ghmc"):
            raise SpecError(
                ("strategy", "local", "kind"),
                spec["kind"],
                "is not for molecules",
                "Use langevin or ghmc",
            )
        context.cache["engine"] = MoleculeEngine(
            system, context.cvs, spec["kind"], spec["timestep"], spec["friction"]
        )
    engine: Engine = context.cache["engine"]
    return engine


def molecule(context: WorkerContext) -> OpenMMSystem:
    """The campaign's system, known to be a molecule."""
    # here: an analytic system needs no OpenMM
    from msgen.systems.openmm.system import OpenMMSystem

    system = context.system
    if not isinstance(system, OpenMMSystem):
        raise TypeError(f"{type(system).__name__} is no OpenMM system")
    return system
