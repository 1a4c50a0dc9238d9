"""What the adaptation has seen of a stratum as samples, and the bias along a few CVs at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.partial_ladders import PartialLadders
from msgen.orchestrator.estimators.marginals import Marginal, widest
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.steered.flattening import KEEP, make_ladder
from msgen.systems.base import Array

MOST = 4000
"""Samples of a round, of which every other is left out from twice as many on, and so forth."""


@dataclass(frozen=True)
class Sightings:
    """Samples of one stratum over the last rounds, each weighted back from the bias of its time.

    Attributes
    ----------
    xi : Array, shape (n, C)
    weight : Array, shape (n,)
        Those of a round sum to its effective number: rounds under different biases are averaged by
        how much each says.
    number : int array, shape (rounds,)
        Samples of each round.
    """

    xi: Array
    weight: Array
    number: NDArray[np.int64]

    @classmethod
    def empty(cls, dim: int) -> Sightings:
        """Nothing seen yet."""
        return cls(np.zeros((0, dim)), np.zeros(0), np.zeros(0, dtype=np.int64))

    def with_round(self, xi: Array, log_bias: Array) -> Sightings:
        """With a round's samples, shapes (n, C) and (n,); the oldest is forgotten."""
        every = max(1, len(xi) // MOST)
        xi, b = xi[::every], log_bias[::every]
        w = np.exp(b.min(initial=np.inf) - b)
        w = w * (w.sum() / max(float(np.sum(w * w)), 1e-300))
        old = max(0, len(self.number) - KEEP + 1)
        drop = int(self.number[:old].sum())
        return Sightings(
            np.concatenate([self.xi[drop:], xi]),
            np.concatenate([self.weight[drop:], w]),
            np.append(self.number[old:], len(xi)),
        )

    def populations(self, marginal: Marginal) -> Array:
        """Of the bins of a surface, shape (bins,), normalised in the stratum."""
        index = marginal.index(self.xi)
        inside = index >= 0
        p = np.bincount(index[inside], self.weight[inside], minlength=marginal.grid.size)
        return np.asarray(p / max(float(p.sum()), 1e-300), dtype=np.float64)


def flattened(problem: Problem) -> tuple[Marginal, ...]:
    """The surfaces that the bias flattens: those asked for, without what others hold as well."""
    return tuple(Marginal.of(problem.grid, columns) for columns in widest(problem.surfaces))


def partial_ladders(
    problem: Problem,
    seen: Mapping[int, Sightings],
    strata: Partition,
    f: Array,
    flatten: float,
    least: float,
) -> dict[int, PartialLadders]:
    """Ladders that flatten each surface of each stratum that was seen, as `make_ladder` does one.

    λ is as often on one as on another of them, and as often absent as on any.

    Parameters
    ----------
    f : Array, shape (K,)
        Free energies of the strata as far as known, kT.
    flatten : float
        Height above the lowest bottom of all strata.
    least : float
        Height above its own bottom at the least.
    """
    parts: dict[int, list[tuple[Array, float]]] = {}
    surfaces = flattened(problem)
    for k, one in seen.items():
        found = [one.populations(surface) for surface in surfaces]
        parts[k] = [(p, float(f[k]) - float(np.log(p.max()))) for p in found]
    out = {}
    for k, own in parts.items():
        ladders = []
        for s, surface in enumerate(surfaces):
            p, bottom = own[s]
            known = [b[s][1] for b in parts.values() if np.isfinite(b[s][1])]
            above = bottom - min(known) if np.isfinite(bottom) else 0.0
            columns = list(surface.columns)
            g = Conditional(problem.local_g.kappa[columns], problem.periodic[columns])
            shadow = strata.shadow(k, columns)
            ladder = make_ladder(p, max(least, flatten - above), 1, shadow, surface.grid, g)
            ladders.append(ladder.alone(1.0 / len(surfaces)))
        columns_of = tuple(np.array(s.columns, dtype=np.int64) for s in surfaces)
        out[k] = PartialLadders(tuple(ladders), columns_of, 0.0, problem.local_g)
    return out
