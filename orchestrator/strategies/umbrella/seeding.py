"""Walkers for windows that have none: the orders that make them, and what becomes of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class _Route:
    """Where one ladder's windows without a walker are reached from; see `SeedPayload`."""

    have: WalkerRows
    window: Ints
    stop: NDArray[np.bool_]
    parent: Ints
    start: Ints


def seed_orders(problem: Problem, state: UmbrellaState) -> tuple[WorkOrder, ...]:
    """Walkers for the windows that have none, one order a ladder; several of analytic ones."""
    spec, stride, windows = problem.strategy, problem.stride, state.windows
    routes = _routes(problem, state)
    relax = max(1, int(spec["relax"]) // stride)
    version = state.version if spec["seeds"] == "model" else -1
    together = max(1, problem.batch // len(windows))
    out: list[WorkOrder] = []
    for first in range(0, len(routes), together):
        some = routes[first : first + together]
        each = [len(r.window) for r in some]
        window = np.concatenate([r.window for r in some])
        payload = SeedPayload(
            walkers=WalkerRows.join([r.have for r in some]),
            window=np.where(np.concatenate([r.stop for r in some]), -1, window),
            ladder=np.repeat(np.arange(first, first + len(some)), each),
            lam=windows.centres[window],
            kappa=windows.kappa[window],
            parent=_joined([r.parent for r in some], each),
            start=_joined([r.start for r in some], [len(r.have) for r in some]),
            ladders=len(routes),
            label=windows.biased,
            relax=relax,
            steps=stride,
            minimise=int(spec["minimise"]),
            step_size=state.moves.step_size,
            pace=windows.pace[window],
        )
        cost = float(len(window) * relax * stride)
        out.append(
            WorkOrder.of(state.round, payload, len(out), model_version=version, cost_hint=cost)
        )
    return tuple(out)


def _joined(rows: Sequence[Ints], sizes: Sequence[int]) -> Ints:
    """Row numbers of several ladders as those of all of them; −1 stays."""
    before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.concatenate([np.where(r < 0, r, r + b) for r, b in zip(rows, before, strict=True)])


def _routes(problem: Problem, state: UmbrellaState) -> list[_Route]:
    """Of every ladder, to the windows that have no walker."""
    windows, new = state.windows, set(state.unseeded.tolist())
    present = len(state.who) // problem.replicas
    whole = tour(windows, problem.start_xi)
    out = []
    # a ladder's own tour: what a walker remembers of its way differs from ladder to ladder
    for ladder, begin in enumerate(roots(windows, problem.start_xi, problem.replicas)):
        route = [(k, p) for k, p in tour(windows, windows.centres[begin]) if k in new]
        stops = [] if present else way(whole, begin)
        parent, start = _origins(windows, route, present)
        # to the first stop from the start, on to the next, from the last into the tour
        ahead = np.arange(-1, len(stops) - 1, dtype=np.int64)
        parent = np.where(parent < 0, len(stops) - 1 if stops else -1, parent + len(stops))
        have = [problem.first_walkers().without_velocities()]
        if present:
            own = ladder * present + np.arange(present, dtype=np.int64)
            have.append(state.walkers.take(own).without_velocities())
        out.append(
            _Route(
                have=WalkerRows.join(have),
                window=np.array([*stops, *(k for k, _ in route)], dtype=np.int64),
                stop=np.arange(len(stops) + len(route)) < len(stops),
                parent=np.concatenate([ahead, parent]),
                start=np.concatenate([np.zeros(len(stops), dtype=np.int64), start]),
            )
        )
    return out


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
    index = [r.ladder * n + r.window for r in records]
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
