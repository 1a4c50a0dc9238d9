"""What a model of trajectories is asked for, and what is told of it beside the simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from double_well_paths import simulate
from dynamics_by_hand import Array, ByHand

from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.trajectories import (
    GeneratePayload,
)
from msgen.orchestrator.base import Cost, RoundInfo
from msgen.orchestrator.reporting.tensorboard import scalars
from msgen.orchestrator.strategies.dynamics.simulated import Simulated


@pytest.fixture(scope="module")
def true_paths() -> Array:
    return simulate(128, 16, seed=11)


def asked_for(true_paths: Array) -> ByHand:
    """All that a file can ask for at one temperature; a step a frame, so that walkers cross."""
    by = ByHand.of(
        true_paths,
        "strategy.generate.length=[12]",
        "strategy.generate.inpaint={from: left, to: right, frames: 10, paths: 70}",
        "strategy.generate.vary={path: crossing, noise: 0.4, paths: 20}",
        "strategy.local={kind: overdamped, step_size: 0.02, steps: 80}",
    )
    for _ in range(3):
        by.step()
    return by


def test_ends_are_drawn_from_the_states_and_a_crossing_from_what_was_gathered(
    true_paths: Array,
) -> None:
    by = asked_for(true_paths)
    asked = [order.read(GeneratePayload) for order in by.strategy.decide(by.state).orders]
    assert [(p.task, p.first, p.number) for p in asked] == [
        (0, 0, 64), (0, 64, 64), (1, 128, 64), (1, 192, 64), (2, 256, 64), (2, 320, 6),
        (3, 326, 20),
    ]  # fmt: skip
    assert [p.length for p in asked[2:4]] == [12, 12]
    given = np.concatenate([p.given for p in asked if p.given is not None])
    assert given.shape == (70, 10, 2)
    states, data = by.strategy.exact.states, by.strategy.bench.simulated(by.state)
    for end, name in ((0, "left"), (-1, "right")):
        assert {states.names[k] for k in states.assign(given[:, end])} == {name}
        rows = data.frames.reshape(-1, 2)
        assert all((rows == row).all(axis=1).any() for row in given[:, end])
    assert np.isnan(given[:, 1:-1]).all()
    near, cores = asked[-1].near, states.assign(data.frames.reshape(-1, 2))
    assert near is not None
    assert set(cores.tolist()) >= {0, 1}
    assert near.shape == (16, 2)
    assert {0, 1} <= set(states.assign(near).tolist())


def test_what_was_asked_for_is_told_beside_what_the_simulator_does(
    true_paths: Array,
) -> None:
    by = asked_for(true_paths)
    by.step()
    of_length, between, varied = by.strategy.bench.asked_for(by.state, by.strategy.asking)
    assert of_length.what == "of 12 frames"
    assert of_length.surfaces
    assert between.what == "from left to right in 10 frames"
    assert between.paths + between.broken == 70
    assert not between.surfaces
    assert between.extent is not None
    assert between.examples[0][0][0] < -0.6
    assert between.examples[0][-1][0] > 0.5
    assert varied.what == "variations of crossing, noise 0.4"
    assert varied.displacements


def test_what_cannot_be_asked_for_yet_is_told(true_paths: Array) -> None:
    """Where no trajectory crosses there is none to vary, and to a state never seen no way."""
    by = asked_for(true_paths)
    only_left = np.where(by.state.frames[..., :1] < -0.6, by.state.frames, [[[-1.0, 0.0]]])
    by.state = replace(by.state, gathered=(replace(by.state.gathered[0], frames=only_left),))
    asked = [order.read(GeneratePayload) for order in by.strategy.decide(by.state).orders]
    assert {p.task for p in asked} == {0, 1}
    by.step()
    told = by.strategy.bench.asked_for(by.state, by.strategy.asking)
    assert [one.notes for one in told[1:]] == [
        ("a state that they lie between was never visited",),
        ("no crossing was gathered that could be varied",),
    ]


def test_paths_that_jump_over_the_barrier_are_broken_where_the_simulators_do_not() -> None:
    states = Partition.from_boxes(
        {"left": {"x": (-2.0, -0.6)}, "right": {"x": (0.5, 2.0)}}, ("x",), np.zeros(1, dtype=bool)
    )
    smooth = np.array([-1.0, -0.3, 0.2, 0.8])[None, :, None]
    jumping = np.array([-1.0, -1.0, 0.8, 0.8])[None, :, None]
    for gathered, whole in ((smooth, [True, False]), (jumping, [True, True])):
        data = Simulated(gathered, np.zeros(1, dtype=np.int64), np.ones(1), states, 2)
        assert data.without_skips(np.concatenate([smooth, jumping])).tolist() == whole
        windows, weight = data.windows((0, 1), 4)
        assert len(windows) == len(weight) == 1
        assert data.windows((1, 0), 4)[0].shape == (0, 4, 1)


def test_the_scalars_of_a_judgement_reach_tensorboard(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    state = by.cycle()
    untold = replace(state, made=())  # the judgement is dear, and no scalar is of it
    estimate = by.strategy.estimate(untold).told()
    info = RoundInfo(4, "produce", estimate, {}, 0, Cost(), 48, 0, None, {})
    found = scalars(info)
    verdict = state.verdicts[-1]
    assert found["dynamics/difference_kT"] == verdict.difference
    assert found["dynamics/gathered_frames"] == 48 * 32
    assert found["dynamics/divergence_after_left"] == verdict.regions[0]
    assert set(found) >= {f"dynamics/{n}" for n in ("cycles", "lost", "broken")}
