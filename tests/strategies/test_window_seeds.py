"""Walkers for windows: whose they are, what they start from, and who is stepped together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving import Drive

from msgen.actors.base import WorkOrder
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.base import Mask
from msgen.actors.orders.seed import SeedPayload, SeedRecord
from msgen.actors.orders.umbrella import UmbrellaPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles import umbrella
from msgen.orchestrator.base import StepPlan
from msgen.systems.base import Array

SMALL = (
    "strategy={kind: umbrella, windows: {x: 12}, seeds: neighbour, relax: 200}",
    "strategy.local={kind: mala, steps: 40}",
    "output.stride=4",
    "replicas=5",
)


def seeded() -> tuple[Drive, list[SeedPayload], list[SeedRecord]]:
    drive = Drive.of("double_well", *SMALL)
    while not drive.steps or drive.steps[-1].plan.orders[0].kind != "seed":
        drive.step()
    step = drive.steps[-1]
    orders = [order.read(SeedPayload) for order in step.plan.orders]
    return drive, orders, [segment.read(SeedRecord) for segment in step.segments]


def test_every_ladder_gets_each_window_once_and_is_held_there() -> None:
    drive, orders, records = seeded()
    assert len(orders) < 5, "ladders of a potential are dragged together"
    windows = drive.state.windows
    slots = np.concatenate([r.ladder * len(windows) + r.window for r in records])
    assert sorted(slots.tolist()) == list(range(5 * len(windows)))
    xi = np.concatenate([r.xi for r in records])
    at = windows.centres[np.concatenate([r.window for r in records])]
    energy = windows.widest.energy(at, xi)
    # two minima of 8 kT under a restraint: of 60 walkers none is 12 kT up its spring
    assert energy.max() < 12
    # the state has them where they belong
    order = np.argsort(slots)
    assert np.array_equal(drive.state.xi, xi[order])


def test_a_window_starts_from_its_neighbour_of_the_same_ladder() -> None:
    drive, orders, _ = seeded()
    pairs = {frozenset(p) for p in drive.state.windows.neighbours().tolist()}
    for p in orders:
        centre = {tuple(c): k for k, c in enumerate(drive.state.windows.centres.tolist())}
        number = [centre[tuple(c)] for c in p.lam.tolist()]
        for row, before in enumerate(p.parent.tolist()):
            if before < 0:
                continue
            assert before < row
            assert p.ladder[before] == p.ladder[row]
            same = number[before] == number[row]  # the last stop is where the tour begins
            assert same or frozenset((number[before], number[row])) in pairs
        for ladder in np.unique(p.ladder).tolist():
            mine = np.flatnonzero(p.ladder == ladder)
            stops = mine[p.window[mine] < 0]
            assert np.array_equal(stops, mine[: len(stops)])
            assert (p.parent[mine] < 0).sum() == 1


def test_a_window_without_a_parent_starts_from_the_row_that_is_told() -> None:
    """One step is too short a way from well to well."""
    drive, orders, _ = seeded()
    places = np.array([[-1.2, 0.0], [1.0, 0.0]])
    for start in ([0, 1], [1, 0]):
        payload = replace(
            orders[0],
            walkers=WalkerRows(places),
            window=np.arange(2),
            ladder=np.zeros(2, dtype=np.int64),
            lam=places[start, :1],
            parent=np.full(2, -1),
            start=np.array(start),
            relax=1,
            steps=1,
        )
        (segment,) = drive.run(StepPlan("adapt", ()), [WorkOrder.of(0, payload)])
        xi = segment.read(SeedRecord).xi[:, 0]
        assert np.abs(xi - places[start, 0]).max() < 0.7


def test_walkers_with_unequal_shares_are_stepped_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = ArrayEngine._start

    def counted(self: ArrayEngine, lam: Array, on: Mask, n_steps: int) -> None:
        sizes.append(len(lam))
        real(self, lam, on, n_steps)

    monkeypatch.setattr(ArrayEngine, "_start", counted)
    drive, _, _ = seeded()
    order = drive.step().plan.orders[0]
    p = order.read(UmbrellaPayload)
    chunks = 1 + np.arange(len(p.chunks)) % 3
    run = umbrella._Run.begin(
        drive.worker._context,
        replace(p, chunks=chunks),
        np.random.default_rng(5),
    )
    sizes.clear()
    run.local(chunks)
    assert sizes == [(chunks >= m).sum() for m in (1, 2, 3)]
    assert [len(r) for r in run.records] == chunks.tolist()
    # the last reading of each is where its walker stands
    last = np.array([r[-1] for r in run.records])
    assert np.array_equal(run.xi, last)
    assert np.array_equal(drive.cvs(run.walkers.positions), last)
