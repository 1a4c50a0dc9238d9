"""What flow_mcmc keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.proposals import BroadGaussian
from msgen.models.base import ModelState
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.free_replicas import FreeState
from msgen.orchestrator.strategies.flow_mcmc.weights import Weights
from msgen.systems.base import Array


@dataclass(frozen=True, kw_only=True)
class FlowState(FreeState):
    """Beside what free replicas keep.

    Attributes
    ----------
    attempt : int
        Rounds of exploration so far.
    pool : Seeds
        Walkers that replicas may begin from.
    recent, recent_replica : tuple of Array (n, d) and of int array (n,)
        Configurations of the last rounds and whose they are, for the next fit.
    broad : BroadGaussian or None
        None before the exploration has ended.
    model : ModelState or None
        The version in use.
    acceptance, best : float
        Of the global moves in the last round, and in the best one.
    stalled : int
        Rounds in a row that have not raised it.
    weights : Weights or None
        None before anything counts.
    """

    attempt: int = 0
    pool: Seeds
    recent: tuple[Array, ...] = ()
    recent_replica: tuple[NDArray[np.int64], ...] = ()
    broad: BroadGaussian | None = None
    model: ModelState | None = None
    acceptance: float = 0.0
    best: float = 0.0
    stalled: int = 0
    weights: Weights | None = None
