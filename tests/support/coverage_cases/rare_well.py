"""A well that is visited some dozen times: it must not decide what is left out."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Case, Outcomes
from coverage_cases.chains import HALVES, problem
from msgen.actors.base import Segment, encode
from msgen.actors.orders.umbrella import UmbrellaRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.windows import place

DWELL, RARE = 15.0, 0.2
"""Readings of a visit in the mean, and the well's share of the time."""
ROUNDS = 16


def visits(rng: np.random.Generator, ladders: int, n: int) -> np.ndarray:
    """Whether each of n readings of each walker is in the well, from equilibrium on."""
    leave, enter = 1.0 / DWELL, RARE / (1.0 - RARE) / DWELL
    inside = rng.random(ladders) < RARE
    out = np.empty((ladders, n), dtype=bool)
    chance = rng.random((ladders, n))
    for i in range(n):
        inside = np.where(inside, chance[:, i] >= leave, chance[:, i] < enter)
        out[:, i] = inside
    return out


def run(rng: np.random.Generator, repeats: int, *, ladders: int, number: int) -> Outcomes:
    made = problem(Criteria(), ladders, exchange=False)
    windows = place({"x": [0.0, 0.2]}, {"x": 3.0}, made.names, made.grid)
    each = round(number * DWELL / RARE / ladders / ROUNDS / 0.75)
    slots = np.repeat(np.arange(2 * ladders), each)
    none = np.zeros((0, 2), dtype=np.int64)
    all_slots = np.arange(2 * ladders)
    found = []
    for _ in range(repeats):
        # the two windows, which hardly hold, of one walker are as good as one
        inside = visits(rng, ladders, each * ROUNDS).repeat(2, axis=0)
        x = np.where(inside, 1.0, -1.0) * (1.0 + 0.2 * rng.random(inside.shape))
        produced = WindowProduction.start(made, windows, ladders)
        for r in range(ROUNDS):
            mine = x[:, r * each : (r + 1) * each].reshape(-1, 1)
            record = UmbrellaRecord(
                WalkerRows(np.zeros((2 * ladders, 1))),
                all_slots,
                all_slots,
                np.zeros((2 * ladders, 1)),
                none,
            )
            columns = {
                "cvs": mine,
                "replica": slots.astype(np.float64),
                "watched": np.zeros((len(mine), 0)),
                "watched_replica": slots.astype(np.float64),
            }
            segment = Segment((0, "umbrella", 0), samples=columns, carry=encode(record))
            produced = produced.with_round(made, [segment])
        rest = produced.estimate(made, HALVES, {}, {}, True).states["rest"]
        f = np.nan if rest.f_kT is None else rest.f_kT
        found.append((f, np.nan if rest.stderr_kT is None else rest.stderr_kT, True))
    return Outcomes.of(found, float(np.log(1.0 / RARE - 1.0)))


CASES = tuple(
    Case(f"umbrella: a well of some {n} visits, 4 ladders", 4, partial(run, ladders=4, number=n))
    for n in (12, 60)
)
