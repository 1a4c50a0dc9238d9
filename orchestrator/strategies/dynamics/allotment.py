"""Where the next trajectories begin, and whether there are to be some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.strategies.dynamics.state import Verdict
from msgen.systems.base import Array

PATIENCE = 2
"""Cycles without an improvement that end a campaign: one may fail to improve by chance."""


def allotted(replicas: int, there: NDArray[np.bool_], worst: Array | None) -> NDArray[np.int64]:
    """Trajectories to begin in each state, shape (K,).

    As many in each, or half of them so and the other half where the model's are furthest off.

    Parameters
    ----------
    replicas : int
    there : bool array, shape (K,)
        States that trajectories can begin in.
    worst : Array, shape (K,), or None
        How far off, NaN where that is not known: there as far as anywhere, since the model or the
        data never were. None before anything was judged.
    """
    open_ = np.flatnonzero(there)
    out = np.zeros(len(there), dtype=np.int64)
    apart = 0
    if worst is not None:
        off = np.where(np.isfinite(worst[open_]), worst[open_], np.inf)
        apart = replicas // 2
        out[open_[int(np.argmax(off))]] = apart
    even, left = divmod(replicas - apart, len(open_))
    out[open_] += even
    out[open_[:left]] += 1
    return out


def goes_on(verdicts: Sequence[Verdict]) -> bool:
    """Whether one of the last `PATIENCE` cycles was better than all before by more than its error.

    The error of a difference: that of the one and of the best before, in quadrature.
    """
    if len(verdicts) <= PATIENCE:
        return True
    return any(
        _better(verdicts[i], min(verdicts[:i], key=lambda v: v.difference))
        for i in range(len(verdicts) - PATIENCE, len(verdicts))
    )


def _better(new: Verdict, best: Verdict) -> bool:
    if not np.isfinite(best.difference):
        return bool(np.isfinite(new.difference))
    errors = np.nan_to_num([new.stderr, best.stderr])
    return bool(new.difference < best.difference - np.hypot(*errors))
