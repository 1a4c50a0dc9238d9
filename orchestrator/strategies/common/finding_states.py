"""States where the campaign names none: basins on a grid of few CVs, boxes from samples of many."""

from __future__ import annotations

import numpy as np

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.basins import (
    LEAST_RUNS,
    RELAXED_PERSISTENCE,
    RUNS_EACH,
    basins_at_rest,
    basins_with,
    find_basins,
)
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.regions import find_regions
from msgen.systems.base import Array


def states_in(problem: Problem, xi: Array, weight: Array | None = None) -> Partition:
    """Those of samples, shape (n, C), of `weight`, shape (n,), or all alike."""
    grid = problem.grid
    if problem.on_points:
        return find_regions(xi, weight, grid, problem.names)
    index = grid.index(xi)
    inside = index >= 0
    share = None if weight is None else weight[inside]
    counts = np.bincount(index[inside], share, minlength=grid.size).reshape(grid.shape)
    readings = np.bincount(index[inside], minlength=grid.size).reshape(grid.shape)
    return find_basins(counts, grid, problem.names, readings=readings)


def states_at_rest(problem: Problem, runs: Array) -> Partition:
    """Those that pushed walkers relaxed into; `runs`, shape (n, m, C), see `basins_at_rest`."""
    if not problem.on_points:
        return basins_at_rest(runs, problem.grid, problem.names)
    rest = runs[:, runs.shape[1] // 2 :]
    n, readings = rest.shape[:2]
    return find_regions(
        rest.reshape(n * readings, -1),
        None,
        problem.grid,
        problem.names,
        persistence=RELAXED_PERSISTENCE,
        run=np.repeat(np.arange(n), readings),
        least_runs=int(np.clip(n // RUNS_EACH, 1, LEAST_RUNS)),
    )


def states_with(
    problem: Problem, f_kT: Array, seen: tuple[Array, Array], trail: Array
) -> Partition:
    """Those of what production knows, and of runs that it knows nothing of, each weighing as much.

    Parameters
    ----------
    f_kT : Array, grid shape
        Its surface; of no use where states follow from samples.
    seen : tuple of Array, shapes (n, C) and (n,)
        Its samples and their weights, see `Production.seen`.
    trail : Array, shape (k, m, C)
        CVs that the runs read.
    """
    if not problem.on_points:
        weight = np.exp(-np.nan_to_num(f_kT, nan=np.inf))
        return basins_with(weight, trail, problem.grid, problem.names)
    xi, weight = seen
    k, m = trail.shape[:2]
    run = np.full((k * m,), max(float(weight.sum()), 1.0) / m)
    return find_regions(
        np.concatenate([xi, trail.reshape(k * m, -1)]),
        np.concatenate([weight, run]),
        problem.grid,
        problem.names,
    )
