"""Exchange between windows alone: which configuration stands where, against all permutations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest

from msgen.actors.base import Tree
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.orders.umbrella import UmbrellaPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles import umbrella
from msgen.systems.base import Array

SETUP: Tree = {
    "system": {"kind": "evolving_double_well", "a3": 0.6},
    "cvs": {"z1": {"kind": "coordinate", "index": 0, "range": [0.0, 10.0], "bins": 40}},
    "strategy": {"local": {"kind": "mala", "step_size": 0.05}},
    "seed": 3,
}
KAPPA = np.array([4.0])
CENTRES, XI = np.array([3.5, 4.25, 5.0]), np.array([4.0, 4.3, 4.6])
LADDERS, SWEEPS = 3000, 12
SIGMAS = 4.0


def payload() -> UmbrellaPayload:
    """Ladders of three windows; the same three configurations in each."""
    n, k = 3 * LADDERS, 3
    slots = np.arange(n)
    pairs = [(lad * k + i, lad * k + i + 1, i % 2) for lad in range(LADDERS) for i in range(2)]
    positions = np.stack([np.tile(XI, LADDERS), np.full(n, -1.0)], axis=1)
    return UmbrellaPayload(
        walkers=WalkerRows(positions),
        slots=slots,
        window=slots % k,
        who=slots,
        lam=np.tile(CENTRES, LADDERS)[:, None],
        kappa=KAPPA,
        restrained=True,
        chunks=np.full(n, 1),
        steps=1,
        blocks=1,
        pairs=np.array(pairs, dtype=np.int64),
    )


def exchanged() -> umbrella._Run:
    run = umbrella._Run.begin(WorkerContext(SETUP), payload(), np.random.default_rng(11))
    for _ in range(SWEEPS):
        run.exchange()
    return run


def deviations(run: umbrella._Run) -> Array:
    """(share of each permutation − exact)/binomial error."""
    there = run.who.reshape(LADDERS, 3) % 3
    e = Conditional(KAPPA, np.array([False])).energy
    ways = list(permutations(range(3)))
    energy = [float(e(CENTRES[:, None], XI[list(way)][:, None]).sum()) for way in ways]
    exact = np.exp(-np.array(energy))
    exact /= exact.sum()
    seen = np.array([float((there == way).all(axis=1).mean()) for way in ways])
    return np.asarray((seen - exact) / np.sqrt(exact * (1 - exact) / LADDERS))


def test_permutations_have_the_weights_of_their_restraints() -> None:
    run = exchanged()
    assert np.abs(deviations(run)).max() < SIGMAS
    # where a walker stands is where its configuration is
    assert np.array_equal(run.walkers.positions[:, 0], XI[run.who % 3])
    assert np.array_equal(run.xi[:, 0], XI[run.who % 3])
    # every pair has tried once a sweep, those of either colour
    assert (run.exchanges[:, 0] == SWEEPS).all()


@dataclass
class Stale(umbrella._Run):
    """Wrong twin: the second colour is tested by where configurations stood before the first."""

    def _sweep(self, mine: Array, order: Array) -> None:
        now = np.array(order)
        order[:] = np.arange(len(order))
        super()._sweep(mine, order)
        order[:] = now[order]


def test_twin_that_tests_what_stood_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(umbrella, "_Run", Stale)
    assert np.abs(deviations(exchanged())).max() > 2 * SIGMAS
