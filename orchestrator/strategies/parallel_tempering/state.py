"""What parallel tempering keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.step_size import StepSize
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Phase
from msgen.orchestrator.strategies.parallel_tempering.production import LadderProduction
from msgen.systems.base import Array


@dataclass(frozen=True, kw_only=True)
class TemperingState:
    """Ladders of K temperatures each.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : Phase
    adapt : int
        Rounds of the adaptation so far.
    tau : Array, shape (K,)
        Temperatures in units of the lowest.
    steps : tuple of StepSize
        Of each temperature; none where the campaign fixes the step size.
    walkers : WalkerRows
        One a slot.
    who : int array, shape (slots,)
        Which walker stands where.
    look : LadderProduction or None
        What the adaptation has seen, for the basins.
    states : Partition or None
        None before production.
    produced : LadderProduction or None
        None before production.
    totals : dict of str to float
        Counts of all production.
    found : Partition or None
        States that a second look has shown, to begin counting with.
    relooks : int
        How often one has.
    """

    round: int
    phase: Phase
    adapt: int = 0
    tau: Array
    steps: tuple[StepSize, ...]
    walkers: WalkerRows
    who: NDArray[np.int64]
    look: LadderProduction | None = None
    states: Partition | None = None
    produced: LadderProduction | None = None
    totals: dict[str, float] = field(default_factory=dict)
    found: Partition | None = None
    relooks: int = 0
