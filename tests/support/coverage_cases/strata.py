"""Replicas kept in two states and joined by works of paths, stopped by their σ.

A path remembers the configuration that it starts from: its work has a part of the chain's.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Case, Outcomes, of_campaigns
from coverage_cases.chains import HALVES, Chains, problem
from msgen.actors.base import Segment
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.works import COLUMNS

DELTA, SIGMA, SHARED = 1.0, 1.2, 0.5
"""F(rest) − F(left) and σ of the works, both kT; and the chain's share of their variance."""
TAU, READINGS, PATHS = 10.0, 60, 6
"""Correlation time in readings; of the first rounds and each replica."""
FIXED = 24
"""Rounds of campaigns of fixed length."""
MOST = 400
"""Rounds after which a campaign that does not converge is given up."""
ASKED = Criteria(state_error=0.06, surface_error=None)


def segment(rng: np.random.Generator, chain: np.ndarray, replica: int, state: int) -> Segment:
    """A round of a replica, of the readings `chain` (n,), and its paths at even times.

    Gaussian works of mean ±∆F + σ²/2 obey Crooks' relation.
    """
    n, sign = len(chain), 1.0 if state == 0 else -1.0
    start = chain[:: READINGS // PATHS]
    noise = np.sqrt(SHARED) * start + np.sqrt(1.0 - SHARED) * rng.standard_normal(len(start))
    paths = {
        **{name: np.zeros(len(start)) for name in COLUMNS},
        "work": sign * DELTA + 0.5 * SIGMA**2 + SIGMA * noise,
        "source": np.full(len(start), float(state)),
        "target": np.full(len(start), 1.0 - state),
        "path_replica": np.full(len(start), float(replica)),
    }
    samples = {
        "cvs": -sign * np.exp(0.4 * chain)[:, None],
        "replica": np.full(n, float(replica)),
        "log_bias": np.zeros(n),
    }
    return Segment((0, "sample", replica), samples={**samples, **paths})


def campaign(rng: np.random.Generator, replicas: tuple[int, int], stop: bool) -> Estimate:
    """One campaign; rounds lengthen as those of the strategies do."""
    made = problem(ASKED, sum(replicas))
    stratum = np.repeat([0, 1], replicas)
    chains = Chains(rng, (sum(replicas),), TAU)
    produced = Production.start(made, stratum, len(HALVES))
    while True:
        x = chains.more(READINGS * (1 + produced.rounds // 4))
        segments = [segment(rng, x[i], i, s) for i, s in enumerate(stratum.tolist())]
        produced = produced.with_round(made, HALVES, segments)
        if not stop and produced.rounds < FIXED:
            continue
        found = produced.estimate(made, HALVES, True, {}, {})
        if not stop or found.converged or produced.rounds >= MOST:
            return found


def run(
    rng: np.random.Generator, repeats: int, *, replicas: tuple[int, int], stop: bool
) -> Outcomes:
    return of_campaigns(lambda: campaign(rng, replicas, stop), repeats, DELTA, stop)


CASES = tuple(
    Case(
        f"strata: {a} + {b} replicas, {how}",
        min(a, b),
        partial(run, replicas=(a, b), stop=how == "at the stop"),
    )
    for how in ("fixed length", "at the stop")
    for a, b in ((2, 2), (14, 2), (4, 4), (8, 8), (16, 16))
)
