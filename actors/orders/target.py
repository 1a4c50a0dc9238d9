"""Orders of the targeted strategy: local sampling in a state, and what its model says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.systems.base import Array

Ints = NDArray[np.int64]

Maps = Literal["models", "interpolant", "none"]
"""How configurations go to other states."""


@dataclass(frozen=True)
class BridgeSpec:
    """What is asked of the frozen models in production.

    Attributes
    ----------
    versions : Ints, shape (K,)
        Of each state's model, −1 for none.
    draws : int
        Of the own state's model for each configuration.
    maps : Maps
    transports : Ints, shape (K,)
        Versions of the interpolants from state 0, −1 for none.
    turn : int
        Which other state comes first.
    steps : int
        Of annealed paths between a state and its model; 1: the weights themselves.
    """

    versions: Ints
    draws: int
    maps: Maps
    transports: Ints
    turn: int
    steps: int = 1


@dataclass(frozen=True)
class TargetPayload:
    """Local sampling of replicas kept in one state.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    replicas, stratum : Ints, shape (n,)
        Their ids, and the state of all of them.
    partition : Partition
        The states.
    ladder : Ladder
        Without λ.
    frames, chunks, steps : int
        Configurations kept of each replica, readings of the CVs before each, and local steps before
        each of those.
    step_size : float or None
    masses : Array or None
        Tuned; None for the campaign's own.
    bridge : BridgeSpec or None
        None before production.
    """

    kind: ClassVar[str] = "target"

    walkers: WalkerRows
    replicas: Ints
    stratum: Ints
    partition: Partition
    ladder: Ladder
    frames: int
    chunks: int
    steps: int
    step_size: float | None = None
    masses: Array | None = None
    bridge: BridgeSpec | None = None


@dataclass(frozen=True)
class TargetRecord:
    """Where walkers ended.

    Attributes
    ----------
    walkers : WalkerRows
    configurations : Array, shape (m, d), or None
        Before production: what was kept, in the models' variables.
    """

    walkers: WalkerRows
    configurations: Array | None = None


@dataclass(frozen=True)
class FitTransportPayload:
    """A map of samples of one density to those of another; the fit of the version in use goes on.

    Attributes
    ----------
    start, end : Array, shapes (n, d) and (m, d)
    periodic : bool array, shape (d,)
    """

    kind: ClassVar[str] = "fit_transport"

    start: Array
    end: Array
    periodic: NDArray[np.bool_]


@dataclass(frozen=True)
class FitTransportRecord:
    """Any fit gives an exact map, so that the newest is taken."""

    model: ModelState
