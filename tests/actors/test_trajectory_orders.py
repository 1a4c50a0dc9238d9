"""Replicas left to the local moves: their velocities outlast orders, their frames are the CVs'."""

from __future__ import annotations

import numpy as np
import pytest
from places import CONFIGS

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.orders.trajectories import FollowPayload, FollowRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.worker import Worker
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import load_campaign

N = 64


def worker(local: str) -> Worker:
    file = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
    campaign = load_campaign(file, [f"strategy.local={local}"])
    return Worker(
        {
            "system": campaign.spec_system(),
            "cvs": campaign.spec_cvs(),
            "strategy": campaign.spec_strategy(),
            "model": campaign.spec_model(),
            "roles": dict(KINDS["dynamics"].roles),
            "seed": 7,
            "threads": 1,
        }
    )


def followed(by: Worker, walkers: WalkerRows, rnd: int, frames: int, steps: int = 1) -> Segment:
    ids = np.arange(len(walkers))
    payload = FollowPayload(walkers, ids, ids % 2, frames, steps)
    return by.execute(WorkOrder.of(rnd, payload))


def begun() -> WalkerRows:
    return WalkerRows(np.column_stack([np.full(N, -1.087), np.zeros(N)]))


@pytest.mark.parametrize("kept", [True, False])
def test_velocities_outlast_an_order(kept: bool) -> None:
    """A step into the next order goes where the last one was going; drawn anew it would not."""
    by = worker("{kind: langevin, timestep: 0.01, friction: 0.01}")
    first = followed(by, begun(), 0, frames=40)
    walkers = first.read(FollowRecord).walkers
    assert walkers.velocities is not None
    given = walkers if kept else walkers.without_velocities()
    second = followed(by, given, 1, frames=1)
    moved = second.samples["cvs"] - first.samples["cvs"].reshape(N, 40, 2)[:, -1]
    r = np.corrcoef(moved.ravel(), walkers.velocities.ravel())[0, 1]
    # a friction of 1e-4 a step leaves 0.9999 of it, the force of a step a few hundredths
    assert r > 0.98 if kept else abs(r) < 4 / np.sqrt(2 * N)


def test_velocities_are_those_of_the_temperature() -> None:
    by = worker("{kind: langevin, timestep: 0.01, friction: 5}")
    last = followed(by, begun(), 0, frames=1, steps=300).read(FollowRecord).walkers
    assert last.velocities is not None
    # kT/m = 1; the mean of 2 N squares of variance 2
    assert abs((last.velocities**2).mean() - 1) < 4 * np.sqrt(2 / (2 * N))


@pytest.mark.parametrize("local", ["{kind: langevin}", "{kind: overdamped, step_size: 0.002}"])
def test_frames_come_replica_after_replica(local: str) -> None:
    by = worker(local)
    made = followed(by, begun(), 0, frames=3, steps=5)
    xi = made.samples["cvs"].reshape(N, 3, 2)
    positions = made.read(FollowRecord).walkers.positions
    np.testing.assert_array_equal(xi[:, -1], positions)
    assert made.samples["replica"].reshape(N, 3)[:, 0].tolist() == list(range(N))
    assert set(made.samples["start"].tolist()) == {0.0, 1.0}
    assert made.evaluations >= 15 * N
    # a function of the order alone
    again = followed(worker(local), begun(), 0, frames=3, steps=5)
    np.testing.assert_array_equal(again.samples["cvs"], made.samples["cvs"])
    assert encode(again.read(FollowRecord)).keys() == encode(made.read(FollowRecord)).keys()
