"""Weighted draws whose weights have a known Pareto tail: ln Z and a difference of two states."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Case, Outcomes
from coverage_cases.chains import HALVES, problem
from msgen.actors.base import Segment
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.pareto import USABLE
from msgen.orchestrator.strategies.importance.production import Weighted

DRAWS = 4096
"""Of the first rounds; they lengthen as those of the strategy do."""
FIXED = 4
"""Rounds of campaigns of fixed length."""
MOST = 24
"""Rounds after which a campaign that does not converge is given up."""
ASKED = Criteria(state_error=0.1, surface_error=None)


def campaign(rng: np.random.Generator, tails: tuple[float, float], stop: bool) -> Estimate:
    """One campaign: half of the draws in either state, their weights u^{−k} of uniform u."""
    made, k = problem(ASKED, 2), np.array(tails)
    gathered = Weighted.start(made, len(HALVES))
    while True:
        n = DRAWS * (1 + gathered.rounds // 4)
        xi = rng.uniform(-2.0, 2.0, (n, 1))
        log_w = -k[(xi[:, 0] >= 0.0).astype(int)] * np.log(rng.random(n))
        number = gathered.draws + np.arange(n, dtype=np.float64)
        samples = {"log_weight": log_w, "cvs": xi, "draw": number}
        gathered = gathered.with_round(made, HALVES, [Segment((0, "draw", 0), samples=samples)])
        if not stop and gathered.rounds < FIXED:
            continue
        found = gathered.estimate(made, HALVES, (), {}, False)
        if not stop or found.converged or gathered.rounds >= MOST:
            return found


def log_z_of(tails: tuple[float, float]) -> float:
    """ln of the mean weight, which is 1/(1 − k) in each state."""
    return float(np.log(np.mean(1.0 / (1.0 - np.array(tails)))))


def run(
    rng: np.random.Generator,
    repeats: int,
    *,
    tails: tuple[float, float],
    stop: bool,
    difference: bool,
) -> Outcomes:
    found = []
    for _ in range(repeats):
        estimate = campaign(rng, tails, stop)
        told: tuple[float | None, float | None] = (None, None)
        if difference:
            told = (estimate.states["rest"].f_kT, estimate.states["rest"].stderr_kT)
        elif estimate.log_z is not None:
            told = (estimate.log_z.value, estimate.log_z.stderr)
        value, error = (np.nan if v is None else v for v in told)
        found.append((value, error, estimate.converged or not stop))
    left, rest = (1.0 / (1.0 - k) for k in tails)
    return Outcomes.of(found, float(np.log(left / rest)) if difference else log_z_of(tails))


CASES = tuple(
    Case(
        f"importance: {what}, weights u^-{tails[1]:g}{where}, {how}",
        256,
        partial(run, tails=tails, stop=how == "at the stop", difference=what == "ΔF"),
        never=how == "at the stop" and tails[1] >= USABLE,
    )
    for how in ("fixed length", "at the stop")
    for what, tails, where in (
        *(("ln Z", (k, k), "") for k in (0.3, 0.5, 0.65, 0.8)),
        ("ΔF", (0.0, 0.3), " in one state"),
        ("ΔF", (0.0, 0.5), " in one state"),
        ("ΔF", (0.0, 0.65), " in one state"),
        ("ΔF", (0.0, 0.75), " in one state"),
        *((("ln Z", (USABLE, USABLE), ""),) if how == "at the stop" else ()),
    )
)
