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
WIDE = np.full((3, 1), 4.0)
OWN = np.array([[4.0], [36.0], [9.0]])
"""κ of each window."""
CENTRES, XI = np.array([3.5, 4.25, 5.0]), np.array([4.0, 4.3, 4.6])
LADDERS, SWEEPS = 3000, 12
SIGMAS = 4.0


def payload(kappa: Array) -> UmbrellaPayload:
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
        kappa=np.tile(kappa, (LADDERS, 1)),
        restrained=True,
        chunks=np.full(n, 1),
        steps=1,
        blocks=1,
        pairs=np.array(pairs, dtype=np.int64),
    )


def exchanged(kappa: Array = WIDE) -> umbrella._Run:
    run = umbrella._Run.begin(WorkerContext(SETUP), payload(kappa), np.random.default_rng(11))
    for _ in range(SWEEPS):
        run.exchange()
    return run


def deviations(run: umbrella._Run, kappa: Array = WIDE) -> Array:
    """(share of each permutation − exact)/binomial error."""
    there = run.who.reshape(LADDERS, 3) % 3
    e = Conditional(kappa, np.array([False])).energy
    ways = list(permutations(range(3)))
    energy = [float(e(CENTRES[:, None], XI[list(way)][:, None]).sum()) for way in ways]
    exact = np.exp(-np.array(energy))
    exact /= exact.sum()
    seen = np.array([float((there == way).all(axis=1).mean()) for way in ways])
    return np.asarray((seen - exact) / np.sqrt(exact * (1 - exact) / LADDERS))


@pytest.mark.parametrize("kappa", [WIDE, OWN], ids=["one width", "a width each"])
def test_permutations_have_the_weights_of_their_restraints(kappa: Array) -> None:
    run = exchanged(kappa)
    assert np.abs(deviations(run, kappa)).max() < SIGMAS
    # where a walker stands is where its configuration is
    assert np.array_equal(run.walkers.positions[:, 0], XI[run.who % 3])
    assert np.array_equal(run.xi[:, 0], XI[run.who % 3])
    # every pair has tried in every sweep, those of either colour
    assert (run.exchanges[:, 0] == SWEEPS * umbrella.SWEEPS).all()


def test_twin_that_takes_one_width_for_all() -> None:
    assert np.abs(deviations(exchanged(WIDE), OWN)).max() > 2 * SIGMAS


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
