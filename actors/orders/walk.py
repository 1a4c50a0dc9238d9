"""Orders of the full configuration: local steps, and independence moves of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array


@dataclass(frozen=True)
class WalkPayload:
    """Local steps of some replicas, then global proposals of the frozen model.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    replicas : int array, shape (n,)
    blocks : int
        Stretches of local and global steps.
    local_steps, record, global_steps : int
        In a block; local steps are read every `record`. Without a model (version −1) there are
        local steps only.
    step_size : float or None
        Tuned; None where the campaign fixes it.
    epsilon : float
        Share of the broad proposals.
    recent : int
        Configurations of each replica to hand to the next fit; 0 for none.
    weights : int
        Log weights of each replica's proposals to keep; 0 for none.
    broad : BroadGaussian or None
        None before anything was seen.
    states : Partition or None
        By which the moves of a solute are told.
    """

    kind: ClassVar[str] = "walk"

    walkers: WalkerRows
    replicas: NDArray[np.int64]
    blocks: int
    local_steps: int
    record: int
    global_steps: int
    step_size: float | None
    epsilon: float
    recent: int
    weights: int = 0
    broad: BroadGaussian | None = None
    states: Partition | None = None


@dataclass(frozen=True)
class WatchPayload(WalkPayload):
    """Local steps of walkers that teach no model; the frozen one is held against where they are."""

    kind: ClassVar[str] = "watch"


@dataclass(frozen=True)
class WalkRecord:
    """Where walkers ended, and what a fit may learn from.

    Attributes
    ----------
    walkers : WalkerRows
    recent : Array, shape (m, d)
        Configurations in the model's coordinates.
    recent_replica : int array, shape (m,)
    held_cvs, held_log_weight : Array, shapes (m, C) and (m,), or None
        Of a watched walker: CVs and ln ρ* − ln q of the recent configurations.
    """

    walkers: WalkerRows
    recent: Array
    recent_replica: NDArray[np.int64]
    held_cvs: Array | None = None
    held_log_weight: Array | None = None
