"""Looking over the states again as sampling goes on, where the campaign names none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.strategies.common.basins import LEAST_READINGS, find_basins, nearest_bins
from msgen.orchestrator.strategies.common.finding_states import states_in
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

LOOK_EVERY = 4
"""Rounds of production between two looks."""
MOST_RELOOKS = 3
"""How often a campaign may go back because a new state was found."""
SURE = 0.5
"""kT: bins with a larger error say nothing about basins."""


def look_again(
    problem: Problem,
    estimate: Estimate,
    states: Partition | None,
    seen: tuple[Array, Array] | None = None,
) -> Partition | None:
    """The basins of the present surface, if one of `states` holds two of them; else None.

    Not if there are more: where walkers that were stuck on a slope have made states of their own,
    there are as many though two basins go by one name. Where no grid holds all CVs, those of the
    samples `seen` and their weights, see `Production.seen`.

    States cover all of CV space, so that a basin not known before is counted within another all the
    while; what changes is that it gets a free energy, and where states are strata replicas, of its
    own.
    """
    if problem.on_points:
        if seen is None or not len(seen[0]):
            return None
        among = states_in(problem, *seen)
        return among if _under_one_name(states, among, *seen) else None
    below = problem.criteria.below
    f = np.nan_to_num(estimate.f_kT, nan=np.inf)
    error = np.nan_to_num(estimate.stderr_kT, nan=np.inf)
    sure = (error < SURE) & (f < below)
    if not sure.any():
        return None
    # what is not sure is no barrier: it may be as low as what is sure beside it
    perhaps = np.isfinite(f) & np.isfinite(error)
    perhaps[perhaps] = f[perhaps] - 2.0 * error[perhaps] < below
    level = f[nearest_bins(sure, problem.grid.surface.periodic)]
    weight = np.exp(-np.where(sure, f, np.where(perhaps, level, np.inf)))
    enough = np.where(sure, LEAST_READINGS, 0)  # one bin that is sure makes a basin
    found = find_basins(weight, problem.grid, problem.names, smooth=0.5, readings=enough)
    return found if _under_one_name(states, found, *_surface(problem, weight)) else None


def _surface(problem: Problem, weight: Array) -> tuple[Array, Array]:
    """Its bins as points (n, C) with their weights (n,); a CV that is not reported is 0."""
    centres = problem.grid.surface.centres
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, len(centres))
    xi = np.zeros((len(points), problem.dim))
    xi[:, np.array(problem.grid.reported)] = points
    return xi, weight.reshape(-1)


def _under_one_name(states: Partition | None, found: Partition, xi: Array, weight: Array) -> bool:
    """Whether of two of `found` the most, by weight of points ξ, lies in the same of `states`."""
    if states is None:
        return True
    mine, theirs = found.assign(xi), states.assign(xi)
    known = (mine >= 0) & (theirs >= 0)
    held = np.zeros((len(found), len(states)))
    np.add.at(held, (mine[known], theirs[known]), weight[known])
    home = held[held.any(axis=1)].argmax(axis=1)
    return len(np.unique(home)) < len(home)


def due_look(
    problem: Problem,
    estimate: Callable[[], Estimate],
    states: Partition | None,
    rounds: int,
    relooks: int,
    seen: Callable[[], tuple[Array, Array]] | None = None,
) -> Partition | None:
    """What `look_again` finds, every `LOOK_EVERY` rounds of production of states without names.

    Parameters
    ----------
    estimate : callable
        Makes the present estimate; not called where no look is due.
    rounds : int
        Of production so far.
    relooks : int
        Looks that have found something so far, at most `MOST_RELOOKS`.
    seen : callable, optional
        Gives the samples, where no grid holds all CVs; not called elsewhere.
    """
    if problem.boxes is not None or relooks >= MOST_RELOOKS or not rounds or rounds % LOOK_EVERY:
        return None
    samples = seen() if seen is not None and problem.on_points else None
    return look_again(problem, estimate(), states, samples)


def merged_states(problem: Problem, estimate: Estimate, states: Partition | None) -> list[str]:
    """That the surface shows two basins under one name, in words; [] where it does not."""
    if problem.boxes is not None or states is None or not estimate.states:
        return []
    found = look_again(problem, estimate, states)
    if found is None:
        return []
    told = (
        f"the surface shows {len(found)} basins, {'; '.join(found.names)}, and of the states "
        f"{'; '.join(states.names)} one holds several of them. Name them in states:"
    )
    return [told]
