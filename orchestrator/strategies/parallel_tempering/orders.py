"""The orders of parallel tempering."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import WorkOrder
from msgen.actors.orders.temper import TemperPayload
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.parallel_tempering.state import TemperingState

Ints = NDArray[np.int64]

LONGEST = 8
"""`BLOCKS` of the longest round."""
GROWTH = 3
"""Rounds of production after which a round is longer by one `BLOCKS`."""
PIECE = 12
"""Temperatures of a molecule in one order."""
READINGS = 5
"""Readings of CVs and energy in a stretch at most; each costs an evaluation."""


def chunks(problem: Problem) -> tuple[int, int]:
    """Readings in a stretch of local steps, and steps before each."""
    steps = int(problem.strategy["local"]["steps"])
    readings = min(READINGS, max(1, steps // problem.stride))
    return readings, max(1, steps // readings)


def pieces(number: int, size: int, turn: int) -> list[Ints]:
    """Runs of at most `size` neighbouring temperatures; borders move from turn to turn.

    Exchanges happen inside orders, so that a border that stayed would be crossed by nobody.
    """
    if number <= size:
        return [np.arange(number)]
    shift = size if turn % 2 == 0 else size // 2
    cuts = [0, *range(shift, number, size), number]
    return [np.arange(a, b) for a, b in itertools.pairwise(cuts) if b > a]


def tempering_orders(problem: Problem, state: TemperingState) -> tuple[WorkOrder, ...]:
    """A round: runs of temperatures of each ladder; several ladders at once for potentials."""
    ladders, k, rnd = problem.replicas, len(state.tau), state.round
    blocks = BLOCKS
    if state.produced is not None:
        blocks *= min(LONGEST, 1 + state.produced.rounds // GROWTH)
    readings, steps = chunks(problem)
    together = max(1, problem.batch // k)
    sizes = np.array([tuner.step for tuner in state.steps])
    out: list[WorkOrder] = []
    for begin in range(0, ladders, together):
        some = np.arange(begin, min(begin + together, ladders))
        for part in pieces(k, k if problem.batched else PIECE, rnd):
            slots = (some[:, None] * k + part[None, :]).reshape(-1)
            payload = TemperPayload(
                walkers=state.walkers.take(slots),
                slots=slots,
                tau=state.tau[slots % k],
                who=state.who[slots],
                blocks=blocks,
                readings=readings,
                steps=steps,
                pairs=_pairs(slots, k),
                colour=rnd % 2,
                step_size=sizes[slots % k] if len(sizes) else None,
            )
            cost = float(blocks * readings * steps * len(slots))
            out.append(WorkOrder.of(rnd, payload, len(out), cost_hint=cost))
    return tuple(out)


def _pairs(slots: Ints, k: int) -> Ints:
    """Neighbours of one ladder: two rows, and whether the lower temperature is odd, (m, 3)."""
    rung = slots % k
    low = np.flatnonzero((np.diff(slots) == 1) & (rung[:-1] + 1 < k))
    return np.stack([low, low + 1, rung[low] % 2], axis=1).astype(np.int64)
