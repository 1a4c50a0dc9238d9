"""Works between two states, from replicas that each remember their own beginning."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Case, Outcomes
from msgen.orchestrator.estimators.stratified import combine
from msgen.orchestrator.estimators.works.network import PairWorks, solve_network

DELTA_F, SHIFT = 1.0, 0.6
"""Truth in kT; and what a replica's works have in common, of their standard deviation of 1."""
EVEN, MOST, HALF = [40] * 8, [2000] + [20] * 7, [280] + [40] * 7
"""Paths of each replica of a state."""


def campaign(
    rng: np.random.Generator, forward: list[int], reverse: list[int]
) -> tuple[float, float]:
    """ΔF and its error, samples and works of each replica as many as its paths."""
    works, blocks, first = [], [], 0
    sums = np.zeros((2, len(forward) + len(reverse), 2))
    for s, (paths, sign) in enumerate(((forward, 1.0), (reverse, -1.0))):
        mine = np.repeat(np.arange(len(paths)), paths)
        own = np.sqrt(1.0 - SHIFT**2) * rng.standard_normal(len(mine))
        # works N(ΔF + σ²/2, σ²), as Crooks' relation has them
        works.append(sign * DELTA_F + 0.5 + SHIFT * rng.standard_normal(len(paths))[mine] + own)
        blocks.append(first + mine)
        sums[s, first : first + len(paths), s] = paths
        first += len(paths)
    network = solve_network(2, [PairWorks(0, 1, *works, *blocks)])
    return combine(sums, network).difference(0, 1)


def run(
    rng: np.random.Generator, repeats: int, *, forward: list[int], reverse: list[int]
) -> Outcomes:
    found = [campaign(rng, forward, reverse) for _ in range(repeats)]
    return Outcomes.of([(f, error, True) for f, error in found], DELTA_F)


CASES = tuple(
    Case(f"network: {what}, fixed length", units, partial(run, forward=f, reverse=r))
    for what, units, f, r in (
        ("8 + 8 replicas", 8, EVEN, EVEN),
        ("4 + 4 replicas", 4, [50] * 4, [50] * 4),
        ("one of 8 with half of the paths", 2, HALF, HALF),
        ("one of 8 with most of the paths", 2, MOST, EVEN),
        ("one of 8 with most of the paths both ways", 2, MOST, MOST),
    )
)
