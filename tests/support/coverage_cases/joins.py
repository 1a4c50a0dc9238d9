"""States joined through models of each, as the targeted strategy joins them."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Array, Case, Outcomes
from coverage_cases.chains import HALVES, problem
from msgen.actors.base import Segment
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.targeted.production import Gathered

DIM, SPREAD, WIDTH, SCALE = 2, 2.0, 1.25, 1.7
"""A is N(0, 1) in so many dimensions, B twice as wide, so that ΔF = −DIM ln SPREAD; models are
WIDTH times as wide as their state, and the map stretches by SCALE."""
DELTA_F = -DIM * float(np.log(SPREAD))
ROUNDS, FRAMES, DRAWS, MEMORY = 8, 20, 4, 0.9
"""Rounds, configurations of a replica in each, draws for each of them, and ρ from one to the
next."""
ESTIMATORS = ("deep_bar", "bar", "tfep")


def log_weight(x: Array) -> Array:
    """ln ρ̃ − ln q at x of unit width, of a state whose Z is that of N(0, 1)."""
    return np.asarray(DIM * np.log(WIDTH) - 0.5 * (1 - WIDTH**-2) * np.sum(x**2, axis=-1))


def segments(rng: np.random.Generator, x: Array, first: int) -> list[Segment]:
    """A round of the replicas `first` … in state A, or B; x (replicas, frames, DIM) of unit width.

    The last one holds all replicas of its state.
    """
    state = int(first > 0)
    r, n, _ = x.shape
    replica = np.repeat(first + np.arange(r, dtype=np.float64), n)
    flat = x.reshape(-1, DIM)
    log_z = -state * DELTA_F
    drawn = WIDTH * rng.standard_normal((len(flat) * DRAWS, DIM))
    squares = np.sum(flat**2, axis=1)
    # y = SCALE x there, and back
    stretch = (SCALE / SPREAD) ** (1 if state == 0 else -1)
    jacobian = DIM * np.log(SCALE) * (1 if state == 0 else -1)
    work = 0.5 * squares * (stretch**2 - 1.0) - jacobian
    samples = {
        "cvs": np.where(state, 1.0, -1.0) * np.ones((len(flat), 1)) + 0.01 * flat[:, :1],
        "replica": replica,
        "draw_log_weight": log_z + log_weight(drawn),
        "draw_state": np.full(len(drawn), float(state)),
        "frame_log_weight": log_z + log_weight(flat),
        "frame_state": np.full(len(flat), float(state)),
        "frame_replica": replica,
        "work": work,
        "source": np.full(len(flat), float(state)),
        "target": np.full(len(flat), 1.0 - state),
        "path_replica": replica,
        "schedule": np.zeros(len(flat)),
        "path_steps": np.ones(len(flat)),
    }
    return [Segment((0, "target", state), samples=samples)]


def campaign(
    rng: np.random.Generator, replicas: tuple[int, int], estimator: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """ΔF and ln Z of one campaign, each with its error."""
    made = problem(Criteria(surface_error=None), sum(replicas), estimator=estimator, rest="sample")
    stratum = np.repeat([0, 1], replicas)
    own = np.arange(sum(replicas))
    gathered = Gathered.start(made, stratum, 2, own)
    counted = np.ones(sum(replicas), dtype=bool)
    x = rng.standard_normal((sum(replicas), DIM))
    for _ in range(ROUNDS):
        frames = []
        for _ in range(FRAMES):
            x = MEMORY * x + np.sqrt(1 - MEMORY**2) * rng.standard_normal(x.shape)
            frames.append(x)
        held = np.stack(frames, axis=1)
        both = segments(rng, held[: replicas[0]], 0) + segments(
            rng, held[replicas[0] :], replicas[0]
        )
        gathered = gathered.with_round(made, HALVES, stratum, both, counted, own)
    found = gathered.estimate(made, HALVES, {}, {}, ())
    rest, log_z = found.states["rest"], found.log_z
    assert rest.f_kT is not None
    assert log_z is not None
    error = np.nan if rest.stderr_kT is None else rest.stderr_kT
    of_z = np.nan if log_z.stderr is None else log_z.stderr
    return (rest.f_kT, error), (log_z.value, of_z)


def run(
    rng: np.random.Generator,
    repeats: int,
    *,
    replicas: tuple[int, int],
    estimator: str,
    of_z: bool = False,
) -> Outcomes:
    found = [campaign(rng, replicas, estimator)[of_z] for _ in range(repeats)]
    truth = float(np.log(1.0 + np.exp(-DELTA_F))) if of_z else DELTA_F
    return Outcomes.of([(value, error, True) for value, error in found], truth)


CASES = (
    *(
        Case(
            f"targeted: {estimator}, {a} + {b} replicas, fixed length",
            min(a, b),
            partial(run, replicas=(a, b), estimator=estimator),
        )
        for estimator in ESTIMATORS
        for a, b in ((2, 2), (4, 4), (8, 8), (14, 2))
    ),
    *(
        Case(
            f"targeted: ln Z, {a} + {b} replicas, fixed length",
            min(a, b),
            partial(run, replicas=(a, b), estimator="deep_bar", of_z=True),
        )
        for a, b in ((2, 2), (8, 8))
    ),
)
