"""The orders of the probes: how many, from where, and how each is thrown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from msgen.actors.base import WorkOrder
from msgen.actors.orders.probe import ProbePayload, Way
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.estimators.completeness.unseen import Unseen
from msgen.orchestrator.strategies.common.exploration import push_schedule
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.probing.state import Candidate, Probes
from msgen.systems.base import Array

FINEST, USUAL = 0.01, 0.05
"""Bound down to which probes go on while their share lasts, and up to which none is asked for."""
COST = {"batched": 120.0, "openmm": 2000.0}
"""Evaluations that a probe is expected to take, before any was made."""
LEAST = 4
"""Fewer are not worth an order."""
MOST = 512
"""Probes of a round."""
TOGETHER = {True: 256, False: 2}
"""Probes of an order, where walkers are stepped in batches and where not."""
PATIENCE = 5
"""Times as long between readings of a probe that is looked at again."""
PUSH_STEPS = 250
READINGS = 12


def number(problem: Problem, probes: Probes) -> int:
    """Probes of the next round: what the share of the evaluations allows, and the bound needs."""
    asked = problem.criteria.unseen
    if asked is None:
        return 0
    least = FINEST if isinstance(asked, str) else min(asked, FINEST)
    known = Unseen.of(probes.made, [b.times for b in probes.basins])
    wanted = known.needed(least) - probes.made
    each = COST["batched" if problem.batched else "openmm"]
    if probes.made:
        each = max(1.0, probes.spent / probes.made)
    affordable = int((problem.criteria.probes * probes.of - probes.spent) / each)
    out = min(wanted, affordable, MOST)
    return out if out >= LEAST or out == wanted else 0


def fresh_orders(
    problem: Problem, rnd: int, probes: Probes, walkers: WalkerRows, first: int
) -> list[WorkOrder]:
    """New probes, the first order with number `first`; from the walkers and from the start."""
    n = number(problem, probes)
    if n <= 0:
        return []
    rng = np.random.default_rng(np.random.SeedSequence(problem.seed, spawn_key=(rnd, 81)))
    begun = probes.made + probes.broken
    start = problem.first_walkers().without_velocities()
    have = WalkerRows.join([walkers.without_velocities(), start])
    pick = rng.integers(len(have), size=n)
    low = high = None
    if problem.batched:
        low, high = problem.seen_range(have)
    ways, targets = _ways(problem, begun, n), _targets(problem, rng, n)
    parts = np.array_split(np.arange(n), -(-n // TOGETHER[problem.batched]))
    return [
        _order(
            problem,
            rnd,
            first + i,
            have.take(pick[part]),
            [ways[k] for k in part.tolist()],
            targets[part],
            (low, high),
        )
        for i, part in enumerate(parts)
    ]


def again_orders(
    problem: Problem, rnd: int, waiting: Sequence[Candidate], walkers: WalkerRows
) -> list[WorkOrder]:
    """Those that wait are looked at once more; in the order of `again_parts`."""
    out = []
    low = high = None
    if problem.batched:
        low, high = problem.seen_range(walkers)
    for i, part in enumerate(again_parts(problem, waiting)):
        rows = WalkerRows.join([waiting[k].walkers for k in part])
        ways: list[Way] = ["stay"] * len(part)
        zeros = np.zeros((len(part), problem.dim))
        out.append(_order(problem, rnd, i, rows, ways, zeros, (low, high), PATIENCE))
    return out


def again_parts(problem: Problem, waiting: Sequence[Candidate]) -> list[list[int]]:
    """Which of them share an order."""
    open_ = [k for k, one in enumerate(waiting) if not one.stayed]
    size = TOGETHER[problem.batched]
    return [open_[i : i + size] for i in range(0, len(open_), size)]


def _order(
    problem: Problem,
    rnd: int,
    number: int,
    walkers: WalkerRows,
    ways: Sequence[Way],
    targets: Array,
    seen: tuple[Array | None, Array | None],
    patience: int = 1,
) -> WorkOrder:
    schedule = None
    if "push" in ways:
        dt = problem.strategy.get("path", {}).get("timestep", "auto")
        own = float(problem.strategy["local"]["timestep"])
        schedule = push_schedule(problem, own if isinstance(dt, str) else float(dt), PUSH_STEPS)
    payload = ProbePayload(
        walkers=walkers,
        ways=tuple(ways),
        targets=targets,
        lower=problem.lower,
        upper=problem.upper,
        low=seen[0],
        high=seen[1],
        schedule=schedule,
        readings=READINGS,
        patience=patience,
    )
    each = COST["batched" if problem.batched else "openmm"]
    return WorkOrder.of(rnd, payload, number, cost_hint=each * patience * len(ways))


def _ways(problem: Problem, begun: int, n: int) -> list[Way]:
    """In turns, counted from the campaign's first probe."""
    turn: tuple[Way, ...] = ("burst", "scatter")
    # only where the strategy pushes its CVs too: not every CV can be
    if not problem.batched and "explore" in problem.strategy:
        turn = ("burst", "scatter", "push")
    return [turn[(begun + i) % len(turn)] for i in range(n)]


def _targets(problem: Problem, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Points that fill the CV range evenly, shape (n, C)."""
    halton = qmc.Halton(problem.dim, scramble=True, rng=rng)
    return np.asarray(problem.lower + halton.random(n) * (problem.upper - problem.lower))
