"""The engines, chosen by the system: what steps walkers, alone, at several temperatures, on paths.

A system names its engine (`msgen.systems.base.System.engine`); what an engine brings is made by
functions that import it when they are called, since analytic systems need no OpenMM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.actors.engines.base import Engine
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.inertial import InertialEngine
from msgen.actors.engines.local_kernel import local_kernel
from msgen.actors.engines.mass_matrix import PreconditionedEngine
from msgen.actors.engines.sliced import SlicedEngine
from msgen.actors.engines.tempered_base import Heated, HeatedArray
from msgen.actors.kernels.langevin import Langevin
from msgen.actors.slices import Machine
from msgen.systems.base import Array, Walkers
from msgen.systems.errors import SpecError

if TYPE_CHECKING:
    from msgen.actors.kernels.solute import Driver
    from msgen.actors.solute.paths import Route


@dataclass(frozen=True)
class EngineKind:
    """What steps the walkers of one kind of system.

    Attributes
    ----------
    batched : bool
        Whether many walkers are stepped at once; else one after another.
    minimises : bool
        Whether it finds the minimum near a configuration.
    build : callable
        ``build(context, step, masses)``: the engine of a campaign, with the tuned step size and
        the fictitious masses, None for those of the campaign and of the system.
    heated : callable
        ``heated(context, walkers, tau, step, rng)``: rows at several temperatures.
    driver : callable
        ``driver(context, atoms, route)``: a solute driven through its solvent.
    inertial : callable
        ``inertial(context)``: the engine whose walkers go on with their velocities from call to
        call and from order to order, where the local kernel has some.
    """

    batched: bool
    minimises: bool
    build: Callable[[WorkerContext, float | None, Array | None], Engine]
    heated: Callable[
        [WorkerContext, Walkers, Array, Array | None, np.random.Generator],
        Heated,
    ]
    driver: Callable[[WorkerContext, NDArray[np.intp], Route], Driver]
    inertial: Callable[[WorkerContext], Engine]


def engine_kind(context: WorkerContext) -> EngineKind:
    """That of the campaign's system."""
    return ENGINES[context.system.engine]


def build_engine(context: WorkerContext, step: float | None, masses: Array | None = None) -> Engine:
    """The engine for this worker, whose calls are slices of the order in hand if it can be put
    back to where it stood."""
    return _sliced(context, engine_kind(context).build(context, step, masses))


def build_inertial_engine(context: WorkerContext) -> Engine:
    """The engine of trajectories, in slices as `build_engine` has it."""
    return _sliced(context, engine_kind(context).inertial(context))


def _sliced(context: WorkerContext, engine: Engine) -> Engine:
    if context.slices is not None and isinstance(engine, Machine):
        return SlicedEngine(engine, context.slices)
    return engine


def _batched(context: WorkerContext, step: float | None, masses: Array | None) -> Engine:
    spec = context.setup["strategy"]["local"]
    if masses is not None and masses.ndim == 2:
        return PreconditionedEngine(
            context.system, context.cvs, lambda s: local_kernel(spec, s, step), masses
        )
    kernel = local_kernel(spec, context.system, step, masses)
    return ArrayEngine(context.system, context.cvs, kernel, masses)


def _batched_inertial(context: WorkerContext) -> Engine:
    kernel = local_kernel(context.setup["strategy"]["local"], context.system, None)
    if isinstance(kernel, Langevin):
        return InertialEngine(context.system, context.cvs, kernel)
    return ArrayEngine(context.system, context.cvs, kernel)


def _batched_driver(context: WorkerContext, atoms: NDArray[np.intp], route: Route) -> Driver:
    from msgen.actors.solute.paths import ArrayDriver

    return ArrayDriver(context.system, atoms, route)


def _openmm(context: WorkerContext, step: float | None, masses: Array | None) -> Engine:
    """Made once a worker, since its Contexts are dear."""
    if "engine" not in context.cache:
        from msgen.actors.engines.molecule import molecule
        from msgen.actors.engines.openmm import MoleculeEngine

        spec = context.setup["strategy"]["local"]
        if spec["kind"] not in ("langevin", "ghmc"):
            raise SpecError(
                ("strategy", "local", "kind"),
                spec["kind"],
                "is not for molecules",
                "Use langevin or ghmc",
            )
        context.cache["engine"] = MoleculeEngine(
            molecule(context), context.cvs, spec["kind"], spec["timestep"], spec["friction"]
        )
    engine: Engine = context.cache["engine"]
    return engine


def _openmm_inertial(context: WorkerContext) -> Engine:
    # it keeps velocities wherever walkers have some
    return _openmm(context, None, None)


def _openmm_heated(
    context: WorkerContext,
    walkers: Walkers,
    tau: Array,
    step: Array | None,
    rng: np.random.Generator,
) -> Heated:
    from msgen.actors.engines.tempered_openmm import HeatedMolecule

    return HeatedMolecule(context, walkers, tau, rng, pressed=True)


def _openmm_driver(context: WorkerContext, atoms: NDArray[np.intp], route: Route) -> Driver:
    """Made once a worker and route."""
    if "solute_driver" not in context.cache or context.cache["solute_driver"].route != route:
        from msgen.actors.engines.molecule import molecule
        from msgen.actors.solute.openmm_legs import MoleculeDriver

        driver = MoleculeDriver(molecule(context), context.cvs, atoms, route)
        context.cache["solute_driver"] = driver
    made: Driver = context.cache["solute_driver"]
    return made


ENGINES: Mapping[str, EngineKind] = {
    "batched": EngineKind(True, False, _batched, HeatedArray, _batched_driver, _batched_inertial),
    "openmm": EngineKind(False, True, _openmm, _openmm_heated, _openmm_driver, _openmm_inertial),
}
"""By `System.engine`."""
