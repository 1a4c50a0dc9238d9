"""A campaign's solute: its atoms, what the model sees of it, and how it is driven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.actors.engines.molecule import molecule
from msgen.actors.engines.registry import engine_kind
from msgen.actors.kernels.solute import Driver, Screen, SoluteMove
from msgen.actors.solute.paths import Route
from msgen.models.base import Drawn
from msgen.systems.base import Array, System
from msgen.systems.coordinates.chain_placement import KINDS, Placement
from msgen.systems.errors import SpecError
from msgen.systems.topology.atom_selection import resolve_atoms

KEPT = 0.95
"""Quantile of the draws' weights above which the screen keeps them all."""
SAMPLE = 2000
"""Draws that this quantile is taken of."""


@dataclass(frozen=True)
class SoluteCoordinates:
    """Internal coordinates of the solute as what a model sees; meets `Encoding`.

    Attributes
    ----------
    atoms : int array, shape (M,)
    placement : Placement
    """

    atoms: NDArray[np.intp]
    placement: Placement

    @classmethod
    def of(cls, strategy: Mapping[str, Any], system: System) -> SoluteCoordinates:
        """As the campaign's `strategy:` section has them.

        Raises
        ------
        SpecError
            For atoms that are not there, fewer than three, or a system that is not in space.
        """
        where, spec = ("strategy", "solute"), strategy["solute"]
        topology = system.topology
        if topology is not None:
            atoms = resolve_atoms(spec, topology, where)
        else:
            atoms = _points(spec, system, where)
        if len(atoms) < 3:
            raise SpecError(where, spec, "has no shape to propose", "Name at least three atoms")
        kind = strategy.get("coordinates", "auto")
        kind = KINDS[0] if kind == "auto" else kind
        return cls(np.array(atoms, dtype=np.intp), Placement(len(atoms), kind))

    @property
    def dim(self) -> int:
        """3M − 6."""
        return self.placement.dim

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Torsions are."""
        return self.placement.periodic

    def encode(self, positions: Array) -> Array:
        """Configurations (n, D) → (n, dim)."""
        return self.placement.encode(positions.reshape(len(positions), -1, 3)[:, self.atoms])


def _points(spec: Any, system: System, where: tuple[str, str]) -> tuple[int, ...]:
    """Indices of points of a system without a topology, three coordinates each."""
    if system.n_dof % 3:
        what = f"needs points in space, and {system.n_dof} coordinates are not three each"
        raise SpecError(where, spec, what, "Leave solute out")
    n = system.n_dof // 3
    listed = spec if isinstance(spec, list | tuple) else [spec]
    if not all(isinstance(i, int) and 0 <= i < n for i in listed) or len(set(listed)) < len(listed):
        raise SpecError(where, spec, "are no points of this system", f"List some of 0 … {n - 1}")
    return tuple(listed)


def solute_coordinates(context: WorkerContext) -> SoluteCoordinates:
    """Of the campaign, once per worker."""
    if "solute_coordinates" not in context.cache:
        found = SoluteCoordinates.of(context.setup["strategy"], context.system)
        context.cache["solute_coordinates"] = found
    made: SoluteCoordinates = context.cache["solute_coordinates"]
    return made


def route_of(path: Mapping[str, Any]) -> Route:
    """How a campaign's solute path runs."""
    return Route(int(path["steps"]), float(path["timestep"]), float(path["friction"]))


def solute_move(context: WorkerContext, proposal: Drawn, version: int) -> SoluteMove:
    """The move of a campaign with this proposal, the defended model of `version`."""
    coordinates, path = solute_coordinates(context), context.setup["strategy"]["solute_path"]
    move = SoluteMove(
        coordinates.atoms,
        coordinates.placement,
        proposal,
        _driver(context, route_of(path)),
        path["orientation"],
    )
    if not (path["screen"] and context.system.engine == "openmm"):
        return move
    key = f"solute_screen_{version}"
    if key not in context.cache:
        context.cache[key] = _screen(context, move)
    return replace(move, screen=context.cache[key])


def _screen(context: WorkerContext, move: SoluteMove) -> Screen:
    """By the energy of the solute alone, at a level that is a function of the model only."""
    # here: an analytic system needs no OpenMM
    from msgen.systems.openmm.subsystem_energy import SoluteAlone

    system = molecule(context)
    energy = SoluteAlone(system.openmm_system, move.atoms, system.kT)
    x, log_q = move.draw_shapes(SAMPLE, np.random.default_rng(0))
    with np.errstate(invalid="ignore"):
        log_w = -energy(x) - log_q
    known = log_w[np.isfinite(log_w)]
    return Screen(energy, -float(np.quantile(known, KEPT)) if len(known) else 0.0)


def _driver(context: WorkerContext, route: Route) -> Driver:
    atoms = solute_coordinates(context).atoms
    return engine_kind(context).driver(context, atoms, route)
