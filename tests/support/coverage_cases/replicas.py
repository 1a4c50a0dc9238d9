"""Replicas that move over all states by themselves: of fixed length, or stopped by their σ."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Array, Case, Outcomes, of_campaigns
from coverage_cases.chains import HALVES, Chains, halves_apart, problem
from msgen.actors.base import Segment
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.common.production import Production

TAU, MEAN, READINGS = 10.0, 0.3, 60
FIXED = 24
"""Rounds of campaigns of fixed length."""
MOST = 400
"""Rounds after which a campaign that does not converge is given up."""
ASKED = Criteria(state_error=0.1, surface_error=None)


def segments(xi: Array) -> list[Segment]:
    """Readings (R, n) of all replicas as a strategy gets them."""
    return [
        Segment(
            (0, "local", i),
            samples={"cvs": x[:, None], "replica": np.full(len(x), float(i))},
        )
        for i, x in enumerate(xi)
    ]


def campaign(rng: np.random.Generator, replicas: int, stop: bool) -> Estimate:
    """One campaign; rounds lengthen as those of the strategies do."""
    made = problem(ASKED, replicas)
    chains = Chains(rng, (replicas,), TAU)
    produced = Production.start(made, np.zeros(replicas, dtype=np.int64), len(HALVES))
    while True:
        n = READINGS * (1 + produced.rounds // 4)
        produced = produced.with_round(made, HALVES, segments(MEAN + chains.more(n)))
        if not stop and produced.rounds < FIXED:
            continue
        found = produced.estimate(made, HALVES, False, {}, {})
        if not stop or found.converged or produced.rounds >= MOST:
            return found


def run(rng: np.random.Generator, repeats: int, *, replicas: int, stop: bool) -> Outcomes:
    return of_campaigns(lambda: campaign(rng, replicas, stop), repeats, halves_apart(MEAN), stop)


CASES = tuple(
    Case(f"free replicas: {r}, {how}", r, partial(run, replicas=r, stop=how == "at the stop"))
    for how in ("fixed length", "at the stop")
    for r in (2, 3, 4, 8, 16, 64)
)
