"""The orders of the umbrella strategy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree, WorkOrder
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import step_of
from msgen.orchestrator.strategies.common.walker_rows import bare, first, joined, rows
from msgen.orchestrator.strategies.umbrella.windows import (
    Windows,
    colours,
    pieces,
    roots,
    tour,
    way,
)
from msgen.systems.base import Array

Ints = NDArray[np.int64]

BLOCKS = 10
"""Stretches of local sampling in one order, an exchange after each; more as the rounds go on."""
LONGEST = 8
"""`BLOCKS` of the longest round."""
GROWTH = 3
"""Rounds of production after which a round is longer by one `BLOCKS`."""
PIECE = 8
"""Windows of a molecule in one order."""
RECENT = 10
"""Configurations of each walker that a round hands to the next fit."""
FREE_ROUNDS = 2
"""Rounds of free sampling; the step size is tuned between them."""
POOL = 3000
"""Configurations of a file that are read, evenly over it."""
FREE_RECENT = 200
"""The same where walkers are free and few."""


def free_orders(problem: Problem, state: Tree, windows: Windows) -> tuple[WorkOrder, ...]:
    """Free sampling from the start, one order a walker (molecules) or one for all."""
    spec = problem.strategy
    ladders = problem.replicas
    steps = max(1, int(spec["training"]["steps"]) // FREE_ROUNDS)
    each = max(1, int(spec["local"]["steps"]))
    blocks = max(1, steps // each)
    groups = [np.array([i]) for i in range(ladders)] if problem.molecular else [np.arange(ladders)]
    rnd, file = int(state["round"]), spec["training"]["file"]
    given: tuple[WorkOrder, ...] = ()
    if file is not None and rnd == 0:
        given = (WorkOrder(rnd, "recall", 0, {"file": file, "most": POOL}),)
    if not int(spec["training"]["steps"]):
        return given
    return given + tuple(
        _sampling(
            problem,
            state,
            windows,
            number,
            slots=group,
            window=np.zeros(len(group), dtype=np.int64),
            on=False,
            blocks=blocks,
            recent=min(FREE_RECENT, blocks),
        )
        for number, group in enumerate(groups)
    )


def window_orders(
    problem: Problem, state: Tree, windows: Windows, shares: Array
) -> tuple[WorkOrder, ...]:
    """A round of the windows: pieces of each ladder; several ladders at once for analytic ones."""
    n, ladders = len(windows), problem.replicas
    size = PIECE if problem.molecular else n
    parts = pieces(windows, size, int(state["round"]))
    together = 1 if problem.molecular else max(1, problem.batch // n)
    pairs = windows.neighbours() if problem.strategy["exchange"] else np.zeros((0, 2), np.int64)
    blocks = BLOCKS
    if state["phase"] == "produce":
        rounds = int(state["produced"].get("rounds", 0))
        blocks *= min(LONGEST, 1 + rounds // GROWTH)
    # particles in a box have no coordinates for a model, and without one need none
    taught = state["phase"] == "adapt" and problem.strategy["seeds"] == "model"
    out: list[WorkOrder] = []
    for begin in range(0, ladders, together):
        some = np.arange(begin, min(begin + together, ladders))
        for part in parts:
            slots = (some[:, None] * n + part[None, :]).reshape(-1)
            out.append(
                _sampling(
                    problem,
                    state,
                    windows,
                    len(out),
                    slots=slots,
                    window=slots % n,
                    on=True,
                    blocks=blocks,
                    recent=RECENT if taught else 0,
                    pairs=_pairs_of(slots, pairs, n),
                    shares=shares[slots % n],
                )
            )
    return tuple(out)


def seed_orders(problem: Problem, state: Tree, windows: Windows) -> tuple[WorkOrder, ...]:
    """Walkers for the windows that have none, one order a ladder."""
    spec, stride = problem.strategy, problem.stride
    new = {int(k) for k in np.asarray(state["unseeded"])}
    present = len(state["who"]) // problem.replicas
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
        have = [bare(rows(first(problem), np.zeros(1, dtype=np.int64)))]
        if present:
            own = ladder * present + np.arange(present, dtype=np.int64)
            have.append(bare(rows(state["walkers"], own)))
        out.append(
            WorkOrder(
                int(state["round"]),
                "seed",
                ladder,
                {
                    "walkers": joined(have),
                    "window": np.array(mine, dtype=np.int64),
                    "lam": windows.centres[mine],
                    "kappa": windows.kappa,
                    "approach": windows.centres[approach],
                    "parent": parent,
                    "start": start,
                    "ladder": ladder,
                    "ladders": problem.replicas,
                    "label": windows.biased,
                    "relax": relax,
                    "steps": stride,
                    "minimise": int(spec["minimise"]),
                    "step_size": step_of(state),
                },
                model_version=int(state["version"]) if spec["seeds"] == "model" else -1,
                cost_hint=float(len(mine) * relax * stride),
            )
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


def _pairs_of(slots: Ints, pairs: Ints, n: int) -> Ints:
    """Neighbours of one ladder whose slots are both in the order: two rows and a colour, (m, 3)."""
    row = {int(s): i for i, s in enumerate(slots)}
    found = []
    for ladder in np.unique(slots // n).tolist():
        for a, b in pairs.tolist():
            i, j = row.get(ladder * n + a), row.get(ladder * n + b)
            if i is not None and j is not None:
                found.append((i, j))
    both = np.array(found, dtype=np.int64).reshape(-1, 2)
    return np.concatenate([both, colours(both)[:, None]], axis=1)


def _sampling(
    problem: Problem,
    state: Tree,
    windows: Windows,
    order_number: int,
    *,
    slots: Ints,
    window: Ints,
    on: bool,
    blocks: int,
    recent: int,
    pairs: Ints | None = None,
    shares: Array | None = None,
) -> WorkOrder:
    spec, steps = problem.strategy, int(problem.strategy["local"]["steps"])
    each = max(1, steps // problem.stride)
    chunks = np.full(len(slots), each, dtype=np.int64)
    if shares is not None:
        chunks = np.maximum(1, np.round(each * shares)).astype(np.int64)
    version = int(state["version"]) if on and spec["global_steps"] else -1
    who = np.asarray(state["who"])[slots] if len(state["who"]) else slots
    payload: Tree = {
        "walkers": rows(state["walkers"], slots),
        "replicas": slots,
        "window": window,
        "who": who,
        "lam": windows.centres[window],
        "kappa": windows.kappa,
        "on": on,
        "chunks": chunks,
        "steps": problem.stride,
        "blocks": blocks,
        "pairs": np.zeros((0, 3), dtype=np.int64) if pairs is None else pairs,
        "global_steps": int(spec["global_steps"]) if version >= 0 else 0,
        "label": windows.biased,
        "epsilon": float(spec["broad"]),
        "broad": state["broad"],
        "recent": recent,
        "step_size": step_of(state),
    }
    return WorkOrder(
        int(state["round"]),
        "umbrella",
        order_number,
        payload,
        model_version=version,
        cost_hint=float(blocks * chunks.sum() * problem.stride),
    )
