"""ln Z by Bennett's estimator between a frozen model and the walkers that it moves."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Case, Outcomes
from coverage_cases.chains import HALVES
from msgen.actors.base import Segment
from msgen.orchestrator.estimators.targeted import Difference
from msgen.orchestrator.strategies.flow_mcmc.weights import Weights
from msgen.systems.base import Array

DIM, WIDTH = 2, 1.4
"""ρ* = N(0, 1) in so many dimensions, the model N(0, width²) in all: ln Z = 0."""
ROUNDS, STRETCHES, STEPS = 6, 10, 5
"""Rounds, stretches of local moves in each, and proposals of a walker after each."""
MEMORY = 0.98
"""What a stretch of local moves leaves of a position."""


def log_weight(x: Array, width: float) -> Array:
    """ln ρ* − ln q of x (…, DIM)."""
    squares = np.sum(x**2, axis=-1)
    return np.asarray(DIM * np.log(width) - 0.5 * squares * (1.0 - width**-2))


def gathered(
    rng: np.random.Generator, replicas: int, width: float = WIDTH, rounds: int = ROUNDS
) -> Weights:
    """A campaign's weights: local moves that keep ρ*, then independence moves of the model."""
    weights, counted = Weights(), np.ones(replicas, dtype=bool)
    x = rng.standard_normal((replicas, DIM))
    for rnd in range(rounds):
        started, proposed = [], []
        for _ in range(STRETCHES):
            x = MEMORY * x + np.sqrt(1.0 - MEMORY**2) * rng.standard_normal(x.shape)
            now = log_weight(x, width)
            started.append(now)
            for _ in range(STEPS):
                y = width * rng.standard_normal(x.shape)
                new = log_weight(y, width)
                proposed.append((new, y[:, :1]))
                accept = np.log(rng.random(replicas)) < new - now
                x, now = np.where(accept[:, None], y, x), np.where(accept, new, now)
        number = np.arange(replicas, dtype=np.float64)
        samples = {
            "proposal_log_weight": np.stack([w for w, _ in proposed], axis=1).ravel(),
            "proposal_cvs": np.stack([xi for _, xi in proposed], axis=1).reshape(-1, 1),
            "proposal_replica": np.repeat(number, len(proposed)),
            "walker_log_weight": np.stack(started, axis=1).ravel(),
            "walker_replica": np.repeat(number, len(started)),
        }
        segment = Segment((rnd, "walk", 0), samples=samples)
        weights = weights.with_round([segment], counted, HALVES, np.arange(replicas))
    return weights


def difference(rng: np.random.Generator, replicas: int) -> Difference:
    """ln Z of one campaign, as it is reported."""
    found = gathered(rng, replicas).difference()
    assert found is not None
    return found


def run(rng: np.random.Generator, repeats: int, *, replicas: int) -> Outcomes:
    found = [difference(rng, replicas) for _ in range(repeats)]
    return Outcomes.of([(d.value, d.stderr, True) for d in found], 0.0)


CASES = tuple(
    Case(f"flow_mcmc: ln Z, {r} replicas, fixed length", r, partial(run, replicas=r))
    for r in (2, 3, 4, 8, 16, 64)
)
