"""Umbrella windows over a normal distribution: few ladders and many, of fixed length or stopped."""

from __future__ import annotations

from functools import partial

import numpy as np

from coverage_cases.base import Array, Case, Outcomes, of_campaigns
from coverage_cases.chains import HALVES, Chains, halves_apart, problem
from msgen.actors.base import Segment, encode
from msgen.actors.orders.umbrella import UmbrellaRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.windows import Windows, place

MEAN, TAU = 0.3, 100.0
WINDOWS = (-1.5, -0.5, 0.5, 1.5)
EFFECTIVE = 150
"""Effective samples of a window at fixed length, of all ladders together."""
ROUNDS = 16
MOST = 200
"""Rounds after which a campaign that does not converge is given up."""
ASKED = Criteria(state_error=0.15, surface_error=None)


def windows_of(made: Problem) -> Windows:
    return place({"x": list(WINDOWS)}, {"x": 0.7}, made.names, made.grid)


class Sampler:
    """Walkers of all windows, each with a start and a memory of its own.

    A window at λ turns N(m, 1) into N((m + κλ)/(1 + κ), 1/(1 + κ)).
    """

    def __init__(
        self, rng: np.random.Generator, windows: Windows, ladders: int, tau: float
    ) -> None:
        kappa = float(windows.kappa[0, 0])
        self.mean = (MEAN + kappa * windows.centres[:, 0]) / (1.0 + kappa)
        self.sd = 1.0 / np.sqrt(1.0 + kappa)
        self.chains = Chains(rng, (ladders, len(windows)), tau)

    def round(self, n: int) -> list[Segment]:
        """A round of n readings of every walker."""
        x: Array = self.mean[:, None] + self.sd * self.chains.more(n)
        slots = np.arange(x.shape[0] * x.shape[1])
        columns = {
            "cvs": x.reshape(-1, 1),
            "replica": np.repeat(slots, n).astype(np.float64),
            "watched": np.zeros((x.size, 0)),
            "watched_replica": np.repeat(slots, n).astype(np.float64),
        }
        walkers = WalkerRows(np.zeros((len(slots), 1)))
        none = np.zeros((0, 2), dtype=np.int64)
        record = UmbrellaRecord(walkers, slots, slots, x[..., -1].reshape(-1, 1), none)
        return [Segment((0, "umbrella", 0), samples=columns, carry=encode(record))]


def campaign(rng: np.random.Generator, ladders: int, stop: bool) -> Estimate:
    made = problem(ASKED, ladders, exchange=False)
    windows = windows_of(made)
    sampler = Sampler(rng, windows, ladders, TAU)
    produced = WindowProduction.start(made, windows, ladders)
    # with the first quarter that is left out
    n = round(EFFECTIVE * 2 * TAU / ladders / ROUNDS / 0.75)
    while True:
        produced = produced.with_round(made, sampler.round(n))
        if not stop and produced.rounds < ROUNDS:
            continue
        found = produced.estimate(made, HALVES, {}, {}, True)
        if not stop or found.converged or produced.rounds >= MOST:
            return found


def run(rng: np.random.Generator, repeats: int, *, ladders: int, stop: bool) -> Outcomes:
    return of_campaigns(lambda: campaign(rng, ladders, stop), repeats, halves_apart(MEAN), stop)


CASES = tuple(
    Case(f"umbrella: {n} ladders, {how}", n, partial(run, ladders=n, stop=how == "at the stop"))
    for how in ("fixed length", "at the stop")
    for n in (2, 4, 16, 64)
)
