"""What the importance strategy keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree
from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.orchestrator.base import Phase
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.importance.production import Weighted
from msgen.systems.base import Array


@dataclass(frozen=True)
class Learnt:
    """What the walkers of one round teach.

    Attributes
    ----------
    recent : Array, shape (n, d)
        Configurations in the model's coordinates.
    recent_replica : int array, shape (n,)
        Whose they are.
    """

    recent: Array
    recent_replica: NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """What the draws of one round teach: those that have a weight.

    Attributes
    ----------
    recent : Array, shape (n, d)
    log_weight : Array, shape (n,)
    """

    recent: Array
    log_weight: Array


@dataclass(frozen=True, kw_only=True)
class ImportanceState:
    """Walkers, and a model that is drawn from.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : Phase
    attempt : int
        Rounds of exploration so far.
    pool : Seeds or None
        Walkers that may be begun from; None in production.
    walkers : WalkerRows
    trail : Array, shape (n, C)
        CVs that were seen before production.
    missing : tuple of str
        States that were never found.
    moves : LocalMoves
    broad : BroadGaussian or None
        None before anything was seen.
    adapt, fits : int
        Rounds of the adaptation, and trainings or parts of one, so far.
    hot : float or None
        Temperature that an annealing begins at, once it is found.
    version : int
        Of the model in use, −1 for none.
    model : ModelState or None
    learnt : tuple of Learnt
        Of the last rounds' walkers.
    drawn : tuple of Drawn
        Of the last rounds' draws.
    gain, best : float
        Effective draws over all, in the last round and the best one.
    told : Tree
        What is reported of the training.
    states : Partition or None
        None before production.
    produced : Weighted or None
        None before production.
    found : Partition or None
        States that a second look has shown, to begin counting with.
    relooks : int
        How often one has.
    """

    round: int
    phase: Phase
    attempt: int = 0
    pool: Seeds | None
    walkers: WalkerRows
    trail: Array
    missing: tuple[str, ...] = ()
    moves: Annotated[LocalMoves, FLAT]
    broad: BroadGaussian | None = None
    adapt: int = 0
    fits: int = 0
    hot: float | None = None
    version: int = -1
    model: ModelState | None = None
    learnt: tuple[Learnt, ...] = ()
    drawn: tuple[Drawn, ...] = ()
    gain: float = 0.0
    best: float = 0.0
    told: Tree = field(default_factory=dict)
    states: Partition | None = None
    produced: Weighted | None = None
    found: Partition | None = None
    relooks: int = 0

    @property
    def rounds_produced(self) -> int:
        """Rounds of production so far."""
        return 0 if self.produced is None else self.produced.rounds
