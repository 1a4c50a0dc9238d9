"""Readings of the CVs that R̂ and the effective sample size are judged on, evenly spaced in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.left_out import Bounded, bounded_r_hat, worst
from msgen.systems.base import Array

RECORDS = 25
"""Readings of the CVs that R̂ and the effective sample size keep, per replica and first round; of
longer rounds more, so that all are as far apart."""
MOST_RECORDS, ALL_RECORDS = 2000, 200_000
"""When a replica, or all of them, have more, every second one is dropped."""


def with_readings(
    series: Array, xi: Array, replica: NDArray[np.int64], spacing: int, stride: int
) -> tuple[Array, int, int]:
    """`series` with a round's readings, as far apart as those before.

    Parameters
    ----------
    series : Array, shape (R, T, D)
        NaN where a replica rested.
    xi : Array, shape (n, D)
        The round's samples, replica after replica, each in the order of time.
    replica : int array, shape (n,)
    spacing : int
        Samples from one reading to the next; 0 before the first.
    stride : int
        Only every `stride`-th reading is kept.

    Returns
    -------
    series, spacing, stride : Array, int, int
        Thinned once there are more than `MOST_RECORDS`.
    """
    r = len(series)
    ids, begin, number = np.unique(replica, return_index=True, return_counts=True)
    least = int(number.min()) if len(ids) else 0
    step = spacing or max(1, least // RECORDS)
    at = np.arange(step - 1, least, step * stride)
    fresh = np.full((r, len(at), series.shape[2]), np.nan)
    for i, first in zip(ids, begin, strict=True):
        fresh[i] = xi[first + at]
    series = np.concatenate([series, fresh], axis=1)
    if series.shape[1] > max(2 * RECORDS, min(MOST_RECORDS, ALL_RECORDS // r)):
        series, stride = series[:, ::2], stride * 2
    return series, step if least else spacing, stride


def worst_r_hat(
    names: Sequence[str], periodic: NDArray[np.bool_], chains: Sequence[Sequence[Array]]
) -> dict[str, Bounded]:
    """Worst split R̂ over strata, and worst bound, of each CV; unknown while there is too little.

    Parameters
    ----------
    names, periodic : of the CVs
    chains : by stratum, its replicas' readings (n, D)
    """
    out = {}
    for c, name in enumerate(names):
        each = [
            bounded_r_hat([s[:, c] for s in group], periodic=bool(periodic[c]))
            for group in chains
            if any(len(one) >= 8 for one in group)
        ]
        out[name] = Bounded(worst([e.value for e in each]), worst([e.bound for e in each]))
    return out
