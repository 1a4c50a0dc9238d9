"""What is told of moves that are steps of a learnt dynamics: how often they pass, by lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msgen.actors.kernels.base import Mask
from msgen.systems.base import Array


def tallied(lags: Sequence[int], lag: Array, chance: Array, crosses: Mask) -> dict[str, float]:
    """Counts of steps, as `by_lag` reads them.

    Parameters
    ----------
    lags : sequence of int
        All that there are.
    lag, chance, crosses : Array and Mask, shape (n,)
        Of each step: its lag, its chance to be accepted, and whether it was to cross to another
        state.
    """
    counts: dict[str, float] = {}
    for one in lags:
        mine = lag == one
        for what, rows in (("lag", mine), ("crossing", mine & crosses)):
            counts[f"{what}_{one}_proposed"] = float(np.count_nonzero(rows))
            counts[f"{what}_{one}_accepted"] = float(chance[rows].sum())
    return counts


def by_lag(totals: Mapping[str, float], lags: Sequence[int]) -> dict[str, Any]:
    """Acceptance of the steps of each lag, and of those that were to cross to another state."""
    out: dict[str, Any] = {}
    for lag in lags:
        told: dict[str, float | None] = {}
        for what, name in (("acceptance", "lag"), ("acceptance_of_crossings", "crossing")):
            tried = totals.get(f"{name}_{lag}_proposed", 0.0)
            passed = totals.get(f"{name}_{lag}_accepted", 0.0)
            told[what] = passed / tried if tried else None
        told["crossings_tried"] = totals.get(f"crossing_{lag}_proposed", 0.0)
        out[f"lag {lag}"] = told
    return out
