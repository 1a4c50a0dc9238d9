"""What a strategy knows of the campaign: plain numbers, no engine and no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import BroadRange
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.walker_files import START, Shelf
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.marginals import Marginal
from msgen.orchestrator.strategies.common.explorer import Explorer
from msgen.orchestrator.strategies.common.finished_run import FinishedRun
from msgen.systems.base import Array, Walkers
from msgen.systems.unbounded_coordinates import Unbounded

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import System

BATCH = 64
"""Replicas that one order advances together where they are stepped in batches; part of the random
streams."""


@dataclass(frozen=True)
class Problem:
    """The campaign, as the strategies see it.

    Attributes
    ----------
    names : tuple of str
        CVs.
    grid : Grid
        Bins of every CV. As a whole it is the surface where none are asked for; where some are, it
        is never filled, whatever the number of CVs.
    boxes : Mapping or None
        Named states as boxes; None where they are to be found.
    strategy : Mapping
        The campaign's `strategy:` section, in internal units.
    criteria : Criteria
    replicas : int
    seed : int
    start : Walkers
        The one structure.
    start_xi : Array, shape (C,)
    batched : bool
        Whether many walkers are stepped at once, by kernels whose step size and masses can be
        tuned; else one after another, with the time step that is given.
    has_atoms : bool
        Whether a configuration is that of a molecule, which models see in coordinates of its own.
    kT : float
        In the system's unit.
    slopes : Array, shape (C, D)
        (∂ξ/∂x)² of each CV at the start.
    masses : Array, shape (D,)
        The system's own.
    coordinates : bool
        Whether every CV is a coordinate of the configuration itself.
    angles : bool array, shape (D,)
        Coordinates that the CVs know as angles.
    stride : int
        Local steps between two readings of the CVs.
    timestep : float or None
        What the system says its dynamics bear, ps; None for one without atoms.
    ends : Unbounded or None
        Which coordinates repeat, and which nothing confines; None: all are confined.
    watched_names : tuple of str
        What is watched beside the CVs, see `msgen.systems.watched`.
    watched_periodic : bool array
        Which of it are angles.
    watched_as_cv : tuple of str
        What of it could be a CV.
    unwatched : tuple of str
        Coordinates that have no distribution to be watched, see `Unbounded.free`.
    cis : tuple of str
        Peptide bonds that are cis at the start, by name.
    shelf : Shelf or None
        Where walkers lie in files of their own; None where they travel with the orders.
    begun_with : FinishedRun or None
        The finished campaign that the strategy begins with, where it names one.
    explorer : Explorer or None
        The learnt dynamics that goes ahead in the search for states, where one is named.
    surfaces : tuple of tuples of int
        CVs of each surface that is asked for; empty for the one over all that are reported.
    beside : Mapping of str to Beside
        Campaigns of other systems whose orders go along, see `StrategySection.beside`.
    """

    names: tuple[str, ...]
    grid: Grid
    boxes: Mapping[str, Mapping[str, tuple[float, float]]] | None
    strategy: Mapping[str, Any]
    criteria: Criteria
    replicas: int
    seed: int
    start: Walkers
    start_xi: Array
    batched: bool
    has_atoms: bool
    kT: float
    slopes: Array
    masses: Array
    coordinates: bool
    angles: NDArray[np.bool_]
    stride: int
    timestep: float | None = None
    ends: Unbounded | None = None
    watched_names: tuple[str, ...] = ()
    watched_periodic: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    watched_as_cv: tuple[str, ...] = ()
    unwatched: tuple[str, ...] = ()
    cis: tuple[str, ...] = ()
    shelf: Shelf | None = None
    begun_with: FinishedRun | None = None
    explorer: Explorer | None = None
    surfaces: tuple[tuple[int, ...], ...] = ()
    beside: Mapping[str, Beside] = field(default_factory=dict)

    @property
    def any_isomer(self) -> bool:
        """Whether other isomers of the molecule count as well."""
        return bool(self.strategy.get("explore", {}).get("isomers", "exclude") == "include")

    @property
    def on_points(self) -> bool:
        """Whether bias, states and surfaces follow from samples, and no grid holds all CVs."""
        return bool(self.surfaces)

    @property
    def marginals(self) -> tuple[Marginal, ...]:
        """The surfaces: those asked for, or the one on the grid of all CVs."""
        if not self.surfaces:
            return (Marginal(tuple(range(self.dim)), self.grid),)
        return tuple(Marginal.of(self.grid, columns) for columns in self.surfaces)

    @property
    def periodic(self) -> NDArray[np.bool_]:
        return np.array(self.grid.periodic, dtype=bool)

    @property
    def dim(self) -> int:
        return len(self.names)

    @property
    def lower(self) -> Array:
        """Lower end of every CV's range."""
        return np.array([e[0] for e in self.grid.edges])

    @property
    def upper(self) -> Array:
        """Upper end of every CV's range."""
        return np.array([e[-1] for e in self.grid.edges])

    @property
    def scale(self) -> Array:
        """Unit of distance along each CV: 1 rad, or the range over 2π."""
        return np.asarray((self.upper - self.lower) / (2.0 * np.pi))

    @property
    def spacing(self) -> Array:
        """Width of a bin along each CV."""
        return np.asarray((self.upper - self.lower) / np.array(self.grid.shape))

    @property
    def local_g(self) -> Conditional:
        """g of the flattened sampling: σ is one bin, so that a ladder on the grid is smooth."""
        return Conditional(1.0 / self.spacing**2, self.periodic)

    @property
    def batch(self) -> int:
        """Replicas in one order."""
        return BATCH if self.batched else 1

    def stable_step(self, kappa: Array, masses: Array | None) -> float:
        """A time step well inside the stability of velocity Verlet for restraints of `kappa`.

        A restraint's frequency is √(κ kT |∇ξ|²/m); twice its inverse is the limit, a quarter of it
        is returned.
        """
        m = self.masses if masses is None else masses
        inverse = np.divide(1.0, m, out=np.zeros_like(m), where=m > 0)
        stiffest = float(np.max(kappa * (self.slopes @ inverse)))
        return 0.5 / float(np.sqrt(self.kT * stiffest))

    def stiffest(self) -> Array:
        """κ of each CV that the local moves bear as they are, shape (C,).

        Those of dynamics have a time step Δt, of which `stable_step` is to be no less: κ is at most
        1/(4 kT Δt² |∇ξ|²/m); that of overdamped steps, whose κ D Δt |∇ξ|² is to stay below 1/2,
        1/(2 kT Δt |∇ξ|²/m). Moves that are tested, and have no clock, are made shorter instead.
        """
        local, inverse = self.strategy["local"], np.zeros_like(self.masses)
        np.divide(1.0, self.masses, out=inverse, where=self.masses > 0)
        if local["kind"] in ("hmc", "mala"):
            return np.full(self.dim, np.inf)
        if local["kind"] == "overdamped":
            limit = 0.5 / float(local["step_size"])
        else:
            given = local.get("timestep")
            dt = self.timestep if given is None else float(given)
            limit = np.inf if dt is None else 0.25 / dt**2
        return np.asarray(limit / (self.kT * (self.slopes @ inverse)))

    def states(self) -> Partition | None:
        """The named states and the rest; None where they are still to be found."""
        if self.boxes is None:
            return None
        return Partition.from_boxes(self.boxes, self.names, self.periodic)

    def broad(self) -> BroadRange:
        """The broad proposal over λ."""
        return BroadRange(self.periodic, self.lower, self.upper)

    def first_walkers(self) -> WalkerRows:
        """The one structure, without velocities."""
        if self.shelf is not None:
            return WalkerRows(shelf=START.copy())
        return WalkerRows(self.start.positions, box=self.start.box)

    def positions(self, walkers: WalkerRows) -> Array:
        """Coordinates, shape (n, D), read where they lie in files: for who looks inside.

        Raises
        ------
        ValueError
            For walkers in files of a campaign that has none.
        """
        if walkers.positions is not None:
            return walkers.positions
        if self.shelf is None or walkers.shelf is None:
            raise ValueError("these walkers lie in files, and this campaign has none")
        return self.shelf.get(walkers.shelf, self.start).positions

    def seen_range(self, walkers: WalkerRows) -> tuple[Array, Array]:
        """Lower and upper end of every coordinate over the walkers, shape (D,) each.

        Of one that repeats, within a period; of one that nothing confines, a few thermal lengths.
        """
        ends = self.ends or Unbounded.none(len(self.masses))
        x = ends.fold(self.positions(walkers))
        middle, length = np.median(x, axis=0), 2.0 * np.sqrt(self.kT / self.masses)
        low = np.where(ends.free, middle - length, x.min(axis=0))
        return low, np.where(ends.free, middle + length, x.max(axis=0))


@dataclass(frozen=True)
class Beside:
    """A campaign of another system, as strategies see it."""

    problem: Problem
    system: System
    campaign: Campaign
