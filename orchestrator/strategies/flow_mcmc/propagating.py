"""Global moves that are steps of a learnt dynamics: what is learnt of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.systems.base import Array
from msgen.systems.coordinates.representation import Encoding

PAIRS, KEEP_PAIRS = 400, 6
"""Pairs that every replica hands to the next fit, and rounds whose pairs a fit sees."""


def record_of(lags: Sequence[int], steps: int) -> int:
    """Local steps between two readings of a stretch of `steps`.

    Every lag is a number of readings, and a stretch has as many beginnings as are asked of it.
    """
    common = int(np.gcd.reduce(np.array(lags, dtype=np.int64)))
    wanted = max(1, PAIRS // (BLOCKS * len(lags)))
    most = max(1, (steps - max(lags)) // wanted)
    return max(r for r in range(1, common + 1) if common % r == 0 and r <= most)


def lesson(
    pairs: Array, owner: NDArray[np.int64], seen: Encoding, lags: Sequence[int]
) -> FitPropagatorPayload:
    """What a fit is told."""
    periodic = np.array(seen.periodic, dtype=bool)
    return FitPropagatorPayload(pairs, owner, periodic, np.array(lags, dtype=np.float64))
