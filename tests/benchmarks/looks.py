"""How often a run that has not mixed is called converged, and what it costs one that has.

`make bench NAME=looks [ARGS=repeats]`: AR(1) replicas that stay apart for ever by as much as makes
their R̂ 1.05, 1.10 or 1.20 of endless chains, or not at all, looked at 23 times as they grow from 8
to 1,000 readings. R̂ is all that is asked: at any one look, and by all looks together.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from coverage_cases.chains import Chains
from rows import Row, publish

from msgen.orchestrator.base import Estimate, Extent, StateEstimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.convergence.judge import judge
from msgen.orchestrator.convergence.looks import Looks
from msgen.orchestrator.convergence.sampling import RHat
from msgen.orchestrator.estimators.left_out import Bounded, bounded_r_hat

TAU = 5.0
"""Correlation time in readings."""
LENGTHS = np.unique(np.round(8 * 1.25 ** np.arange(23)).astype(int))
NONE = np.zeros(0)
STATES = {"a": StateEstimate(0.0, 0.0), "b": StateEstimate(0.0, 0.05)}
EMPTY = Estimate({}, NONE, NONE, STATES, {}, False, ())


def ends(rng: np.random.Generator, replicas: int, r_hat: float) -> tuple[float, float]:
    """Lengths at which one run ends at a look that passes, and by all looks; inf for never."""
    x = Chains(rng, (replicas,), TAU).more(int(LENGTHS[-1]))
    x = x + np.sqrt(r_hat**2 - 1.0) * rng.normal(size=(replicas, 1))
    once, together, looks, before = np.inf, np.inf, Looks(), 0
    for n, length in enumerate(LENGTHS.tolist(), 1):
        found = bounded_r_hat(list(x[:, :length]))
        # as it was: one look, R̂ as it is
        lax = judge(Criteria(), [RHat({"x": Bounded(found.value, found.value)})])
        once = min(once, length if lax.converged else np.inf)
        verdict = judge(Criteria(), [RHat({"x": found})])
        said = replace(
            EMPTY,
            converged=verdict.converged,
            unmet=verdict.unmet,
            standing=verdict.standing,
            extent=Extent(n, length / (2 * TAU)),
        )
        looks, said = looks.judged(said, length - before)
        before = length
        if said.converged:
            together = length
            break
    return once, together


def rows(repeats: int) -> list[Row]:
    """Shares of wrong runs that pass, and lengths of right ones."""
    out = []
    for replicas in (4, 8, 16, 32):
        for r_hat in (1.05, 1.10, 1.20, 1.0):
            rng = np.random.default_rng((replicas, round(100 * r_hat)))
            found = np.array([ends(rng, replicas, r_hat) for _ in range(repeats)])
            if r_hat > 1.0:
                once, together = np.isfinite(found).mean(axis=0)
                what = f"{replicas} replicas of R̂ {r_hat:.2f} that pass"
                out.append(Row(what, together, "", f"{once:.3f} at one look"))
                continue
            both = found[np.isfinite(found[:, 1])]
            longer = float(np.median(both[:, 1] / both[:, 0]))
            what = f"{replicas} replicas that mix: production longer"
            out.append(Row(what, longer, "times", f"{len(both) / repeats:.2f} end"))
    return out


if __name__ == "__main__":
    publish("looks", rows(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
