"""The orders that sample, free and in the windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import WorkOrder
from msgen.actors.orders.configurations import RecallPayload
from msgen.actors.orders.umbrella import UmbrellaPayload, WindowMoves
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.umbrella.state import UmbrellaState
from msgen.orchestrator.strategies.umbrella.windows import colours, pieces
from msgen.systems.base import Array

Ints = NDArray[np.int64]

LONGEST = 8
"""`BLOCKS` of the longest round."""
GROWTH = 3
"""Rounds of production after which a round is longer by one `BLOCKS`."""
LEAST_ROUNDS = 12
"""Rounds that a production is made of at least, by its readings, once it has grown."""
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


def free_orders(problem: Problem, state: UmbrellaState) -> tuple[WorkOrder, ...]:
    """Free sampling from the start, one order a walker (molecules) or one for all."""
    spec, windows = problem.strategy, state.windows
    total = int(spec["training"]["steps"])
    each = max(1, int(spec["local"]["steps"]))
    blocks = max(1, max(1, total // FREE_ROUNDS) // each)
    file = spec["training"]["file"]
    given: tuple[WorkOrder, ...] = ()
    if file is not None and state.round == 0:
        given = (WorkOrder.of(state.round, RecallPayload(file, POOL)),)
    if not total:
        return given
    ladders = np.arange(problem.replicas)
    groups = [ladders] if problem.batched else np.split(ladders, len(ladders))
    return given + tuple(
        _order(
            state.round,
            number,
            UmbrellaPayload(
                walkers=state.walkers.take(group),
                slots=group,
                window=np.zeros_like(group),
                who=state.who[group] if len(state.who) else group,
                lam=windows.centres[np.zeros_like(group)],
                kappa=windows.kappa[np.zeros_like(group)],
                restrained=False,
                chunks=np.full(len(group), max(1, int(spec["local"]["steps"]) // problem.stride)),
                steps=problem.stride,
                blocks=blocks,
                pairs=np.zeros((0, 3), dtype=np.int64),
                recent=min(FREE_RECENT, blocks),
                step_size=state.moves.step_size,
            ),
        )
        for number, group in enumerate(groups)
    )


def window_orders(problem: Problem, state: UmbrellaState, shares: Array) -> tuple[WorkOrder, ...]:
    """A round of the windows: pieces of each ladder; several ladders at once for analytic ones.

    `shares`: relative length of each window's stretches, shape (K,).
    """
    spec, windows, ladders = problem.strategy, state.windows, problem.replicas
    n = len(windows)
    parts = pieces(windows, n if problem.batched else PIECE, state.round)
    together = max(1, problem.batch // n)
    pairs = windows.neighbours() if spec["exchange"] else np.zeros((0, 2), np.int64)
    # particles in a box have no coordinates for a model, and without one need none
    taught = state.phase == "adapt" and spec["seeds"] == "model"
    moves = _moves(problem, state)
    chunks = max(1, int(spec["local"]["steps"]) // problem.stride) * shares
    chunks = np.maximum(1, np.round(chunks)).astype(np.int64)
    blocks = _blocks(state, float(ladders * chunks.sum()))
    out: list[WorkOrder] = []
    for begin in range(0, ladders, together):
        some = np.arange(begin, min(begin + together, ladders))
        for part in parts:
            slots = (some[:, None] * n + part[None, :]).reshape(-1)
            window = slots % n
            payload = UmbrellaPayload(
                walkers=state.walkers.take(slots),
                slots=slots,
                window=window,
                who=state.who[slots],
                lam=windows.centres[window],
                kappa=windows.kappa[window],
                restrained=True,
                chunks=chunks[window],
                steps=problem.stride,
                blocks=blocks,
                pairs=_pairs_of(slots, pairs, n),
                moves=moves,
                recent=RECENT if taught else 0,
                step_size=state.moves.step_size,
                pace=windows.pace[window],
            )
            version = -1 if moves is None else state.version
            out.append(_order(state.round, len(out), payload, version))
    return tuple(out)


def _blocks(state: UmbrellaState, readings: float) -> int:
    """Of a round, given the readings of a block: more and more, but no large part of what counts.

    What a budget cannot pay for in full is not begun, and lost.
    """
    produced = state.produced
    if state.phase != "produce" or produced is None:
        return BLOCKS
    share = produced.samples.sum() / (LEAST_ROUNDS * readings)
    longest = BLOCKS * min(LONGEST, 1 + produced.rounds // GROWTH)
    return int(np.clip(share, BLOCKS, longest))


def _order(rnd: int, number: int, payload: UmbrellaPayload, version: int = -1) -> WorkOrder:
    cost = float(payload.blocks * payload.chunks.sum() * payload.steps)
    return WorkOrder.of(rnd, payload, number, model_version=version, cost_hint=cost)


def _moves(problem: Problem, state: UmbrellaState) -> WindowMoves | None:
    """Those of the model, where there is one and they are asked for."""
    spec = problem.strategy
    if state.version < 0 or state.broad is None or not spec["global_steps"]:
        return None
    number, epsilon = int(spec["global_steps"]), float(spec["broad"])
    return WindowMoves(number, state.windows.biased, state.broad, epsilon)


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
