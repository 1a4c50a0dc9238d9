"""Replicas left to the local moves: their velocities outlast orders, their frames are the CVs'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import CONFIGS
from worker_setup import setup_of_dynamics

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    FollowRecord,
    GeneratePayload,
    GenerateRecord,
)
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.worker import Worker
from msgen.orchestrator.validate import load_campaign
from msgen.systems.base import System

N = 64


def worker(local: str, **more: str) -> Worker:
    file = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
    model = "{kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 4, steps: 6}"
    campaign = load_campaign(file, [f"strategy.local={local}", f"model={model}"])
    return Worker(setup_of_dynamics(campaign, **more))


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


@pytest.mark.parametrize("kt", [None, 3.0])
def test_an_order_is_at_the_temperature_it_says(kt: float | None) -> None:
    """⟨y²⟩ = kT/6 and ⟨v²⟩ = kT: of walkers at 3 kT neither is the system's own."""
    by = worker("{kind: langevin, timestep: 0.05, friction: 5.0}")
    ids = np.arange(N)
    payload = FollowPayload(begun(), ids, ids % 2, 40, 10, kt)
    made = by.execute(WorkOrder.of(0, payload))
    assert isinstance(made, Segment)
    y = made.samples["cvs"].reshape(N, 40, 2)[:, 10:, 1]
    v = made.read(FollowRecord).walkers.velocities
    assert v is not None
    # a y of every 10 steps has a memory of about one frame
    each = np.sqrt(2 / (N * 10))
    assert abs((y**2).mean() * 6 / (kt or 1.0) - 1) < 4 * each
    assert abs((v**2).mean() / (kt or 1.0) - 1) < 4 * np.sqrt(2 / (2 * N))
    assert set(made.samples["apart"].tolist()) == {float(kt is not None)}


def test_models_make_what_an_order_asks_for(tmp_path: Path) -> None:
    """Ends that are given are kept, lengths and temperatures taken, and a path read from a file."""
    by = worker("{kind: overdamped}", base_dir=str(tmp_path))
    frames = np.random.default_rng(0).standard_normal((24, 16, 2)).cumsum(axis=1) / 8
    about = np.repeat([[1.0], [1.5]], 12, axis=0)
    fit = FitTrajectoriesPayload(frames, np.ones(24), np.zeros(2, dtype=bool), about)
    fitted = by.execute(WorkOrder.of(0, fit))
    assert isinstance(fitted, Segment)
    by.publish(0, encode(fitted.read(FitRecord).model))

    def made(**asked: Any) -> GenerateRecord:
        payload = GeneratePayload(number=3, cycle=0, conditions=np.array([[1.2]]), **asked)
        done = by.execute(WorkOrder.of(1, payload, model_version=0))
        assert isinstance(done, Segment)
        assert done.samples["task"].tolist() == [float(payload.task)] * len(done.samples["path"])
        return done.read(GenerateRecord)

    assert made(first=0, length=12).paths.shape == (3, 12, 2)
    given = np.full((3, 8, 2), np.nan)
    given[:, 0], given[:, -1] = frames[:3, 0], frames[3:6, 5]
    between = made(first=3, task=1, given=given)
    np.testing.assert_array_equal(between.paths[:, [0, -1]], given[:, [0, -1]])
    assert between.task == 1
    (tmp_path / "way.csv").write_text(
        "# x, y\n" + "\n".join(f"{a:.17g}, {b:.17g}" for a, b in frames[0])
    )
    varied = made(first=6, task=2, file="way.csv", noise=0.02)
    np.testing.assert_array_equal(varied.varied, frames[0])
    assert np.abs(varied.paths - frames[0]).max() < 0.5
    np.testing.assert_array_equal(made(first=6, near=frames[0], noise=0.02).paths, varied.paths)


FREE_OF_NOISE = 1e-30
"""A friction, 1/ps, of which exp(−γ∆t) is 1 in double precision."""


def peptide(friction: float) -> tuple[Worker, System]:
    """Alanine dipeptide in vacuum on the Reference platform."""
    sets = ("strategy={kind: dynamics, free_energies: x}", "model={kind: trajectory_diffusion}")
    campaign = load_campaign(CONFIGS / "alanine_dipeptide.yaml", sets)
    strategy = campaign.spec_strategy()
    context = WorkerContext(
        {
            "system": campaign.spec_system(),
            "cvs": campaign.spec_cvs(),
            "strategy": {**strategy, "local": {**strategy["local"], "friction": friction}},
            "base_dir": str(CONFIGS),
            "platform": "Reference",
            "seed": 7,
            "threads": 1,
        }
    )
    return Worker(context.setup, context), context.system


@pytest.mark.parametrize("kept", [True, False])
def test_a_molecules_trajectory_is_the_same_however_it_is_cut_into_orders(kept: bool) -> None:
    """Bit for bit where there is no noise; with velocities drawn anew it is another."""
    by, system = peptide(FREE_OF_NOISE)
    start = WalkerRows(np.repeat(system.initial().positions, 2, axis=0))
    begun = followed(by, start, 0, frames=1, steps=20).read(FollowRecord).walkers
    assert begun.velocities is not None
    whole = followed(by, begun, 1, frames=4, steps=10)
    first = followed(by, begun, 1, frames=1, steps=10)
    middle = first.read(FollowRecord).walkers
    rest = followed(by, middle if kept else middle.without_velocities(), 2, frames=3, steps=10)
    pieces = [s.samples["cvs"].reshape(2, -1, 2) for s in (first, rest)]
    same = np.array_equal(np.concatenate(pieces, axis=1), whole.samples["cvs"].reshape(2, 4, 2))
    assert same is kept
    ends = [s.read(FollowRecord).walkers for s in (whole, rest)]
    for name in ("positions", "velocities"):
        assert np.array_equal(*(getattr(end, name) for end in ends)) is kept


def test_a_molecules_velocities_outlast_an_order_with_noise_too() -> None:
    """After 2 fs at 1/ps they are nearly what they were; those of another temperature are its."""
    by, system = peptide(1.0)
    start = WalkerRows(np.repeat(system.initial().positions, 8, axis=0))
    walkers = followed(by, start, 0, frames=1, steps=200).read(FollowRecord).walkers
    after = followed(by, walkers, 1, frames=1).read(FollowRecord).walkers
    anew = followed(by, walkers.without_velocities(), 1, frames=1).read(FollowRecord).walkers
    assert walkers.velocities is not None
    assert after.velocities is not None
    assert anew.velocities is not None
    heavy = system.masses > 2.0
    x = walkers.velocities[:, heavy].ravel()
    assert np.corrcoef(x, after.velocities[:, heavy].ravel())[0, 1] > 0.95
    assert abs(np.corrcoef(x, anew.velocities[:, heavy].ravel())[0, 1]) < 0.3
