"""What the umbrella strategy keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.configurations import LabelledConfigurations
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.orchestrator.base import Phase
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.windows import Windows
from msgen.systems.base import Array

Ints = NDArray[np.int64]

Stage = Literal["gather", "fit", "seed", "sample"]
"""What the next round is for: free sampling for the first fit, that fit, walkers for windows that
have none, or sampling in the windows."""


@dataclass(frozen=True, kw_only=True)
class UmbrellaState:
    """L ladders of K windows each; slot = ladder · K + window.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : Phase
    stage : Stage
    windows : Windows
    first_windows : int
        How many there were at first.
    walkers : WalkerRows
        One a slot; one a ladder before the windows were seeded.
    xi : Array, shape (n, C)
        Their CVs.
    who : Ints, shape (L·K,)
        Which walker stands where; empty before the windows were seeded.
    own_seed : bool array, shape (L·K,)
        Whether the walker of a slot was drawn by the model, and descends from no other.
    unseeded : Ints
        Windows that have no walkers yet.
    moves : LocalMoves
    version : int
        Of the model, −1 for none.
    model : ModelState or None
    fresh : bool
        Whether the model is newer than the walkers' seeds.
    pool : LabelledConfigurations
        For the next fit.
    broad : BroadGaussian or None
        Beside the model; None before configurations were seen.
    turns : int
        Times that the walkers have started again from a better model.
    adapt, settled : int
        Rounds of the adaptation so far, and those since the last seeds.
    seeding : dict of str to float
        Counts of all seeds.
    gaps : tuple of str
        Neighbours that overlap too little, in words.
    produced : WindowProduction or None
        None before production.
    totals : dict of str to float
        Counts of all production.
    states : Partition or None
        None before production.
    relooks : int
        How often a second look has shown more of them.
    """

    round: int
    phase: Phase
    stage: Stage
    windows: Windows
    first_windows: int
    walkers: WalkerRows
    xi: Array
    who: Ints
    own_seed: NDArray[np.bool_]
    unseeded: Ints
    moves: Annotated[LocalMoves, FLAT]
    version: int = -1
    model: ModelState | None = None
    fresh: bool = False
    pool: LabelledConfigurations
    broad: BroadGaussian | None = None
    turns: int = 0
    adapt: int = 0
    settled: int = 0
    seeding: dict[str, float] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    produced: WindowProduction | None = None
    totals: dict[str, float] = field(default_factory=dict)
    states: Partition | None = None
    relooks: int = 0
