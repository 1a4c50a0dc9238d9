"""What an exact run knows of two states and of what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.path_shots import Populations
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.nested import FIELD
from msgen.systems.base import Array
from msgen.systems.coordinates.representation import Exact as ExactCoordinates
from msgen.systems.errors import SpecError

ENOUGH = 50
"""Samples between the states without which no density is fitted."""
FEWEST, MOST = 2_000, 20_000
"""Of each kind that a fit sees, drawn again where there are fewer."""


@dataclass(frozen=True, eq=False)
class Between:
    """Exact samples between two states, and of the states the outermost.

    Without these a density would fall off before the states begin, where its weights are largest.

    Attributes
    ----------
    data : Array, shape (n, d)
        As a model sees them.
    weight : Array, shape (n,)
        With which they spread evenly over the bins of the first surface that were visited.
    """

    data: Array
    weight: Array

    @classmethod
    def of(
        cls, problem: Problem, exact: Exact, ends: tuple[int, int], coordinates: ExactCoordinates
    ) -> Self:
        """Those of a run.

        Raises
        ------
        SpecError
            If there are too few.
        """
        inside = ~np.isin(exact.region, ends) & (exact.weight > 0)
        number = np.count_nonzero(inside)
        if number < ENOUGH:
            what = f"kept {number} samples between the states, and {ENOUGH} are needed"
            raise SpecError(FIELD, "", what, "Let it run for longer, or take smaller states")
        # of many CVs only those of the first surface: no grid holds them all
        spread = problem.marginals[0]
        bins = spread.grid.index(exact.xi[:, list(spread.columns)])
        near = _beside(spread.grid, bins[inside])
        # outside the grid is a bin of its own
        used = inside | (near[bins] & (bins >= 0) & (exact.weight > 0))
        weight, bins = exact.weight[used], bins[used] + 1
        mass = np.bincount(bins, weight)
        return cls(coordinates.encode(exact.positions[used]), np.asarray(weight / mass[bins]))

    def lesson(self, crossed: Array, rng: np.random.Generator) -> Array:
        """What a fit learns: samples between the states, and as many frames of paths, (n, d)."""
        number = int(np.clip(len(self.data), FEWEST, MOST))
        p = self.weight / self.weight.sum()
        data = self.data[rng.choice(len(p), number, p=p)]
        if len(crossed):
            data = np.concatenate([data, crossed[rng.choice(len(crossed), number)]])
        return np.asarray(data[rng.permutation(len(data))])


def _beside(grid: Grid, bins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bins that are some of these or touch one, shape (grid.size,)."""
    there = np.zeros(grid.size, dtype=bool)
    there[bins[bins >= 0]] = True
    there = there.reshape(grid.shape)
    for axis, periodic in enumerate(grid.periodic):
        for shift in (-1, 1):
            moved = np.roll(there, shift, axis)
            if not periodic:
                edge = [slice(None)] * there.ndim
                edge[axis] = slice(0, 1) if shift == 1 else slice(-1, None)
                moved[tuple(edge)] = False
            there = there | moved
    return there.ravel()


def populations(exact: Exact, ends: tuple[int, int]) -> Populations:
    """Of the ends against all the rest.

    Errors are told against the first state: of two others, their sum in squares is an upper bound.
    """
    names, known = exact.states.names, exact.estimate.states
    told = [known.get(name) for name in names]
    f = np.array([np.nan if s is None or s.f_kT is None else s.f_kT for s in told])
    error = np.array([np.nan if s is None or s.stderr_kT is None else s.stderr_kT for s in told])
    others = [k for k in range(len(names)) if k not in ends and np.isfinite(f[k])]
    p = np.exp(-f[others])
    between = -np.log(p.sum()) if len(p) else np.nan
    rest = float(np.sum((p / p.sum()) ** 2 * error[others] ** 2))
    there, back = ends
    return Populations(
        (float(between - f[there]), float(between - f[back])),
        (float(np.sqrt(error[there] ** 2 + rest)), float(np.sqrt(error[back] ** 2 + rest))),
    )
