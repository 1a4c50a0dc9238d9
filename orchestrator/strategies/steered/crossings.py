"""What became of a round's paths: where they ended, and how much of a crossing each was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.base import Mask
from msgen.orchestrator.strategies.common.learnt_steps import tallied
from msgen.orchestrator.strategies.common.works import Works
from msgen.systems.base import Array


def column(segments: Sequence[Segment], name: str) -> Array:
    """A column of all paths, in the order of the segments."""
    return np.concatenate([s.samples[name] for s in segments if name in s.samples])


def ends_of(
    states: Partition, segments: Sequence[Segment]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """State in which each path began, and in which it ended; −1 for what is nowhere, shape (n,)."""
    start, stop = (states.assign(column(segments, name)) for name in ("lambda_start", "xi_stop"))
    return start, stop


def aimed_across(states: Partition, segments: Sequence[Segment]) -> Mask:
    """Which paths were to end in another state than they began in, shape (n,)."""
    start, stop = (column(segments, name) for name in ("lambda_start", "lambda_stop"))
    return np.asarray(states.assign(start) != states.assign(stop))


def chain_crossings(states: Partition, segments: Sequence[Segment], works: Works) -> Array:
    """Chance of each path of a chain to be an accepted move to another state, shape (n,)."""
    source, target = ends_of(states, segments)
    return np.where(source != target, np.exp(-np.clip(works["work"], 0.0, None)), 0.0)


def chain_tries(states: Partition, segments: Sequence[Segment], works: Works) -> Array:
    """w of the paths of a chain that tried to cross, kT; NaN for the others, shape (n,)."""
    return np.where(aimed_across(states, segments), works["work"], np.nan)


def steps_by_lag(
    lags: Sequence[int], states: Partition, segments: Sequence[Segment], works: Works
) -> dict[str, float]:
    """Of a chain whose paths go where a learnt dynamics does; see `learnt_steps.by_lag`."""
    chance = np.exp(-np.clip(works["work"], 0.0, None))
    lag, crosses = column(segments, "path_lag"), aimed_across(states, segments)
    return tallied(lags, lag, chance, crosses)


def dissipated(works: Works, f: Array) -> Array:
    """w − ΔF of paths between strata, kT, shape (n,); w where ΔF is unknown."""
    delta = f[works["target"].astype(int)] - f[works["source"].astype(int)]
    return np.asarray(works["work"] - np.nan_to_num(delta))
