"""The orders of the probes: how many, from where, and how each is thrown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from msgen.actors.base import WorkOrder
from msgen.actors.orders.probe import ProbePayload, Way
from msgen.actors.orders.proposals import DefendedSpec
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
PATIENCE, LONGER = 5, 3
"""Times as long between readings of a probe that is looked at again, and in every further look."""
PUSH_STEPS = 250
READINGS = 12


def number(problem: Problem, probes: Probes, reserved: float = 0.0) -> int:
    """Probes of the next round: what the share of the evaluations allows, and the bound needs.

    Of that share `reserved` evaluations are for others.
    """
    asked = problem.criteria.unseen
    if asked is None:
        return 0
    least = FINEST if isinstance(asked, str) else min(asked, FINEST)
    known = Unseen.of(probes.made, [b.times for b in probes.basins])
    wanted = known.needed(least) - probes.made
    each = COST["batched" if problem.batched else "openmm"]
    if probes.made:
        each = max(1.0, probes.spent / probes.made)
    affordable = int((_allowed(problem, probes) - reserved) / each)
    out = min(wanted, affordable, MOST)
    return out if out >= LEAST or out == wanted else 0


def fresh_orders(
    problem: Problem, rnd: int, probes: Probes, walkers: WalkerRows, first: int
) -> list[WorkOrder]:
    """New probes, the first order with number `first`; from the walkers and from the start."""
    longer = sum(_next_look(one) for one in probes.waiting if one.looks and not one.stayed)
    n = number(problem, probes, longer)
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
    problem: Problem,
    rnd: int,
    probes: Probes,
    walkers: WalkerRows,
    proposal: DefendedSpec | None = None,
) -> list[WorkOrder]:
    """Those that wait are looked at once more, and held against a proposal where there is one.

    In the order of `again_parts`.
    """
    waiting = probes.waiting
    out = []
    low = high = None
    if problem.batched:
        low, high = problem.seen_range(walkers)
    for i, part in enumerate(again_parts(problem, probes)):
        rows = WalkerRows.join([waiting[k].walkers for k in part])
        ways: list[Way] = ["stay"] * len(part)
        zeros = np.zeros((len(part), problem.dim))
        patience = PATIENCE * LONGER ** waiting[part[0]].looks
        out.append(_order(problem, rnd, i, rows, ways, zeros, (low, high), patience, proposal))
    return out


def again_parts(problem: Problem, probes: Probes) -> list[list[int]]:
    """Which of those that wait share an order, as often looked at each.

    The first look is always taken, longer ones as far as the share of the evaluations allows.
    """
    left, by_looks = _allowed(problem, probes), dict[int, list[int]]()
    for k, one in enumerate(probes.waiting):
        if one.stayed:
            continue
        if one.looks:
            left -= _next_look(one)
        if not one.looks or left >= 0:
            by_looks.setdefault(one.looks, []).append(k)
    size = TOGETHER[problem.batched]
    return [
        part[i : i + size]
        for _, part in sorted(by_looks.items())
        for i in range(0, len(part), size)
    ]


def _allowed(problem: Problem, probes: Probes) -> float:
    """Evaluations that the probes have left of their share."""
    return problem.criteria.probes * probes.of - probes.spent


def _next_look(one: Candidate) -> float:
    """Evaluations that another look takes; those before were each `LONGER` than the last."""
    return (LONGER - 1) * one.length + one.length / max(1, one.looks)


def _order(
    problem: Problem,
    rnd: int,
    number: int,
    walkers: WalkerRows,
    ways: Sequence[Way],
    targets: Array,
    seen: tuple[Array | None, Array | None],
    patience: int = 1,
    proposal: DefendedSpec | None = None,
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
        proposal=proposal,
    )
    version = -1 if proposal is None else proposal.version
    each = COST["batched" if problem.batched else "openmm"]
    cost = each * patience * len(ways)
    return WorkOrder.of(rnd, payload, number, model_version=version, cost_hint=cost)


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
