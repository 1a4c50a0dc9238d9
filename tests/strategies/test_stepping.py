"""A model of steps in the loop of learned dynamics: what is asked for, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.steps import RollOutPayload, RollOutRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.trajectories.generation import ROWS
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.asking import Task
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Gathered, Verdict
from msgen.orchestrator.strategies.dynamics.stepping import Stepping, with_structures
from msgen.systems.base import Array
from msgen.systems.openmm.alkanes import Alkane
from msgen.systems.topology.modelled_atoms import modelled_atoms

BUTANE = Alkane(4)
ATOMS = modelled_atoms(BUTANE.molecule().topology, "heavy", "element")
SHARE = np.array([0.55, 0.25, 0.2, 0.0])
PATHS = 150
WEIGHTS = np.ones(12)
"""Of the trajectories of a state, all alike."""


def exact() -> Exact:
    """Structures that are told apart by where their first atom is: the state, and a number."""
    states = Partition.from_boxes(
        {"a": {"x": (0.0, 1.0)}, "b": {"x": (1.0, 2.0)}, "c": {"x": (2.0, 3.0)}},
        ("x",),
        np.array([False]),
    )
    positions = np.repeat(BUTANE.stretched().reshape(1, -1), 40, axis=0)
    region = np.repeat(np.arange(4), 10)
    positions[:, 0] = region + np.tile(np.arange(10) / 100, 4)
    empty = Estimate({}, np.zeros(0), np.zeros(0), {}, {}, True, ())
    return Exact(states, SHARE, positions, positions, region, np.ones(40), empty, ("rest",))


def state_of(structures: Array) -> DynamicsState:
    n, length = structures.shape[:2]
    frames, start = np.zeros((n, length, 1)), np.zeros(n, dtype=np.int64)
    return DynamicsState(
        round=7,
        doing="generate",
        walkers=WalkerRows(np.zeros((n, 42))),
        start=start,
        temperature=start,
        under_way=frames[:, :0],
        gathered=(Gathered(frames, start, start, structures),) * 2,
        version=1,
        verdicts=(Verdict(1, 0.0, 1.0, 0.1, np.zeros(4)),),
    )


@pytest.fixture(scope="module")
def stepping() -> Stepping:
    return Stepping(ATOMS, (exact(),), np.array([300.0]), (Task("free", 0, PATHS),), 30, seed=5)


@pytest.fixture(scope="module")
def state() -> DynamicsState:
    rng = np.random.default_rng(1)
    x = BUTANE.stretched()[ATOMS.index]
    return state_of(x + 0.004 * rng.standard_normal((6, 5, 4, 3)))


def payloads(orders: tuple[WorkOrder, ...]) -> list[RollOutPayload]:
    return [order.read(RollOutPayload) for order in orders]


def test_every_path_is_in_one_order(stepping: Stepping, state: DynamicsState) -> None:
    orders = stepping.orders(state, WEIGHTS)
    asked = payloads(orders)
    assert [len(p.begin) for p in asked] == [ROWS, ROWS, PATHS - 2 * ROWS]
    assert [p.first for p in asked] == [0, ROWS, 2 * ROWS]
    assert len({order.key for order in orders}) == 3
    assert {(p.frames, p.cycle, p.begin.shape[1:]) for p in asked} == {(30, 1, (4, 3))}
    # windows hold all that was gathered, and leave little beside it
    first = state.gathered[0].structures
    assert first is not None
    seen = np.linalg.norm(np.diff(first, axis=2), axis=3).reshape(-1, 3)
    for low, high in ((p.low, p.high) for p in asked):
        assert (low < seen.min(axis=0)).all()
        assert (high > seen.max(axis=0)).all()
        assert (high - low < 2 * np.ptp(seen, axis=0)).all()


def test_roll_outs_begin_at_equilibrium_in_any_order(
    stepping: Stepping, state: DynamicsState
) -> None:
    begin = np.concatenate([p.begin for p in payloads(stepping.orders(state, WEIGHTS))])
    region = np.floor(begin[:, 0, 0]).astype(int)
    assert np.abs(np.bincount(region, minlength=4) - PATHS * SHARE).max() < 1
    # in any order: of neighbours as many are of one state as chance makes, 5 sigma
    same = (region[1:] == region[:-1]).mean()
    chance = float((SHARE**2).sum())
    assert abs(same - chance) < 5 * np.sqrt(chance * (1 - chance) / PATHS)
    again = np.concatenate([p.begin for p in payloads(stepping.orders(state, WEIGHTS))])
    np.testing.assert_array_equal(again, begin)
    later = np.concatenate(
        [p.begin for p in payloads(stepping.orders(replace(state, round=12), WEIGHTS))]
    )
    assert not np.array_equal(later, begin)


def test_all_that_was_gathered_is_learnt(stepping: Stepping, state: DynamicsState) -> None:
    payload = stepping.learnt(state, np.arange(12.0))
    assert payload.frames.shape == (12, 5, 4, 3)
    np.testing.assert_array_equal(payload.frames[:6], payload.frames[6:])
    np.testing.assert_array_equal(payload.weights, np.arange(12.0))


def test_temperatures_are_conditions(stepping: Stepping, state: DynamicsState) -> None:
    """One that was gathered begins in what is exact there, another in the nearest."""
    hot = replace(stepping.warm[0], share=np.array([0.0, 0.0, 1.0, 0.0]))
    tasks = (
        Task("free", 0, 70),
        Task("temperature", 70, 30, temperature=400.0),
        Task("temperature", 100, 30, temperature=320.0),
    )
    several = Stepping(ATOMS, (stepping.warm[0], hot), np.array([300.0, 400.0]), tasks, 30, 5)
    asked = payloads(several.orders(state, WEIGHTS))
    assert [(p.task, p.first, len(p.begin)) for p in asked] == [
        (0, 0, 64), (0, 64, 6), (1, 70, 30), (2, 100, 30)
    ]  # fmt: skip
    assert [float(p.conditions[0, 0]) for p in asked if p.conditions is not None] == [
        300.0, 300.0, 400.0, 320.0
    ]  # fmt: skip
    regions = [set(np.floor(p.begin[:, 0, 0]).astype(int).tolist()) for p in asked]
    assert regions[2] == {2}
    assert regions[3] == {0, 1, 2}
    mixed = replace(state, gathered=tuple(
        replace(g, temperature=np.array([0, 0, 0, 1, 1, 1])) for g in state.gathered
    ))  # fmt: skip
    payload = several.learnt(mixed, np.ones(12))
    assert payload.conditions is not None
    assert (
        payload.conditions[:, 0].tolist() == [300.0] * 3 + [400.0] * 3 + [300.0] * 3 + [400.0] * 3
    )
    assert stepping.learnt(state, np.ones(12)).conditions is None
    records = [
        RollOutRecord(np.full((1, 3, 1), t), np.ones(1, dtype=bool), t, t) for t in (0, 1, 2)
    ]
    segments = [Segment((7, "roll_out", k), carry=encode(r)) for k, r in enumerate(records)]
    assert [(m.paths[0, 0, 0], m.redrawn) for m in several.made(segments)] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


def test_paths_that_were_given_up_are_left_out(stepping: Stepping) -> None:
    records = [
        RollOutRecord(np.full((2, 3, 1), k), np.array([True, k > 0]), 5 + k) for k in range(2)
    ]
    segments = [Segment((7, "roll_out", k), carry=encode(r)) for k, r in enumerate(records)]
    (made,) = stepping.made(segments)
    assert made.paths[:, 0, 0].tolist() == [0.0, 1.0, 1.0]
    assert (made.broken, made.redrawn) == (1, 11)


def test_structures_go_on_from_order_to_order() -> None:
    parts = [np.full((2, 3, 4, 3), k) for k in (1.0, 2.0)]
    first = with_structures(None, parts)
    assert first is not None
    assert first[:, 0, 0, 0].tolist() == [1, 1, 2, 2]
    second = with_structures(first, [p + 2 for p in parts])
    assert second is not None
    assert second.shape == (4, 6, 4, 3)
    assert second[0, :, 0, 0].tolist() == [1, 1, 1, 3, 3, 3]
    assert with_structures(None, [None, None]) is None


def test_a_model_of_several_frames_begins_in_rows_that_were_gathered(stepping: Stepping) -> None:
    """Frame after frame of one trajectory, each as often as its trajectory weighs."""
    numbered = np.zeros((6, 5, 4, 3))
    numbered[..., 0, 0] = np.arange(6)[:, None] + np.arange(5) / 10
    numbered[..., 1:, 1] = 0.15 * np.arange(1, 4)
    state = state_of(numbered)
    weights = np.array([0.0, 1, 1, 1, 1, 2] * 2)
    several = replace(stepping, past=3)
    asked = payloads(several.orders(state, weights))
    assert all(p.earlier is not None and p.earlier.shape[1:] == (2, 4, 3) for p in asked)
    begin = np.concatenate([p.begin[:, 0, 0] for p in asked])
    earlier = np.concatenate([p.earlier[:, :, 0, 0] for p in asked if p.earlier is not None])
    np.testing.assert_allclose(begin[:, None] - earlier, [[0.1, 0.2]] * PATHS)
    share = np.bincount(np.floor(begin + 1e-9).astype(int), minlength=6) / PATHS
    np.testing.assert_allclose(share, np.array([0, 1, 1, 1, 1, 2]) / 6, atol=1.01 * 2 / PATHS)
    again = np.concatenate([p.begin[:, 0, 0] for p in payloads(several.orders(state, weights))])
    np.testing.assert_array_equal(begin, again)
    one = payloads(stepping.orders(state, weights))
    assert all(p.earlier is None for p in one)
