"""Walkers for windows that have none: the orders that make them, and what becomes of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.orders.seed import SeedPayload, SeedRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.umbrella.state import UmbrellaState
from msgen.orchestrator.strategies.umbrella.windows import Windows, roots, tour, way

Ints = NDArray[np.int64]


def seed_orders(problem: Problem, state: UmbrellaState) -> tuple[WorkOrder, ...]:
    """Walkers for the windows that have none, one order a ladder."""
    spec, stride, windows = problem.strategy, problem.stride, state.windows
    new = set(state.unseeded.tolist())
    present = len(state.who) // problem.replicas
    whole = tour(windows, problem.start_xi)
    # a ladder's own tour: what a walker remembers of its way differs from ladder to ladder
    begins = roots(windows, problem.start_xi, problem.replicas)
    relax = max(1, int(spec["relax"]) // stride)
    out = []
    for ladder in range(problem.replicas):
        centre = windows.centres[begins[ladder]]
        route = [(k, before) for k, before in tour(windows, centre) if k in new]
        mine = [k for k, _ in route]
        parent, start = _origins(windows, route, present)
        approach = [] if present else way(whole, begins[ladder])
        # rows of what there is to start from: the start, then this ladder's own windows
        have = [problem.first_walkers().without_velocities()]
        if present:
            own = ladder * present + np.arange(present, dtype=np.int64)
            have.append(state.walkers.take(own).without_velocities())
        payload = SeedPayload(
            walkers=WalkerRows.join(have),
            window=np.array(mine, dtype=np.int64),
            lam=windows.centres[mine],
            kappa=windows.kappa,
            approach=windows.centres[approach],
            parent=parent,
            start=start,
            ladder=ladder,
            ladders=problem.replicas,
            label=windows.biased,
            relax=relax,
            steps=stride,
            minimise=int(spec["minimise"]),
            step_size=state.moves.step_size,
        )
        version = state.version if spec["seeds"] == "model" else -1
        cost = float(len(mine) * relax * stride)
        out.append(
            WorkOrder.of(state.round, payload, ladder, model_version=version, cost_hint=cost)
        )
    return tuple(out)


def _origins(windows: Windows, route: list[tuple[int, int]], present: int) -> tuple[Ints, Ints]:
    """Where the walker of each window on the route comes from, if the model has none for it.

    Its own walker where it has one, else that of the nearest of the `present` windows, else the
    parent's on the way from the start: 'parent' is its row on the route or −1, 'start' a row of
    the walkers given, 0 the campaign's start and 1 + k that of window k.
    """
    row = {k: i for i, (k, _) in enumerate(route)}
    parent = np.full(len(route), -1, dtype=np.int64)
    start = np.zeros(len(route), dtype=np.int64)
    for i, (k, before) in enumerate(route):
        if k < present:
            start[i] = 1 + k
        elif present:
            near = windows.distances(windows.centres[k : k + 1], windows.centres[:present])[0]
            start[i] = 1 + int(np.argmin(near))
        elif before in row:
            parent[i] = row[before]
    return parent, start


def with_seeds(state: UmbrellaState, ladders: int, segments: Sequence[Segment]) -> UmbrellaState:
    """`state` with seeds in their windows; what stood there before is gone."""
    n = len(state.windows)
    records = [s.read(SeedRecord) for s in segments]
    # each ladder's windows come back in the order of its tour
    index = [s.key[2] * n + r.window for s, r in zip(segments, records, strict=True)]
    walkers, xi = [r.walkers for r in records], [r.xi for r in records]
    own_seed = [r.from_model for r in records]
    before = len(state.who) // ladders
    if kept := [k for k in range(before) if k not in set(state.unseeded.tolist())]:
        ladder = np.arange(ladders)[:, None]
        index.append((ladder * n + np.array(kept)).reshape(-1))
        own = (ladder * before + np.array(kept)).reshape(-1)
        walkers.append(state.walkers.take(own).without_velocities())
        xi.append(state.xi[own])
        own_seed.append(state.own_seed[own])
    order = np.argsort(np.concatenate(index), kind="stable")
    return replace(
        state,
        phase="adapt",
        stage="sample",
        walkers=WalkerRows.join(walkers).take(order),
        xi=np.concatenate(xi)[order],
        who=np.arange(ladders * n),
        own_seed=np.concatenate(own_seed)[order],
        unseeded=np.zeros(0, dtype=np.int64),
        fresh=False,
        settled=0,
        seeding=with_counts(state.seeding, segments),
    )
