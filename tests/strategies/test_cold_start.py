"""Chains that begin in one state: what they find, when they have settled, what they never claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving import Drive, same

from msgen.actors.base import decode, encode
from msgen.orchestrator.strategies.steered import strategy as steered
from msgen.orchestrator.strategies.steered.state import AdaptState
from msgen.orchestrator.strategies.steered.traffic import LEAST, Traffic

EXACT = np.log([0.5, 0.3, 0.2])
QUICK = (
    "model={kind: kde}",
    "strategy.path={scheme: moving, steps: 12, timestep: 0.4, friction: 0.01}",
)


def wells(*more: str) -> Drive:
    """The three wells, cold, with paths that need no tuning and a model that needs no training."""
    return Drive.of("papers/steered_three_wells", *QUICK, *more)


def traffic(flow: list[list[float]], visits: list[float], chance: float = 0.5) -> Traffic:
    """Moves of which each had this chance."""
    moves = np.array(flow)
    return Traffic(np.array(visits), moves, chance * moves, 3)


def test_moves_that_balance_have_settled() -> None:
    # 60 ± 5 against 52 ± 5
    assert traffic([[500.0, 60.0], [52.0, 300.0]], [900.0, 700.0]).settled
    assert not traffic([[500.0, 60.0], [25.0, 300.0]], [900.0, 700.0]).settled


def test_one_state_alone_and_a_few_moves_say_nothing() -> None:
    assert not traffic([[500.0, 0.0], [0.0, 0.0]], [900.0, 0.0]).settled
    few = LEAST / 2
    assert not traffic([[500.0, few], [few, 300.0]], [900.0, 700.0]).settled


def test_a_current_round_three_states_is_no_balance() -> None:
    still = np.full((3, 3), 60.0)
    assert traffic(still.tolist(), [500.0] * 3).settled
    ring = still + 40.0 * (np.roll(np.eye(3), 1, axis=1) - np.roll(np.eye(3), -1, axis=1))
    assert np.allclose(ring.sum(axis=0), ring.sum(axis=1))  # as many come as go
    assert not traffic(ring.tolist(), [500.0] * 3).settled


def test_a_state_next_to_empty_need_not_be_driven_to() -> None:
    flow = [[500.0, 60.0, 0.0], [60.0, 300.0, 0.0], [0.0, 0.0, 0.0]]
    assert traffic(flow, [900.0, 700.0, 5.0]).settled
    assert not traffic(flow, [900.0, 700.0, 200.0]).settled


def test_traffic_survives_the_disk() -> None:
    now = traffic([[5.0, 1.0], [2.0, 3.0]], [9.0, 7.0])
    assert same(encode(decode(Traffic, encode(now))), encode(now))


def test_a_cold_chain_pushes_nobody_and_knows_one_state() -> None:
    drive = wells()
    assert drive.state.phase == "adapt"
    assert drive.state.states.names == ("all",)
    step = drive.step()
    assert {order.kind for order in step.plan.orders} == {"sample"}
    x = drive.state.walkers.positions
    assert x.shape == (64, 4)
    assert (x[:, 0] < -3.0).all()


@pytest.mark.slow
def test_states_are_found_and_weighed_from_one_of_them() -> None:
    estimate = wells("converge={state_error: 0.1 kT, surface_error: 0.4 kT, below: 4 kT}").converge(
        most=100
    )
    names = list(estimate.states)
    assert len(names) == 3
    f = np.array([estimate.states[n].f_kT for n in names])
    error = np.array([estimate.states[n].stderr_kT for n in names])
    where = np.argsort([float(n.removeprefix("x=")) for n in names])
    exact = -EXACT[np.argsort(where)]
    assert (np.abs(f - f[0] - (exact - exact[0]))[1:] < 4.0 * error[1:]).all()
    assert (error[1:] < 0.1).all()


def test_proposals_are_taught_until_the_chain_has_settled() -> None:
    drive = wells()
    drive.until("produce", most=80)
    fits = [k for k, step in enumerate(drive.steps) if step.plan.fits]
    first = [(s.after.walkers.positions[:, 0] > -3.0).any() for s in drive.steps].index(True)
    assert fits[-1] > first
    assert drive.steps[-1].after.settling.traffic.settled
    assert drive.state.missing == ()


def alone(monkeypatch: pytest.MonkeyPatch, *more: str) -> Drive:
    """A chain whose broad share is too small to find what lies far off, in production."""
    monkeypatch.setattr(steered, "MOST_COLD", 14)
    far = "system={kind: gaussian_mixture, means: [[-6, 1], [60, 0]], scales: 0.7, weights: [1, 1]}"
    axis = "cvs={x: {kind: coordinate, index: 0, range: [-9, 90], bins: 60}}"
    states = "states={right: {x: [30, 90]}}"
    drive = wells(far, axis, states, "strategy.broad=1e-9", *more)
    return drive.until("produce", most=20)


def test_a_state_that_was_asked_for_and_never_visited_is_never_converged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loose = "converge={state_error: 9 kT, surface_error: 9 kT, r_hat: 9, ess: 1, round_trips: 1}"
    drive = alone(monkeypatch, loose)
    assert drive.state.missing == ("right",)
    for _ in range(4):
        drive.step()
    estimate = drive.strategy.estimate(drive.state)
    assert not estimate.converged
    assert "right: never found" in estimate.unmet
    assert estimate.states["right"].f_kT is None


def test_a_state_found_in_production_sends_the_chain_back_to_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drive = alone(monkeypatch)
    drive.step()  # what does not count yet
    x = np.array(drive.state.walkers.positions)
    x[:4] = [60.0, 0.0]
    drive.state = replace(drive.state, walkers=replace(drive.state.walkers, positions=x))
    drive.step()
    assert drive.state.phase == "adapt"
    assert drive.state.missing == ()
    assert isinstance(drive.state, AdaptState)  # which knows of nothing that was counted
    # and it learns of it
    version = drive.state.version
    for _ in range(8):
        drive.step()
    assert drive.state.version > version
