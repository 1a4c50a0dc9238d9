"""What the targeted strategy keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.orchestrator.base import Phase
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.replica_pool import ReplicaPool
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.targeted.learning import Learning
from msgen.orchestrator.strategies.targeted.production import Gathered


@dataclass(frozen=True, kw_only=True)
class _Common:
    """In every phase.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : Phase
    attempt : int
        Rounds of exploration so far.
    isomers : dict of str to int
        How often each was met and left out.
    moves : LocalMoves
    """

    round: int
    phase: Phase
    attempt: int = 0
    isomers: dict[str, int] = field(default_factory=dict)
    moves: Annotated[LocalMoves, FLAT]


@dataclass(frozen=True, kw_only=True)
class ExploringState(_Common):
    """While the states are looked for.

    Attributes
    ----------
    pool : Seeds
        Walkers that replicas may begin from.
    """

    pool: Seeds


@dataclass(frozen=True, kw_only=True)
class StatesState(_Common):
    """Replicas in their states; adaptation and production.

    Attributes
    ----------
    adapt : int
        Rounds of the adaptation so far.
    states : Partition
    missing : tuple of str
        States that were never found.
    stratum : int array, shape (R,)
        The state of every replica.
    descent : int array, shape (R,), or None
        The walker of the exploration that each comes from; None in a run that did not keep it.
    walkers : WalkerRows
        One a replica.
    learning : Learning
    models, maps : dict of int to ModelState
        The model of each state, and the interpolant from the first state to each.
    totals : dict of str to float
        Counts of all production.
    gathered : Gathered or None
        None before anything counts.
    pool : ReplicaPool
    relooks : int
        How often a second look has shown more states.
    """

    adapt: int = 0
    states: Partition
    missing: tuple[str, ...]
    stratum: NDArray[np.int64]
    descent: NDArray[np.int64] | None = None
    walkers: WalkerRows
    learning: Learning
    models: dict[int, ModelState] = field(default_factory=dict)
    maps: dict[int, ModelState] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    gathered: Gathered | None = None
    pool: Annotated[ReplicaPool, FLAT] = field(default_factory=ReplicaPool)
    relooks: int = 0


TargetedState = ExploringState | StatesState
