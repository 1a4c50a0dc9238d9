"""Replicas kept in two states, joined by works of paths: few in one of them, or in both."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Array, Case, Outcomes
from coverage_cases.chains import HALVES, problem
from msgen.actors.base import Segment
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.works import COLUMNS

DELTA, SIGMA = 1.0, 1.2
"""F(rest) − F(left), and σ of the works; both kT."""
ROUNDS, PATHS, READINGS = 10, 6, 20
"""And paths and readings of each replica in each."""


def works_of(
    rng: np.random.Generator, replica: int, source: int, common: float, spread: float
) -> dict[str, Array]:
    """Paths of a replica in a round: what they have in `common`, and the `spread` of the rest.

    Gaussian works of mean ±∆F + σ²/2 obey Crooks' relation.
    """
    sign = 1.0 if source == 0 else -1.0
    work = sign * DELTA + 0.5 * SIGMA**2 + common + rng.normal(0.0, spread, PATHS)
    table = {name: np.zeros(PATHS) for name in COLUMNS}
    return {
        **table,
        "work": work,
        "source": np.full(PATHS, float(source)),
        "target": np.full(PATHS, 1.0 - source),
        "path_replica": np.full(PATHS, float(replica)),
    }


def run(
    rng: np.random.Generator, repeats: int, *, replicas: tuple[int, int], shared: float
) -> Outcomes:
    made = problem(Criteria(), sum(replicas))
    stratum = np.repeat([0, 1], replicas)
    found = []
    for _ in range(repeats):
        common = rng.normal(0.0, SIGMA * np.sqrt(shared), sum(replicas))
        produced = Production.start(made, stratum, 2)
        for _ in range(ROUNDS):
            segments = []
            for i, s in enumerate(stratum.tolist()):
                x = (2 * s - 1) * np.abs(rng.standard_normal(READINGS))
                columns = {
                    "cvs": x[:, None],
                    "replica": np.full(READINGS, float(i)),
                    "log_bias": np.zeros(READINGS),
                    **works_of(rng, i, s, common[i], SIGMA * np.sqrt(1.0 - shared)),
                }
                segments.append(Segment((0, "sample", i), samples=columns))
            produced = produced.with_round(made, HALVES, segments)
        rest = produced.estimate(made, HALVES, True, {}, {}).states["rest"]
        f = np.nan if rest.f_kT is None else rest.f_kT
        found.append((f, np.nan if rest.stderr_kT is None else rest.stderr_kT, True))
    return Outcomes.of(found, DELTA)


CASES = tuple(
    Case(
        f"paths: {a} + {b} replicas, {how}",
        min(a, b),
        partial(run, replicas=(a, b), shared=0.0 if how == "free works" else 0.3),
    )
    for how in ("free works", "works of a replica alike")
    for a, b in ((2, 2), (14, 2), (3, 3), (8, 8), (32, 32))
)
