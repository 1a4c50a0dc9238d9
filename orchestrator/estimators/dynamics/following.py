"""Where trajectories of two kinds part: what follows a stay in each region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.divergences import divergence
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.histogram import Grid

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 50
"""Along a CV."""


def following(
    here: Trajectories,
    reference: Trajectories,
    region: tuple[Ints, Ints],
    number: int,
    lag: int,
    ranges: tuple[tuple[float, float], ...],
) -> Array:
    """Divergence of where trajectories are `lag` frames after they were in each region.

    Parameters
    ----------
    here, reference : Trajectories
        Of one stride.
    region : two int arrays, shape (N,)
        Of every frame of each, −1 for none.
    number : int
        Of regions.
    lag : int
    ranges : of each CV

    Returns
    -------
    Array, shape (number,)
        Jensen–Shannon divergence, nats, without what chance makes of it; the largest of those of
        the CVs. NaN where one of the two was never, or where chance is not known.
    """
    out = np.full((number, len(ranges)), np.nan)
    pair = (here, reference)
    for c, bounds in enumerate(ranges):
        grid = Grid.regular((bounds,), (BINS,), (here.periodic[c],))
        for k in range(number):
            sums = []
            for data, of in zip(pair, region, strict=True):
                first = data.first_of_pairs(lag)
                first = first[of[first] == k]
                bins = grid.index(data.xi[first + lag, c : c + 1])
                sums.append(data.blocks.count(bins, BINS, first, data.weight[first]))
            if not all(one.values.any() for one in sums):
                continue
            told = divergence((here.names[c],), BINS, *sums)
            if told.nats.value is not None and told.by_chance is not None:
                out[k, c] = told.nats.value - told.by_chance
    known = np.isfinite(out).any(axis=1)
    return np.where(known, np.where(np.isfinite(out), out, -np.inf).max(axis=1), np.nan)
